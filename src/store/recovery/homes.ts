/**
 * Where hours of a damaged history.db belong. An hour stays in its log where log.db settles its lanes. Where log.db was lost as
 * well, nobody knows which of its records went out, and on which topic: such hours go into a log of their own (its name begins
 * with `s`), keep their numbers, and may come twice, like blocks whose lanes cannot be proven (rebuild-log.ts).
 *
 * - Ordinals of such logs lie below that of the current log, which is the last one. Each loss leaves some free.
 * - history.db has them first. A kill before log.db has them shows at the next opening, and the file is made anew once more.
 */
import type Database from 'better-sqlite3';
import { isSalvageLog, keyOf, salvageLogName } from '../files/layout.ts';
import type { KeptLog } from '../files/repair-report.ts';
import { isSalvaged } from '../files/whole-file.ts';

/** Ordinals that a loss leaves free for them; a salvage of log.db that is under way does not use these. */
export const HOMES = 2;

interface Placed {
  readonly id: number;
  readonly last: number;
  readonly boot: number;
}
export interface Home {
  readonly ordinal: number;
  readonly name: string;
  /** Empty where log.db does not know the log. */
  readonly oldLog: string;
}

export class Homes {
  readonly #names: ReadonlyMap<number, string>;
  readonly #current: number;
  readonly #settled: ReadonlyMap<number, number>;
  readonly #logOfBoot: ReadonlyMap<number, number>;
  /** The highest one first. */
  readonly #free: number[] = [];
  /** By the ordinal that the hours had. */
  readonly #homes = new Map<number, Home>();

  constructor(log: Database.Database) {
    this.#names = new Map(log.prepare<[], [number, string]>('select ordinal, name from log order by ordinal').raw().all());
    this.#settled = new Map(log.prepare<[], [number, number]>('select log, settled from lanes').raw().all());
    this.#logOfBoot = new Map(log.prepare<[], [number, number]>('select boot, log from boot').raw().all());
    this.#current = [...this.#names.keys()].at(-1) ?? 0;
    const most = isSalvaged(log.name) ? HOMES : Number.POSITIVE_INFINITY;
    for (let ordinal = this.#current - 1; ordinal > 0 && this.#free.length < most; ordinal--)
      if (!this.#names.has(ordinal)) this.#free.push(ordinal);
  }

  get made(): readonly Home[] {
    return [...this.#homes.values()];
  }

  /** @returns ordinal of the log that the hour goes on in; undefined: there is none left */
  of(hour: Placed): number | undefined {
    const ordinal = Math.floor(hour.id / keyOf(1, 0));
    if (this.#isProven(hour, ordinal)) return ordinal;
    let home = this.#homes.get(ordinal);
    if (home === undefined) {
      const free = this.#free.shift();
      if (free === undefined) return undefined;
      home = { ordinal: free, name: salvageLogName(), oldLog: this.#names.get(ordinal) ?? '' };
      this.#homes.set(ordinal, home);
    }
    return home.ordinal;
  }

  /**
   * The newest log may have begun where none was known, under any ordinal, but it knows all of its boots. Records of a log that
   * was made for salvaged ones have the boots of another.
   */
  #isProven({ last, boot }: Placed, ordinal: number): boolean {
    const name = this.#names.get(ordinal);
    if (name === undefined || last > (this.#settled.get(ordinal) ?? 0)) return false;
    if (isSalvageLog(name)) return true;
    const named = this.#logOfBoot.get(boot);
    return named === undefined ? ordinal !== this.#current : named === ordinal;
  }
}

/** Logs of which history.db has hours now, with their last numbers. @param db history.db */
export function keptLogs(db: Database.Database, marks: readonly (readonly [log: number, seq: number])[]): KeptLog[] {
  const name = db.prepare<[number], string>('select name from log where ordinal = ?').pluck();
  return marks.map(([ordinal, last]) => ({ ordinal, name: name.get(ordinal) ?? '', last }));
}
