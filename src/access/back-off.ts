/**
 * How many tries of a log-in are checked. Invariants:
 * - Every try is paid for before it is checked, and paid back when it was right: a thousand tries at once are not checked at once.
 * - A stranger (a name and an address that were not right together before) pays from two budgets, that of the address and that of the
 *   name: neither many names from one address nor many addresses on one name get far.
 * - Who got in before pays from a budget of that name and address (or of the mark that a browser keeps) alone. Nobody else's tries
 *   touch it, so nobody can lock the owner out.
 * - A name that is not there costs and counts like one that is.
 * - Time is monotonic: the system clock changes nothing. Tables are bounded; of a full one the entry with the fewest failures goes,
 *   so a flood does not wash away what is known of the one who is attacked.
 *
 * Pure: the time is passed in.
 */
import { placeOf } from '../core/peer-place.ts';

/** Tries before the first wait. */
export const FREE = 5;
/** The first wait and the longest, ms; each is twice the one before. */
const FIRST = 1000;
export const LONGEST = 15 * 60_000;
/** After so long without a try a failure is forgotten, ms. */
const FORGET = 60 * 60_000;
/** Entries of each table. */
export const MOST_ENTRIES = 1024;

/** What is known of a key, for the next start. Milliseconds from now, since the next start has another monotonic clock. */
export interface Kept {
  readonly key: string;
  readonly failures: number;
  /** Until a try is checked. */
  readonly waits: number;
  /** Since the last try. */
  readonly quiet: number;
}

interface Entry {
  failures: number;
  /** Tries before this time are not checked. */
  next: number;
  /** Time of the last try. */
  last: number;
}

export class Budgets {
  readonly #most: number;
  readonly #entries = new Map<string, Entry>();

  constructor(most = MOST_ENTRIES) {
    this.#most = most;
  }

  get size(): number {
    return this.#entries.size;
  }
  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** Milliseconds until a try of this key is checked; 0: now. */
  waits(key: string, now: number): number {
    return Math.max(0, (this.#entries.get(key)?.next ?? 0) - now);
  }

  /** A try counts as a failure until it is paid back. @returns whether the next one has to wait */
  pay(key: string, now: number): boolean {
    const entry = this.#entry(key, now);
    entry.failures++;
    entry.last = now;
    entry.next = entry.failures < FREE ? 0 : now + Math.min(FIRST * 2 ** (entry.failures - FREE), LONGEST);
    return entry.failures >= FREE;
  }

  payBack(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.failures = Math.max(0, entry.failures - 1);
    // It was 0 or over, or the try would not have been taken.
    entry.next = 0;
  }

  /** Everything of this key is forgotten but that it is known. */
  clear(key: string, now: number): void {
    Object.assign(this.#entry(key, now), { failures: 0, next: 0, last: now });
  }

  delete(matches: (key: string) => boolean): void {
    for (const key of this.#entries.keys()) if (matches(key)) this.#entries.delete(key);
  }

  /** Those with the most failures, and of them the newest. @param from fewest failures */
  kept(now: number, most: number, from = FREE): Kept[] {
    return Array.from(this.#entries, ([key, entry]) => ({
      ...{ key, failures: failuresOf(entry, now) },
      ...{ waits: Math.max(0, entry.next - now), quiet: Math.max(0, now - entry.last) },
    }))
      .filter(({ failures }) => failures >= from)
      .sort((a, b) => b.failures - a.failures || a.quiet - b.quiet)
      .slice(0, most);
  }

  /** At a start, before the first try. */
  restore(rows: readonly Kept[], now: number): void {
    for (const { key, failures, waits, quiet } of rows.slice(0, this.#most))
      this.#entries.set(key, { failures, next: waits > 0 ? now + Math.min(waits, LONGEST) : 0, last: now - quiet });
  }

  #entry(key: string, now: number): Entry {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      known.failures = failuresOf(known, now);
      return known;
    }
    if (this.#entries.size >= this.#most) this.#dropOne();
    const entry: Entry = { failures: 0, next: 0, last: now };
    this.#entries.set(key, entry);
    return entry;
  }

  #dropOne(): void {
    let least: [string, Entry] | undefined;
    for (const found of this.#entries) {
      const [, { failures, last }] = found;
      if (least === undefined || failures < least[1].failures || (failures === least[1].failures && last < least[1].last))
        least = found;
    }
    if (least !== undefined) this.#entries.delete(least[0]);
  }
}

/** Half of them go with each hour of quiet. */
function failuresOf({ failures, last, next }: Entry, now: number): number {
  const hours = Math.floor((now - Math.max(last, next)) / FORGET);
  return hours > 0 ? Math.floor(failures / 2 ** hours) : failures;
}

/** A try that was paid for. */
export interface Paid {
  /** Got in before. */
  readonly known: boolean;
  /** If it was wrong, the next one has to wait. */
  readonly waits: boolean;
  /** It was right: the name and the address know each other from now on, and so does the mark. */
  right(now: number, mark?: string): void;
  /** It was not checked after all. */
  back(): void;
}

export interface Try {
  readonly name: string;
  readonly address: string | undefined;
  /** SHA-256 of what a browser kept from a log-in of this name. */
  readonly mark?: string | undefined;
}

export class BackOff {
  readonly #addresses: Budgets;
  readonly #names: Budgets;
  readonly #known: Budgets;

  constructor(most = MOST_ENTRIES) {
    this.#addresses = new Budgets(most);
    this.#names = new Budgets(most);
    this.#known = new Budgets(most);
  }

  /** Entries of each table, for tests of the bound. */
  get sizes(): readonly number[] {
    return [this.#addresses.size, this.#names.size, this.#known.size];
  }

  /** @returns the try, to be ended by `right` or left as a failure; or for how long none is checked, milliseconds */
  take({ name, address, mark }: Try, now: number): Paid | number {
    const from = placeOf(address);
    const keys = [...(mark === undefined ? [] : [`${name}\nmark ${mark}`]), `${name}\n${from}`];
    const known = keys.find((key) => this.#known.has(key));
    const budgets: [Budgets, string][] =
      known === undefined
        ? [
            [this.#addresses, from],
            [this.#names, name],
          ]
        : [[this.#known, known]];
    const wait = Math.max(...budgets.map(([table, key]) => table.waits(key, now)));
    if (wait > 0) return wait;
    const paid = budgets.map(([table, key]) => table.pay(key, now));
    const back = (): void => {
      for (const [table, key] of budgets) table.payBack(key);
    };
    return {
      known: known !== undefined,
      waits: paid.includes(true),
      back,
      right: (at, newMark) => {
        back();
        this.#known.clear(`${name}\n${from}`, at);
        if (newMark !== undefined) this.#known.clear(`${name}\nmark ${newMark}`, at);
      },
    };
  }

  /** For the next start: of the names only those of accounts, since people type passwords into the wrong field. */
  kept(now: number, most: number, isAccount: (name: string) => boolean): Record<'addresses' | 'names' | 'known', Kept[]> {
    const nameOf = ({ key }: Kept): string => key.split('\n', 1)[0] ?? '';
    return {
      addresses: this.#addresses.kept(now, most),
      names: this.#names
        .kept(now, MOST_ENTRIES)
        .filter((row) => isAccount(nameOf(row)))
        .slice(0, most),
      known: this.#known.kept(now, most, 0).filter((row) => isAccount(nameOf(row))),
    };
  }
  restore({ addresses, names, known }: Record<'addresses' | 'names' | 'known', readonly Kept[]>, now: number): void {
    this.#addresses.restore(addresses, now);
    this.#names.restore(names, now);
    this.#known.restore(known, now);
  }

  /** Nobody is known under this name any more: it is gone, or has another password. */
  forget(name: string): void {
    this.#known.delete((key) => key.startsWith(`${name}\n`));
  }
}
