/**
 * A disk that remembers every write and flush that reached it, so that a power cut can be played at any moment.
 * Writes after the last flush are lost or kept at random, sector
 * by sector, as a card with a cache of its own would.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { nbdDisk } from './nbd-disk.ts';
import { scratch } from './scratch.ts';

const SECTOR = 512;
/** The block with ext4's superblock is written whole or not at all: with half of it no kernel mounts the disk, whatever is on it. */
const SUPERBLOCK = 4096;
/** kind u8, offset u64, length u32 */
const HEAD = 13;
const WRITE = 0x57;
const FLUSH = 0x46;

export interface Write {
  readonly offset: number;
  readonly data: Buffer;
}
export type Entry = { readonly at: number; readonly end: number; readonly write: Write | undefined };

export class RecordingDisk {
  /** Where it is mounted. */
  readonly folder: string;
  /** What reached it, in order; its length tells a moment. */
  readonly record: string;
  readonly size: number;
  readonly #stop: () => Promise<void>;

  constructor(folder: string, record: string, size: number, stop: () => Promise<void>) {
    this.folder = folder;
    this.record = record;
    this.size = size;
    this.#stop = stop;
  }

  get moment(): number {
    return statSync(this.record).size;
  }
  /** Unmounts. What that writes is in the record as well. */
  stop(): Promise<void> {
    return this.#stop();
  }
  entries(): Entry[] {
    return entriesOf(readFileSync(this.record));
  }
}

/** @param from moment at which the record begins */
export function entriesOf(bytes: Buffer, from = 0): Entry[] {
  const out: Entry[] = [];
  for (let at = 0; at + HEAD <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + 9);
    const end = at + HEAD + length;
    const write =
      bytes[at] === WRITE ? { offset: Number(bytes.readBigUInt64LE(at + 1)), data: bytes.subarray(at + HEAD, end) } : undefined;
    out.push({ at: from + at, end: from + end, write });
    at = end;
  }
  return out;
}
/** The record of these entries, as recording-disk.py writes it. */
export function recordOf(entries: readonly Entry[]): Buffer {
  return Buffer.concat(
    entries.flatMap(({ write }) => {
      const head = Buffer.alloc(HEAD);
      head.writeUInt8(write === undefined ? FLUSH : WRITE, 0);
      head.writeBigUInt64LE(BigInt(write?.offset ?? 0), 1);
      head.writeUInt32LE(write?.data.length ?? 0, 9);
      return write === undefined ? [head] : [head, write.data];
    }),
  );
}

/**
 * @param image what is on the disk at first, an ext4; else a new one is made
 * @returns undefined after the test was marked as skipped
 */
export async function recordingDisk(t: TestContext, megabytes: number, image?: Buffer): Promise<RecordingDisk | undefined> {
  const base = scratch(t, 'record');
  const at = (name: string) => path.join(base, name);
  const size = megabytes * 1024 ** 2;
  const script = path.join(import.meta.dirname, 'recording-disk.py');
  if (image !== undefined) writeFileSync(at('image'), image);
  const first = image === undefined ? [] : [`image=${at('image')}`];
  const plugin = ['python', script, `size=${size}`, `record=${at('record')}`, ...first];
  const disk = await nbdDisk(t, base, plugin, image === undefined);
  return disk && new RecordingDisk(disk.folder, at('record'), size, disk.stop);
}

/**
 * The content of the disk after power cuts at moments of a record: all up to the last flush before the moment, and of what came
 * after, a random part of the writes, and of some of them a random part of the sectors. Moments go up: what was flushed
 * is played once.
 */
export class Cuts {
  readonly #entries: readonly Entry[];
  /** Everything before `#next` is in it. */
  readonly #flushed: Buffer;
  #next = 0;
  readonly #image: Buffer;

  constructor(entries: readonly Entry[], size: number, first?: Buffer) {
    this.#entries = entries;
    this.#flushed = Buffer.alloc(size);
    first?.copy(this.#flushed);
    this.#image = Buffer.alloc(size);
  }

  /**
   * @param moment not below that of the call before
   * @returns the image, until the next call, and how many writes were lost at least in part
   */
  at(moment: number, random: () => number): { image: Buffer; lost: number } {
    const end = this.#entries.findLastIndex((e) => e.end <= moment) + 1;
    const flush = this.#entries.slice(0, end).findLastIndex((e) => e.write === undefined);
    for (; this.#next < flush; this.#next++) {
      const { write } = this.#entries[this.#next] as Entry;
      write?.data.copy(this.#flushed, write.offset);
    }
    const image = this.#image;
    this.#flushed.copy(image);
    let lost = 0;
    const share = random();
    for (const { write } of this.#entries.slice(this.#next, end)) {
      if (write === undefined) continue;
      const whole = random() > share;
      const torn = !whole && random() < 0.5;
      if (!whole) lost++;
      for (let from = 0; from < write.data.length; ) {
        const length = write.offset + from < SUPERBLOCK ? SUPERBLOCK - write.offset - from : SECTOR;
        if (whole || (torn && random() < 0.5)) write.data.copy(image, write.offset + from, from, from + length);
        from += length;
      }
    }
    return { image, lost };
  }
}
