/**
 * A failed power cut, kept in a folder so that it can be looked at and played again: cut.img is what the cut left, first.img and
 * `record` are what the disk had and what reached it up to the cut, told.json what the log had reported, about.json the rest.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Told } from './log-child.ts';
import type { Recording } from './power-cut.ts';
import { entriesOf, recordOf } from './recording-disk.ts';

/** Bytes of a record that are kept. What is older and flushed goes into first.img, so that the cut can be played all the same. */
const MAX_RECORD = 64 * 1024 ** 2;

interface About {
  readonly moment: number;
  readonly wrong: readonly string[];
  /** Bytes of the disk. */
  readonly size: number;
  /** Moment at which the record begins. */
  readonly from: number;
}

/** @param most bytes of the record @returns the folder */
export function keepCut(
  recording: Recording,
  image: Buffer,
  moment: number,
  wrong: readonly string[],
  most = MAX_RECORD,
): string {
  const entries = recording.entries.filter((e) => e.end <= moment);
  const flushed = entries.findLastIndex((e) => e.write === undefined);
  const first = Buffer.alloc(recording.size);
  recording.image?.copy(first);
  let skipped = 0;
  for (; skipped < flushed; skipped++) {
    const { at, write } = entries[skipped] as (typeof entries)[number];
    if (moment - at <= most) break;
    write?.data.copy(first, write.offset);
  }
  const kept = entries.slice(skipped);
  const about: About = { moment, wrong, size: recording.size, from: kept[0]?.at ?? moment };
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-power-cut-'));
  const put = (name: string, bytes: Uint8Array | string) => writeFileSync(path.join(folder, name), bytes);
  put('cut.img', image);
  put('first.img', first);
  put('record', recordOf(kept));
  put('told.json', JSON.stringify(recording.told));
  put('about.json', JSON.stringify(about, undefined, 2));
  return folder;
}

/** What `keepCut` has put into a folder. The recording ends with the cut. */
export function readCut(folder: string): { recording: Recording; image: Buffer; moment: number; wrong: readonly string[] } {
  const get = (name: string) => readFileSync(path.join(folder, name));
  const { moment, wrong, size, from } = JSON.parse(get('about.json').toString()) as About;
  const told = JSON.parse(get('told.json').toString()) as Told[];
  const recording = { entries: entriesOf(get('record'), from), size, told, image: get('first.img') };
  return { recording, image: get('cut.img'), moment, wrong };
}
