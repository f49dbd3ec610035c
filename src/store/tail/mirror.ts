/**
 * The mirror of the uncommitted tail in a memory-backed folder: what a killed process leaves behind. A segment is begun
 * with each commit; the older ones go when the commit has ended. Every entry is written before its effect is seen
 * outside. When the folder cannot be written the mirror is down: data then waits for the commit, and nothing else stops.
 */
import { createHash } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { ENTRY, EntryWriter } from '../../codecs/rows.ts';
import { SluiceError } from '../../core/errors.ts';
import type { TailState } from '../hot/layout.ts';
import { makeFolder } from '../make-folder.ts';
import { TAIL_FILE } from '../recovery/recover.ts';

/** statfs magic numbers of Linux: tmpfs and ramfs. */
const MEMORY_BACKED = new Set([0x01021994, 0x858458f6]);

export interface RuntimeDir {
  readonly dir: string;
  readonly memoryBacked: boolean;
}

/** Where the tail lies: as configured, `$RUNTIME_DIRECTORY`, /run/sluice/<hash>, else /dev/shm. undefined: nowhere. */
export function chooseRuntimeDir(
  stateDir: string,
  configured: string | undefined,
  env: NodeJS.ProcessEnv,
): RuntimeDir | undefined {
  const hash = createHash('sha256').update(path.resolve(stateDir)).digest('hex').slice(0, 12);
  const named = configured ?? env.RUNTIME_DIRECTORY?.split(':')[0];
  const candidates =
    named !== undefined && named !== '' ? [named] : [`/run/sluice/${hash}`, `/dev/shm/sluice-${process.getuid?.() ?? 0}-${hash}`];
  for (const dir of candidates) {
    try {
      makeFolder(dir, 0o700);
      accessSync(dir, constants.W_OK | constants.X_OK);
      const memoryBacked = MEMORY_BACKED.has(statfsSync(dir).type);
      // A folder on the card would be worn with every reading: only when a person asks for it by name.
      if (!memoryBacked && named === undefined) continue;
      claim(dir, path.resolve(stateDir));
      return { dir, memoryBacked };
    } catch (thrown) {
      if (thrown instanceof SluiceError) throw thrown;
      // Not allowed here: the next one.
    }
  }
  return undefined;
}

/** While the disk takes nothing the oldest segments are given up beyond this, as pending.ts gives up the oldest chunks. */
const MAX_BYTES = 32 * 1024 * 1024;
/** A segment of this size is followed by another, also while no commit ends. */
const SEGMENT_BYTES = 4 * 1024 * 1024;
export const MIRROR_MOST = MAX_BYTES + SEGMENT_BYTES;

/** Two gateways in one folder would take each other's tail. @throws SluiceError log-open */
function claim(dir: string, stateDir: string): void {
  const file = path.join(dir, 'owner');
  let owner = '';
  try {
    owner = readFileSync(file, 'utf8');
  } catch {
    // Nobody's yet.
  }
  if (owner === stateDir) return;
  if (owner !== '')
    throw new SluiceError(
      'log-open',
      `the runtime directory ${dir} belongs to the gateway whose state lies in ${owner}: name another folder as gateway.runtimeDir, or remove ${dir} when that gateway is gone`,
    );
  writeFileSync(file, stateDir, { mode: 0o600 });
}

export class Mirror {
  readonly #dir: string | undefined;
  #fd: number | undefined;
  #segment = 0;
  #fault: string | undefined;
  /** The highest number whose entry could not be written. */
  #lacks = 0;
  /** Bytes of each segment that is still there, oldest first. */
  readonly #sizes = new Map<number, number>();

  constructor(dir: string | undefined) {
    this.#dir = dir;
  }

  /** undefined when every entry is safe from a kill. */
  get fault(): string | undefined {
    return this.#dir === undefined ? 'no memory-backed folder' : this.#fault;
  }
  get up(): boolean {
    return this.#fd !== undefined && this.#fault === undefined;
  }
  get bytes(): number {
    return [...this.#sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  }
  /** Another segment is to be begun. */
  get full(): boolean {
    return (this.#sizes.get(this.#segment) ?? 0) > SEGMENT_BYTES;
  }
  /** Whether every item above `committed` is safe from a kill. A segment that was begun well does not heal the one before. */
  covers(committed: number): boolean {
    return this.up && this.#lacks <= committed;
  }

  /** Begins a segment with `head`. @returns its number */
  begin(head: Uint8Array): number {
    if (this.#dir === undefined) return 0;
    this.#bound();
    this.#segment++;
    this.#sizes.set(this.#segment, 0);
    try {
      if (this.#fd !== undefined) closeSync(this.#fd);
      this.#fd = undefined;
      // The folder may have been cleaned away under us.
      makeFolder(this.#dir, 0o700);
      this.#fd = openSync(path.join(this.#dir, `tail-${this.#segment}.bin`), 'w', 0o600);
      this.#fault = undefined;
    } catch (thrown) {
      this.#fault = String(thrown);
    }
    this.write(head);
    return this.#segment;
  }

  /** The entry of an item that has just got its number. */
  item(seq: number, bytes: Uint8Array): void {
    this.write(bytes);
    if (!this.up) this.#lacks = seq;
  }

  state(state: TailState): void {
    const writer = new EntryWriter(1024);
    writer.json(ENTRY.state, state);
    this.write(writer.since(0));
  }

  write(bytes: Uint8Array): void {
    if (this.#fd === undefined || this.#fault !== undefined) return;
    try {
      let done = 0;
      while (done < bytes.length) done += writeSync(this.#fd, bytes, done);
      this.#sizes.set(this.#segment, (this.#sizes.get(this.#segment) ?? 0) + done);
    } catch (thrown) {
      // What follows would stand behind a gap: nothing more goes into this segment.
      this.#fault = String(thrown);
    }
  }

  /** Everything before segment `keep` is committed. */
  drop(keep: number): void {
    if (this.#dir === undefined) return;
    for (const segment of this.#sizes.keys()) if (segment < keep) this.#sizes.delete(segment);
    let names: string[] = [];
    try {
      names = readdirSync(this.#dir);
    } catch {
      // The folder is gone, and with it what had to go.
    }
    for (const name of names) {
      const m = TAIL_FILE.exec(name);
      if (m === null || Number(m[1]) >= keep) continue;
      try {
        rmSync(path.join(this.#dir, name), { force: true, recursive: true });
      } catch (thrown) {
        // What is committed is not taken twice, so it may lie there; but a folder that cannot be written is no mirror.
        this.#fault = String(thrown);
      }
    }
  }

  #bound(): void {
    let total = this.bytes;
    for (const [segment, bytes] of this.#sizes) {
      if (total <= MAX_BYTES || segment === this.#segment) return;
      total -= bytes;
      this.drop(segment + 1);
    }
  }

  /** After the opening run took the tail: all of it goes. Segments of this run begin after it. */
  clear(): void {
    if (this.#dir !== undefined) this.drop(Number.POSITIVE_INFINITY);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
