/**
 * `report:` of points: which of their readings the log keeps. For each point on its own, against its last kept reading:
 *
 * - The first reading of a run is kept, and at once one whose quality is another.
 * - `atMost`: nothing else is kept before this time has passed.
 * - `atLeast`: when this time has passed a reading is kept, changed or not.
 * - In between a change is kept: |value - last kept| >= `change`, or >= `percent` of |last kept|. Any other value where neither
 *   is given, and of texts and bools; of readings that are not good also another reason. With `atMost` alone every reading counts
 *   as a change.
 * - Polls are never quite punctual, so both times are taken to the nearest reading: one may be early by half the distance from
 *   the reading before it, and never by more than a tenth of the time.
 *
 * A reading that is not kept is ABSENT in the record. Bounded: one entry a point.
 */
import type { Report, Sample, Shape, Value } from '../core/point.ts';
import { hasValue, reasonAt } from '../core/point.ts';
import { ABSENT, qualityOf } from '../core/reasons.ts';

/** A reading may come early by at most this share of the duration. */
const EARLY = 0.1;

export interface Reading {
  readonly value: Value;
  /** A code of REASONS, or GOOD. */
  readonly reason: number;
  /** Monotonic ms. */
  readonly at: number;
}

/** The state of a point that has `report:`. */
interface Track {
  kept: Reading | undefined;
  /** When the reading before was taken, kept or not. */
  seen: number;
}

export class Reports {
  readonly #tracks = new WeakMap<Shape, readonly Track[]>();

  /** The readings of a sample that are to be kept: itself where all are, undefined where none is. */
  take(sample: Sample): Sample | undefined {
    const { shape, values } = sample;
    const limits = shape.report ?? [];
    const tracks = this.#tracksOf(shape);
    let reasons: Uint8Array | undefined;
    let kept = 0;
    for (let i = 0; i < shape.points.length; i++) {
      const reason = reasonAt(sample, i);
      if (reason === ABSENT) continue;
      const limit = limits[i];
      if (this.#isKept(limit, tracks, i, reasons ?? sample.reasons, { value: values[i] as Value, reason, at: sample.at })) kept++;
      else {
        reasons ??= sample.reasons === null ? new Uint8Array(shape.points.length) : Uint8Array.from(sample.reasons);
        reasons[i] = ABSENT;
      }
    }
    if (kept === 0) return undefined;
    return reasons === undefined ? sample : { ...sample, reasons };
  }

  /** The last sample of this shape was not kept after all. */
  forget(shape: Shape): void {
    this.#tracks.delete(shape);
  }

  /** The state of the points moves from the shapes by which they were read to those by which they are read from now on. */
  carry(before: readonly Shape[], after: readonly Shape[]): void {
    for (const shape of after) {
      if (shape.report === undefined) continue;
      const tracks = shape.points.map((point) => this.#trackOf(before, point.name) ?? newTrack());
      this.#tracks.set(shape, tracks);
    }
  }

  #trackOf(shapes: readonly Shape[], point: string): Track | undefined {
    for (const shape of shapes) {
      const index = shape.points.findIndex(({ name }) => name === point);
      if (index >= 0) return this.#tracks.get(shape)?.[index];
    }
    return undefined;
  }

  #isKept(
    limit: Report | number | undefined,
    tracks: readonly Track[],
    index: number,
    reasons: Uint8Array | null,
    now: Reading,
  ): boolean {
    if (limit === undefined) return true;
    if (typeof limit === 'number') return reasons?.[limit] !== ABSENT;
    const track = tracks[index] as Track;
    const gap = now.at - track.seen;
    track.seen = now.at;
    if (!isKept(limit, track.kept, now, gap)) return false;
    track.kept = now;
    return true;
  }

  #tracksOf(shape: Shape): readonly Track[] {
    let tracks = this.#tracks.get(shape);
    if (tracks === undefined) {
      tracks = shape.points.map(newTrack);
      this.#tracks.set(shape, tracks);
    }
    return tracks;
  }
}

function newTrack(): Track {
  return { kept: undefined, seen: Number.NEGATIVE_INFINITY };
}

/** @param gap milliseconds since the reading before, kept or not */
export function isKept(report: Report, last: Reading | undefined, now: Reading, gap: number): boolean {
  if (last === undefined || qualityOf(now.reason) !== qualityOf(last.reason)) return true;
  const passed = (time: number) => now.at - last.at >= time - Math.min(gap / 2, time * EARLY);
  if (report.atMost !== undefined && !passed(report.atMost)) return false;
  if (report.atLeast !== undefined && passed(report.atLeast)) return true;
  return isChange(report, last, now);
}

function isChange(report: Report, last: Reading, now: Reading): boolean {
  const { change, percent, atLeast } = report;
  if (now.reason !== last.reason || (change === undefined && percent === undefined && atLeast === undefined)) return true;
  if (!hasValue(now.reason) || now.value === last.value) return false;
  if ((change === undefined && percent === undefined) || !isNumber(now.value) || !isNumber(last.value)) return true;
  const by = distance(now.value, last.value);
  const size = Math.abs(Number(last.value));
  return (change !== undefined && by >= change) || (percent !== undefined && by >= (percent / 100) * size);
}

function isNumber(value: Value): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** Decimals are never quite what is written: from 4.2 to 4.3 it is 0.1, as a person counts. */
function distance(a: number | bigint, b: number | bigint): number {
  if (typeof a === 'bigint' && typeof b === 'bigint') return Number(a > b ? a - b : b - a);
  const [x, y] = [Number(a), Number(b)];
  return Math.abs(x - y) + Math.max(Math.abs(x), Math.abs(y)) * 2 ** -51;
}
