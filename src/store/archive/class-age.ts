/**
 * Readings that are kept for less than others, deleted from history.db by the class of their points.
 *
 * - Whole records go, with their roll-ups: an hour loses the parts of a shape that has a point of such a class. No record is changed.
 * - An hour is old when its last record is. A time that is estimated or to come says nothing: such an hour is as old as the known one
 *   behind it.
 * - The connection overwrites what is deleted (History.overwrite).
 */
import { decodeBlock } from '../../codecs/blocks.ts';
import type { LogRecord, Shape } from '../../core/point.ts';
import { keptFor, type Retention } from '../../core/privacy.ts';
import { Lanes } from '../delivery/lanes.ts';
import type { HourRow } from '../files/history-layout.ts';
import { type ForwarderState, keyOf } from '../files/layout.ts';
import { DAMAGED, type Gone, spanOf } from '../hot/removals.ts';
import type { ClockTable } from '../time/clock-table.ts';
import { countByPoint, type History } from './history-file.ts';
import type { Taken } from './thin.ts';

/** Hours of unknown time that are looked past in search of a known one. */
const LOOK = 10_000;

export interface ClassAgeRequest {
  readonly retention?: Retention | undefined;
  /** UTC ms, when known. */
  readonly wall: number | undefined;
  readonly active: readonly ForwarderState[];
}

/** Remembers how far it came, so that an hour is looked at once for each length. */
export class ClassAge {
  #history: History | undefined;
  #rules = '';
  /** By the length: the last hour that was looked at. At most one for each class. */
  readonly #done = new Map<number, number>();

  /** One transaction an hour; steps between two. @returns whether anything went */
  *run(history: History, clock: ClockTable, request: ClassAgeRequest, taken: Taken): Generator<undefined, boolean> {
    const { retention, wall } = request;
    if (retention === undefined || wall === undefined) return false;
    const rules = JSON.stringify(retention);
    if (history !== this.#history || rules !== this.#rules) this.#done.clear();
    this.#history = history;
    this.#rules = rules;
    let took = false;
    for (const keep of new Set(Object.values(retention.keep))) {
      let waiting: HourRow[] = [];
      for (let hour = history.hours.next(this.#done.get(keep) ?? 0); hour !== undefined; hour = history.hours.next(hour.id)) {
        waiting.push(hour);
        const time = clock.pastOf(hour.boot, hour.last, hour.at_last, wall);
        if (time === undefined) {
          if (waiting.length > LOOK) break;
          continue;
        }
        if (time >= wall - keep) break;
        for (const old of waiting) {
          if (takeShapes(history, clock, old, shortOf(history, old, retention, keep), request.active, taken)) took = true;
          this.#done.set(keep, old.id);
          yield;
        }
        waiting = [];
      }
    }
    return took;
  }
}

/** Shapes of an hour that have a point of such a class. */
function shortOf(history: History, hour: HourRow, retention: Retention, keep: number): number[] {
  const { first_part: first, parts } = hour;
  const ids = history.db
    .prepare<[number, number, number, number], number>(
      'select shape from part where id >= ? and id < ? union select shape from rollup where id >= ? and id < ?',
    )
    .pluck()
    .all(first, first + parts, first, first + parts);
  return ids.filter((id) => {
    const shape = history.shapeOf(id);
    return shape?.points.some((point) => (keptFor(retention, shape.device, point) ?? Number.POSITIVE_INFINITY) <= keep);
  });
}

/** @returns whether there was any */
function takeShapes(
  history: History,
  clock: ClockTable,
  hour: HourRow,
  shapes: readonly number[],
  active: readonly ForwarderState[],
  taken: Taken,
): boolean {
  if (shapes.length === 0) return false;
  const log = Math.floor(hour.id / keyOf(1, 0));
  const waiting = active.filter((f) => f.log === log).map((f) => Lanes.load(f.state));
  const gone: Gone[] = [];
  const parts: number[] = [];
  for (const id of shapes) {
    const shape = history.shapeOf(id) as Shape;
    for (const row of history.hours.partsOf(hour, id)) {
      parts.push(row.id);
      let records: LogRecord[];
      try {
        records = decodeBlock(row.body, history.shapeOf);
      } catch {
        gone.push({ why: 'aged', shape: undefined, counts: [row.readings], lost: undefined, span: undefined });
        add(taken.aged, DAMAGED, row.readings);
        continue;
      }
      const counts = countByPoint(shape, records);
      const owed = records.filter(({ seq }) => waiting.some((lanes) => lanes.waits(seq)));
      const lost = owed.length === 0 ? undefined : countByPoint(shape, owed);
      const ends = [records[0], records.at(-1)].flatMap((r) => (r === undefined ? [] : [{ seq: r.seq, at: r.sample.at }]));
      gone.push({ why: 'aged', shape: id, counts, lost, span: spanOf(clock, hour.boot, ...ends) });
      for (const [i, { name }] of shape.points.entries()) {
        add(taken.aged, `${shape.device}.${name}`, counts[i] as number);
        add(taken.lost, `${shape.device}.${name}`, lost?.[i] ?? 0);
      }
    }
  }
  history.db.transaction(() => {
    for (const some of gone) history.removed.count(some);
    for (const part of parts) history.setPart(part, undefined);
    for (const id of shapes)
      history.db
        .prepare('delete from rollup where id >= ? and id < ? and shape = ?')
        .run(hour.first_part, hour.first_part + hour.parts, id);
    history.setHour(hour, hour.state);
  })();
  return true;
}

function add(map: Map<string, number>, name: string, n: number): void {
  if (n > 0) map.set(name, (map.get(name) ?? 0) + n);
}
