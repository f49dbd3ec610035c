/**
 * Counts of the readings that the log took away for space or age. The transaction that takes them away writes the counts: in
 * log.db those of commit blocks, in history.db those of hours. A row a shape, so that a site of thousands of points costs some
 * pages.
 */
import type Database from 'better-sqlite3';
import type { Shape } from '../../core/point.ts';
import type { FoundRow } from '../files/found-row.ts';
import type { ClockTable } from '../time/clock-table.ts';

const WHYS = ['thinned', 'dropped', 'aged'] as const;
export type Why = (typeof WHYS)[number];
/** Under this name go the readings of what could not be read any more. */
export const DAMAGED = '(damaged block)';
/** The shape of those. */
const NO_SHAPE = 0;

/** UTC ms of the oldest and of the newest; only of times that are known. */
export type Span = readonly [from: number, to: number];

/** Readings of one shape that go together. */
export interface Gone {
  readonly why: Why;
  /** Its number; undefined where it cannot be read any more: `counts` then has one number. */
  readonly shape: number | undefined;
  /** By the points of the shape. */
  readonly counts: readonly number[];
  /** Those of them that a forwarder had not delivered; undefined: none. */
  readonly lost: readonly number[] | undefined;
  readonly span: Span | undefined;
}

/** By the points of the shape; one number where all have the same. */
type Counts = number | readonly number[];
/** As JSON in `removed.body`. Files of earlier versions have the counts of WHYS alone. */
interface Body extends Record<Why, Counts> {
  lost?: Counts;
  spans?: Partial<Record<Why, Span>>;
}

/** The readings of one point that were taken away since the log was made. */
export interface RemovedPoint {
  readonly thinned: RemovedReadings;
  readonly dropped: RemovedReadings;
  readonly aged: RemovedReadings;
  /** How many of all these readings a forwarder had not delivered. */
  readonly lost: number;
}
export interface RemovedReadings {
  readonly readings: number;
  readonly span: Span | undefined;
}

export class Removals {
  readonly #db: Database.Database;
  readonly #shapeOf: (id: number) => Shape | undefined;

  constructor(db: Database.Database, shapeOf: (id: number) => Shape | undefined) {
    this.#db = db;
    this.#shapeOf = shapeOf;
  }

  /** Inside the transaction that takes it away. */
  count({ why, shape = NO_SHAPE, counts, lost, span }: Gone): void {
    const text = this.#db.prepare<[number], string>('select body from removed where shape = ?').pluck().get(shape);
    const sums: Body = text === undefined ? { thinned: 0, dropped: 0, aged: 0 } : (JSON.parse(text) as Body);
    sums[why] = plus(sums[why], counts);
    if (lost !== undefined) sums.lost = plus(sums.lost ?? 0, lost);
    if (span !== undefined) sums.spans = { ...sums.spans, [why]: around(sums.spans?.[why], span) };
    this.#db.prepare('insert or replace into removed (shape, body) values (?, ?)').run(shape, JSON.stringify(sums));
  }

  /** Adds to `points`, by `device.point`. A row a step. */
  *addTo(points: Map<string, RemovedPoint>): Generator<undefined, void> {
    for (const { shape, body } of this.#db
      .prepare<[], { shape: number; body: string }>('select shape, body from removed')
      .all()) {
      const sums = JSON.parse(body) as Body;
      this.#names(shape).forEach((name, i) => {
        const before = points.get(name);
        const of = (why: Why): RemovedReadings => {
          const readings = at(sums[why], i);
          const span = readings === 0 ? undefined : sums.spans?.[why];
          const had = before?.[why];
          return {
            readings: readings + (had?.readings ?? 0),
            span: span === undefined ? had?.span : around(had?.span, span),
          };
        };
        points.set(name, {
          ...{ thinned: of('thinned'), dropped: of('dropped'), aged: of('aged') },
          lost: at(sums.lost ?? 0, i) + (before?.lost ?? 0),
        });
      });
      yield;
    }
  }

  #names(id: number): string[] {
    if (id === NO_SHAPE) return [DAMAGED];
    const shape = this.#shapeOf(id);
    return shape === undefined ? [] : shape.points.map((p) => `${shape.device}.${p.name}`);
  }
}

/** A row of `removed`, by its form alone: it carries no seal. */
export function removalOf({ rowid, columns }: FoundRow): [shape: number, body: string] | undefined {
  const text = columns[1];
  return rowid === undefined || columns.length !== 2 || typeof text !== 'string' ? undefined : [rowid, text];
}
/** Only a known shape with its counts is believed. */
export function isRemoval(shape: number, body: string, isShape: (id: number) => boolean): boolean {
  if (shape !== NO_SHAPE && !isShape(shape)) return false;
  try {
    const counts = JSON.parse(body) as Record<string, unknown>;
    return WHYS.every((why) => Array.isArray(counts[why]) || typeof counts[why] === 'number');
  } catch {
    return false;
  }
}

/** From the first to the last record of those that go, as far as their times are known. */
export function spanOf(clock: ClockTable, boot: number, ...ends: readonly { readonly seq: number; readonly at: number }[]) {
  const times = ends.flatMap(({ seq, at: time }) => {
    const mapping = clock.of(boot, seq);
    return mapping === undefined || mapping.estimated ? [] : [Math.round(time + mapping.offset)];
  });
  return times.length === 0 ? undefined : ([Math.min(...times), Math.max(...times)] satisfies Span);
}

function around(a: Span | undefined, b: Span): Span {
  return a === undefined ? b : [Math.min(a[0], b[0]), Math.max(a[1], b[1])];
}

function plus(sums: Counts, counts: readonly number[]): Counts {
  return packed(counts.map((n, i) => n + at(sums, i)));
}
function at(counts: Counts, index: number): number {
  return typeof counts === 'number' ? counts : (counts[index] ?? 0);
}
/** The usual case is small: every point of a shape has lost as many. */
function packed(counts: readonly number[]): Counts {
  const [first] = counts;
  return first !== undefined && counts.every((n) => n === first) ? first : counts;
}
