/**
 * What imports played to a broker of one gateway: a file, written whole.
 *
 * - A record counts as played with the points that it had. A bundle of another forwarder, or of a wider filter, has other points of it.
 * - A batch has every record of its range that has the same points: what a filter takes of a record depends on its points alone. So
 *   ranges are kept for each list of points, and they grow together.
 * - The marks are those of receivers: one for each log and topic, whatever forwarder a bundle is of.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { type Batch, rangeOf } from '../../codecs/format.ts';
import { SluiceError } from '../../core/errors.ts';
import type { LogRecord, Shape } from '../../core/point.ts';
import { readSmall, WholeFile } from './bundle-file.ts';
import { NumberRanges } from './number-ranges.ts';

const VERSION = 2;
const MAX_STATE = 64 * 1024 * 1024;

interface State {
  readonly v: number;
  /** By log and topic: the highest number. */
  readonly marks: readonly [string, number][];
  /** By log, lane and points: first and last of ranges. */
  readonly sets: readonly [string, [number, number][]][];
}

export class Played {
  readonly #folder: string;
  readonly #name: string;
  readonly #marks = new Map<string, number>();
  readonly #sets = new Map<string, NumberRanges>();
  readonly #keys = new WeakMap<Shape, string>();

  /** @throws SluiceError usage: the file is damaged */
  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
    const file = path.join(folder, name);
    if (!existsSync(file)) return;
    try {
      const { v, marks, sets } = JSON.parse(readSmall(file, MAX_STATE)) as State;
      if (v !== VERSION) throw new Error(`it has version ${v}`);
      this.#marks = new Map(marks);
      for (const [key, ranges] of sets) this.#sets.set(key, new NumberRanges(ranges));
    } catch (cause) {
      throw new SluiceError(
        'usage',
        `${file} is damaged, or of another version. Remove it: bundles are then played again, and receivers drop what they have`,
        { cause },
      );
    }
  }

  /** Records that no bundle had with these points. */
  fresh({ log, lane, records }: Batch): LogRecord[] {
    return records.filter(({ seq, sample }) => this.#sets.get(this.#keyOf(log, lane, sample.shape))?.has(seq) !== true);
  }

  /** The highest number that a receiver of this topic may have; -1: it has nothing. */
  mark({ log, lane }: Batch): number {
    return this.#marks.get(`${log}/${lane}`) ?? -1;
  }

  /** @param marked whether something of it went to the topic of its lane */
  add(batch: Batch, marked: boolean): void {
    const { log, lane, records } = batch;
    const { first, last } = rangeOf(batch);
    for (const key of new Set(records.map(({ sample }) => this.#keyOf(log, lane, sample.shape)))) this.#of(key).add(first, last);
    if (marked) this.#marks.set(`${log}/${lane}`, Math.max(this.mark(batch), last));
  }

  /** An alarm or an event: a filter leaves some out, so each number counts for itself. @returns whether it is new */
  takes(kind: 'alarm' | 'event', log: string, seq: number): boolean {
    const set = this.#of(`${log}/${kind}`);
    if (set.has(seq)) return false;
    set.add(seq);
    return true;
  }

  /** @throws SluiceError usage, unsupported: there is too much */
  save(): void {
    const sets = [...this.#sets].map(([key, { all }]) => [key, all] as const);
    const text = JSON.stringify({ v: VERSION, marks: [...this.#marks], sets });
    if (text.length > MAX_STATE)
      throw new SluiceError(
        'unsupported',
        `${path.join(this.#folder, this.#name)} has no room for more. Remove it: bundles are then played again, and receivers drop what they have`,
      );
    const file = new WholeFile(this.#folder, 0o600);
    try {
      file.write(Buffer.from(text));
      file.finish(this.#name);
    } finally {
      file.abandon();
    }
  }

  #keyOf(log: string, lane: string, shape: Shape): string {
    let points = this.#keys.get(shape);
    if (points === undefined) {
      const names = JSON.stringify([shape.device, ...shape.points.map(({ name }) => name)]);
      points = createHash('sha256').update(names).digest('base64url').slice(0, 16);
      this.#keys.set(shape, points);
    }
    return `${log}/${lane}/${points}`;
  }

  #of(key: string): NumberRanges {
    let set = this.#sets.get(key);
    if (set === undefined) {
      set = new NumberRanges();
      this.#sets.set(key, set);
    }
    return set;
  }
}
