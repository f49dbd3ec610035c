/**
 * What is known of failed log-ins, over a restart: `log-ins.json`, 0600. Without it everybody who can interrupt the power gets
 * tries for nothing. Invariants:
 * - A quiet site writes nothing. The file is there only while somebody has to wait, or had to in the last hours.
 * - Writes have a cap, whatever strangers do: the first one SOON after a wait begins, each next one after ten times as long, then
 *   one in EVERY; one in CALM while the waits go. The file has at most MOST rows a table.
 * - Who got in before is in the same file as who has to wait, so a restart does not make the owner a stranger.
 * - It holds no text from outside but addresses of peers: names are those of accounts, marks are hashes.
 * - The time while the gateway is off counts for nothing: a wait goes on where it was, LONGEST at most.
 * - A file that cannot be read or written is reported, and everything goes on in memory.
 */
import path from 'node:path';
import type { Clock } from '../core/clock.ts';
import { type Kept, LONGEST } from './back-off.ts';
import { readOwn, removeOwn, unwrittenWords, writeOwn } from './state-file.ts';

const FILE = 'log-ins.json';
const VERSION = 1;
/** Rows of each table. */
export const MOST = 64;
/** Bytes: five tables, and 250 bytes a row at most. */
const MOST_BYTES = 128 * 1024;
/** Characters of a key: a name, a word and a hash. */
const LONGEST_KEY = 200;
/** Milliseconds. */
const SOON = 1000;
export const EVERY = 5 * 60_000;
const CALM = 60 * 60_000;
/** More failures than this make no wait longer. */
const MOST_FAILURES = 1000;

const TABLES = ['addresses', 'names', 'known', 'machines', 'claims'] as const;
export type Tables = Readonly<Record<(typeof TABLES)[number], readonly Kept[]>>;

export interface BackOffFileOptions {
  readonly stateDir: string;
  readonly clock: Clock;
  /** What is known now, at most so many rows a table. */
  readonly tables: (most: number) => Tables;
  /** What an operator should know, in a sentence. */
  readonly report: (message: string) => void;
}

export class BackOffFile {
  readonly #o: BackOffFileOptions;
  readonly #file: string;
  #isThere = false;
  #due: { readonly at: number; readonly cancel: () => void } | undefined;
  /** Writes in this run, and the time of the last one. */
  #writes = 0;
  #written = Number.NEGATIVE_INFINITY;
  #work: Promise<void> = Promise.resolve();
  #stopped = false;
  #failed = false;

  constructor(options: BackOffFileOptions) {
    this.#o = options;
    this.#file = path.join(options.stateDir, FILE);
  }

  /** Never rejects. @returns what the last run left; undefined: nothing that can be believed */
  async load(): Promise<Tables | undefined> {
    const found = await readOwn(this.#file, MOST_BYTES);
    if (found.kind === 'none') return undefined;
    this.#isThere = true;
    const tables = found.kind === 'text' ? parse(found.text) : undefined;
    if (tables === undefined)
      this.#o.report(
        `${this.#file} ${found.kind === 'unusable' ? found.why : 'is damaged'}: waits after failed log-ins start again from zero. The gateway writes the file again when it is needed.`,
      );
    else this.#arm(CALM);
    return tables;
  }

  /** Somebody has to wait. */
  waits(): void {
    const wait = Math.min(SOON * 10 ** this.#writes, EVERY);
    this.#arm(Math.max(SOON, this.#written + wait - this.#o.clock.monotonic()));
  }

  /** Who got in before has changed: it matters beside those that have to wait. */
  known(): void {
    if (this.#isThere) this.waits();
  }

  /** Writes what is known now. Never rejects. */
  stop(): Promise<void> {
    this.#due?.cancel();
    const isDue = this.#due !== undefined;
    this.#due = undefined;
    this.#stopped = true;
    if (isDue) this.#write();
    return this.settled();
  }
  /** Resolves when nothing is being written. */
  settled(): Promise<void> {
    return this.#work;
  }

  #arm(wait: number): void {
    if (this.#stopped) return;
    const { clock } = this.#o;
    const at = clock.monotonic() + wait;
    if (this.#due !== undefined && this.#due.at <= at) return;
    this.#due?.cancel();
    const cancel = clock.after(wait, () => {
      this.#due = undefined;
      this.#write();
    });
    this.#due = { at, cancel };
  }

  #write(): void {
    this.#written = this.#o.clock.monotonic();
    this.#writes++;
    this.#work = this.#work.then(() => this.#put());
  }

  async #put(): Promise<void> {
    const tables = this.#o.tables(MOST);
    // Who is known matters only beside those that have to wait.
    const isQuiet = TABLES.every((name) => name === 'known' || tables[name].length === 0);
    try {
      if (!isQuiet) await writeOwn(this.#file, textOf(tables));
      else if (this.#isThere) await removeOwn(this.#file);
      this.#isThere = !isQuiet;
      this.#failed = false;
    } catch (thrown) {
      if (!this.#failed)
        this.#o.report(
          `${this.#file} cannot be written: ${unwrittenWords(thrown)}. A restart forgets who has to wait after failed log-ins.`,
        );
      this.#failed = true;
    }
    if (!isQuiet) this.#arm(CALM);
  }
}

function textOf(tables: Tables): string {
  const rows = TABLES.map((name) => [
    name,
    tables[name].map(({ key, failures, waits, quiet }) => [
      key,
      Math.min(failures, MOST_FAILURES),
      Math.round(waits),
      Math.round(quiet),
    ]),
  ]);
  return `${JSON.stringify({ v: VERSION, ...Object.fromEntries(rows) })}\n`;
}

/** @returns undefined: damaged, or of another version */
function parse(text: string): Tables | undefined {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof found !== 'object' || found === null || !('v' in found) || found.v !== VERSION) return undefined;
  const values: Record<string, unknown> = { ...found };
  const [addresses, names, known, machines, claims] = TABLES.map((name) => rowsOf(values[name]));
  if (!addresses || !names || !known || !machines || !claims) return undefined;
  return { addresses, names, known, machines, claims };
}

function rowsOf(rows: unknown): readonly Kept[] | undefined {
  if (!Array.isArray(rows)) return undefined;
  const kept = rows.slice(0, MOST).map(keptOf);
  const good = kept.filter((row) => row !== undefined);
  return good.length === kept.length ? good : undefined;
}

function keptOf(row: unknown): Kept | undefined {
  if (!Array.isArray(row)) return undefined;
  const [key, failures, waits, quiet] = row as readonly unknown[];
  if (typeof key !== 'string' || key.length > LONGEST_KEY) return undefined;
  if (!isCount(failures) || failures > MOST_FAILURES || !isCount(waits) || waits > LONGEST || !isCount(quiet)) return undefined;
  return { key, failures, waits, quiet };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
