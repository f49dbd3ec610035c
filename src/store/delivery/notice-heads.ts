/**
 * What one log still has of one kind for a forwarder, as far as it was looked at: the lowest numbers of each key. Every other number up
 * to there is taken. Pure.
 *
 * - The cursor passes only numbers that are taken, without a gap (contract, rule 5).
 * - Each key gives its numbers in order: its lowest one is its head, and only heads are offered.
 * - What is taken beyond the cursor is known by the keys that wait, one number each, however many others were taken.
 * - MOST_KEYS keys wait at most, with MOST_KEYS + MOST_ROWS notices in memory. What does not fit stays in the log and is read again.
 * - MOST_WAITING of them are saved. What was taken behind a further one comes again after a restart.
 */
import { type Beyond, MOST_WAITING } from '../files/lane-state.ts';
import type { OutNotice } from './out.ts';

export const MOST_KEYS = 1024;
const MOST_ROWS = 256;
/** Notices of one key in memory. */
const DEPTH = 16;

export type NoticeRow = Omit<OutNotice, 'log'>;

interface Waiting {
  /** The lowest ones. */
  rows: NoticeRow[];
  /** The next one has this number or a higher one, up to `upTo`; undefined: there is no other. */
  more: number | undefined;
}

/** A key whose head is not in memory. */
export interface Gap {
  readonly key: string;
  /** Its head has this number or a higher one. */
  readonly from: number;
}

export class NoticeHeads {
  #upTo: number;
  #rows = 0;
  readonly #keys = new Map<string, Waiting>();
  /** The highest number that was taken before a lower one. */
  #taken: number;

  /** @param beyond what an earlier run took beyond the cursor */
  constructor(cursor: number, beyond?: Beyond) {
    this.#upTo = this.#taken = Math.max(cursor, beyond?.upTo ?? 0);
    for (const [key, from] of beyond?.waiting ?? [])
      if (from <= this.#upTo) this.#keys.set(key, { rows: [], more: Math.max(from, cursor + 1) });
  }

  /** How far the log was looked at. */
  get upTo(): number {
    return this.#upTo;
  }
  /** No further key fits. */
  get full(): boolean {
    return this.#keys.size >= MOST_KEYS;
  }
  /** How many notices of a key that has none may be put in. */
  get room(): number {
    return Math.max(1, Math.min(DEPTH, MOST_ROWS - this.#rows));
  }
  /** The lowest number that may not be taken; undefined: all are. */
  get lowest(): number | undefined {
    let lowest: number | undefined;
    for (const waiting of this.#keys.values()) lowest = Math.min(lowest ?? Number.POSITIVE_INFINITY, lowestOf(waiting));
    return lowest;
  }
  /** The cursor may stand here. */
  get done(): number {
    return this.lowest === undefined ? this.#upTo : this.lowest - 1;
  }
  /** What is taken beyond the cursor, as far as it is saved; undefined: nothing is. */
  get beyond(): Beyond | undefined {
    if (this.#taken <= this.done) return undefined;
    const waiting = [...this.#keys]
      .map(([key, of]) => [key, lowestOf(of)] as const)
      .filter(([, from]) => from <= this.#taken)
      .sort(([, a], [, b]) => a - b);
    const further = waiting[MOST_WAITING];
    return { upTo: further === undefined ? this.#taken : further[1] - 1, waiting: waiting.slice(0, MOST_WAITING) };
  }
  /** The lowest head that is not in memory. */
  get gap(): Gap | undefined {
    let gap: Gap | undefined;
    for (const [key, { rows, more }] of this.#keys)
      if (rows.length === 0 && more !== undefined && more < (gap?.from ?? Number.POSITIVE_INFINITY)) gap = { key, from: more };
    return gap;
  }

  /** The heads in the order of their numbers, up to one that is not in memory. */
  first(): NoticeRow[] {
    const end = this.gap?.from ?? Number.POSITIVE_INFINITY;
    return [...this.#keys.values()]
      .flatMap(({ rows }) => rows.slice(0, 1))
      .filter(({ seq }) => seq < end)
      .sort((a, b) => a.seq - b.seq);
  }

  /** All notices between `upTo` and the new one, in order. */
  add(rows: readonly NoticeRow[], upTo: number): void {
    for (const row of rows) {
      const waiting = this.#keys.get(row.key);
      if (waiting === undefined) {
        if (this.full) {
          this.#upTo = row.seq - 1;
          return;
        }
        this.#keys.set(row.key, { rows: [row], more: undefined });
        this.#rows++;
      } else if (waiting.more === undefined) {
        if (waiting.rows.length < DEPTH && this.#rows < MOST_ROWS) {
          waiting.rows.push(row);
          this.#rows++;
        } else waiting.more = row.seq;
      }
    }
    this.#upTo = upTo;
  }

  /** What the log has for a gap. @param more as in `Waiting` @returns false: the gap is not there any more */
  fill({ key, from }: Gap, rows: readonly NoticeRow[], more: number | undefined): boolean {
    const waiting = this.#keys.get(key);
    if (waiting === undefined || waiting.rows.length > 0 || waiting.more !== from) return false;
    waiting.rows = [...rows];
    this.#rows += rows.length;
    waiting.more = more;
    this.#tidy(key, waiting);
    return true;
  }

  /** A head is taken. One that is no head is known to be taken, or comes again. @param costs it is not to be taken again after a restart */
  take({ key, seq }: Pick<NoticeRow, 'key' | 'seq'>, costs: boolean): void {
    const waiting = this.#keys.get(key);
    if (waiting?.rows[0]?.seq !== seq) return;
    waiting.rows.shift();
    this.#rows--;
    this.#tidy(key, waiting);
    if (costs) this.#taken = Math.max(this.#taken, seq);
  }

  /** Everything up to here is taken. */
  takeAll(upTo: number): void {
    this.#upTo = Math.max(this.#upTo, upTo);
    for (const [key, waiting] of this.#keys) {
      const left = waiting.rows.filter(({ seq }) => seq > upTo);
      this.#rows -= waiting.rows.length - left.length;
      waiting.rows = left;
      if (waiting.more !== undefined) waiting.more = Math.max(waiting.more, upTo + 1);
      this.#tidy(key, waiting);
    }
  }

  #tidy(key: string, waiting: Waiting): void {
    if (waiting.more !== undefined && waiting.more > this.#upTo) waiting.more = undefined;
    if (waiting.rows.length === 0 && waiting.more === undefined) this.#keys.delete(key);
  }
}

function lowestOf({ rows, more }: Waiting): number {
  return rows[0]?.seq ?? more ?? Number.POSITIVE_INFINITY;
}
