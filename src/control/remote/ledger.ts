/**
 * The ids of commands that were asked for, with their results, so that one id acts once (contract, Access). Invariants:
 * - An id is in the log before its command begins. After a kill or a power cut it is never begun a second time.
 * - At most PER_OWNER ids of a caller and ALL of everybody are kept; the oldest result goes first, and what runs never goes.
 * - An owner is one account: one that is made again under the same name has another text, and gets no results of the one before.
 * - A row of the log holds one id, so a command costs one small row.
 */
import { createHash } from 'node:crypto';
import type { Command } from '../../core/commands.ts';
import { SluiceError } from '../../core/errors.ts';

/** Commands that change something: their id is on the disk before they begin. */
export const ACTS: readonly Command['do'][] = [
  ...(['write', 'acknowledge', 'shelve', 'reset'] as const),
  ...(['out-of-service', 'in-service', 'reload', 'configure', 'restart-flows'] as const),
];
const ALL = 256;
export const PER_OWNER = 64;
/** Letters of a result that is kept; a longer one is answered once, and a repeated question gets the news that it was done. */
const MOST_RESULT = 1000;
/** Letters of the digest of a command. */
const SUM = 16;
const KEY = '@command.';
export const isLedgerState = (key: string): boolean => key.startsWith(KEY);

/** Tells one command from another that comes with the same id. */
export function sumOf(command: Command): string {
  return createHash('sha256').update(JSON.stringify(command)).digest('base64url').slice(0, SUM);
}

/** Nothing was done, and later it may be: the same id may be asked again. */
export function neverBegan(thrown: unknown): boolean {
  return thrown instanceof SluiceError && (thrown.code === 'expired' || thrown.code === 'busy');
}

/** The part of the log that it needs. */
export interface LedgerStore {
  readonly saved: Iterable<readonly [key: string, state: unknown]>;
  save(key: string, state: unknown): void;
  /** What was saved is written at once, and nobody waits for it. */
  soon(): void;
  /** Resolves when everything that was saved is on the disk; rejects when that takes too long. */
  flush(): Promise<void>;
}

export interface Entry {
  readonly owner: string;
  readonly id: string;
  /** JSON; undefined: it was begun and no result is known. */
  readonly result: string | undefined;
  /** Digest of its command. Absent in rows of versions that kept none. */
  readonly sum?: string | undefined;
}

interface Row extends Entry {
  readonly slot: number;
  /** Order of the rows; grows. */
  readonly order: number;
  /** This run is at work on it. */
  readonly runs: boolean;
}

export class Ledger {
  readonly #store: LedgerStore;
  readonly #rows = new Map<string, Row>();
  #order = 0;

  constructor(store: LedgerStore) {
    this.#store = store;
    for (const [key, state] of store.saved) {
      const row = rowOf(key, state);
      if (row === undefined) continue;
      this.#rows.set(nameOf(row), row);
      this.#order = Math.max(this.#order, row.order);
    }
  }

  /** `runs`: this run of the gateway is at work on it. */
  find(owner: string, id: string): (Entry & { readonly runs: boolean }) | undefined {
    return this.#rows.get(nameOf({ owner, id }));
  }

  /** Resolves when the id is on the disk. @returns false when every place is taken by commands that run */
  async begin(owner: string, id: string, sum?: string): Promise<boolean> {
    const slot = this.#slotFor(owner);
    if (slot === undefined) return false;
    this.#put({ owner, id, result: undefined, sum, slot, order: ++this.#order, runs: true });
    try {
      await this.#store.flush();
    } catch (thrown) {
      this.forget(owner, id);
      throw thrown;
    }
    return true;
  }

  finish(owner: string, id: string, result: string): void {
    const row = this.#rows.get(nameOf({ owner, id }));
    if (row === undefined) return;
    this.#put({ ...row, result: result.length > MOST_RESULT ? shortened(result) : result, runs: false });
    this.#store.soon();
  }

  /** The command did not begin. */
  forget(owner: string, id: string): void {
    const row = this.#rows.get(nameOf({ owner, id }));
    if (row === undefined) return;
    this.#rows.delete(nameOf(row));
    this.#store.save(KEY + row.slot, null);
  }

  #put(row: Row): void {
    this.#rows.set(nameOf(row), row);
    const { owner, id, order, result, sum } = row;
    const more = { ...(result === undefined ? {} : { result }), ...(sum === undefined ? {} : { sum }) };
    this.#store.save(KEY + row.slot, { owner, id, order, ...more });
  }

  #slotFor(owner: string): number | undefined {
    const own = [...this.#rows.values()].filter((row) => row.owner === owner);
    if (own.length >= PER_OWNER) return this.#evict(own);
    if (this.#rows.size >= ALL) return this.#evict([...this.#rows.values()]);
    const taken = new Set([...this.#rows.values()].map(({ slot }) => slot));
    for (let slot = 0; slot < ALL; slot++) if (!taken.has(slot)) return slot;
    return undefined;
  }

  /** The oldest of those that do not run. @returns its place */
  #evict(rows: readonly Row[]): number | undefined {
    const oldest = rows
      .filter((row) => !row.runs)
      .reduce<Row | undefined>((a, b) => (a === undefined || b.order < a.order ? b : a), undefined);
    if (oldest === undefined) return undefined;
    this.#rows.delete(nameOf(oldest));
    return oldest.slot;
  }
}

function shortened(result: string): string {
  const { v, id, do: word, target, sum, ok, time, code, message } = JSON.parse(result) as Record<string, unknown>;
  const short = ok === true ? { result: null } : { code, message: String(message).slice(0, MOST_RESULT / 2) };
  return JSON.stringify({ v, id, do: word, target, sum, ok, time, ...short });
}

/** Owners and ids have no blank. */
function nameOf({ owner, id }: Pick<Entry, 'owner' | 'id'>): string {
  return `${owner} ${id}`;
}

/** undefined: another state, or a damaged one. */
function rowOf(key: string, state: unknown): Row | undefined {
  const slot = key.startsWith(KEY) ? Number(key.slice(KEY.length)) : Number.NaN;
  if (!Number.isInteger(slot) || slot < 0 || slot >= ALL || typeof state !== 'object' || state === null) return undefined;
  const { owner, id, order, result, sum } = state as Partial<Row>;
  if (typeof owner !== 'string' || typeof id !== 'string' || !Number.isSafeInteger(order)) return undefined;
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  return { owner, id, order: Number(order), result: text(result), sum: text(sum), slot, runs: false };
}
