/**
 * What history.db knows of log.db. log.db alone cannot show that it is the newest state: its write-ahead file may be gone,
 * or an old copy was put back. The witness is written in the transaction of each unit and once a start, and only of what is on the
 * disk already (claim.ts), so it is never ahead of log.db; a log.db that is behind it lost something. Where log.db is gone altogether, names, cursors and lanes of
 * what was compacted come from here, and numbers of logs, boots and shapes go on behind those in use.
 */
import { crc32 } from 'node:zlib';
import Database from 'better-sqlite3';
import { HISTORY_PAGE_SIZE } from '../archive/history-layout.ts';
import { keyOf, type LanesRow } from '../hot/layout.ts';
import { headFault, readHead } from './check-head.ts';
import { journalFault } from './check-journal.ts';
import { statSize } from './quarantine.ts';
import { DamagedFile, type FoundRow } from './salvage.ts';

const NAME = 'witness';
const VERSION = 1;
/** Pages at the front of a damaged file that are looked at for it: its table was made first, and every start waits for this. */
const WITHIN = 4096;

export interface Witness {
  /** The newest boot. */
  readonly boot: number;
  readonly logs: readonly { readonly ordinal: number; readonly name: string; readonly lease: number }[];
  readonly lanes: readonly LanesRow[];
}
/** The witness, and what the units of history.db refer to by number. */
export interface Known extends Witness {
  readonly shapes: readonly { readonly id: number; readonly body: string }[];
  readonly boots: readonly { readonly boot: number; readonly log: number }[];
  /** For each log, the last number that is in a unit. */
  readonly compacted: readonly (readonly [log: number, seq: number])[];
}

/**
 * Once a start: a log.db that lost this start will be found out. Nothing is written when it is there.
 * @param onDisk whether what was read of log.db is on the disk; else the next call writes it
 */
export function ensureWitness(history: Database.Database, log: Database.Database, onDisk: () => boolean): void {
  const boot = log.prepare<[], number>('select coalesce(max(boot), 0) from boot').pluck().get();
  if (parseWitness(history.prepare<[string], string>('select value from meta where name = ?').pluck().get(NAME))?.boot === boot)
    return;
  const witness = witnessOf(log);
  if (onDisk()) writeWitness(history, witness);
}

/** @param log log.db, as the keeper reads it: the disk may not have it yet */
export function witnessOf(log: Database.Database): Witness {
  return log.transaction(() => ({
    boot: log.prepare<[], number>('select coalesce(max(boot), 0) from boot').pluck().get() as number,
    logs: log
      .prepare<[], { ordinal: number; name: string; lease: number }>('select ordinal, name, lease from log order by ordinal')
      .all(),
    lanes: log
      .prepare<[], { log: number; settled: number; boot: number; states: string }>('select * from lanes order by log')
      .all()
      .map(({ log: of, settled, boot, states }) => ({ log: of, settled, boot, states: JSON.parse(states) })),
  }))();
}

/** To be called inside the transaction that adds a unit. @param history history.db */
export function writeWitness(history: Database.Database, witness: Witness): void {
  const body = JSON.stringify(witness);
  history
    .prepare('insert or replace into meta (name, value) values (?, ?)')
    .run(NAME, JSON.stringify({ v: VERSION, sum: crc32(body), body }));
}

/**
 * Nothing is changed, but for a journal of a cut transaction that SQLite rolls back.
 * @returns undefined where there is no history.db, or none that says anything
 */
export function readWitness(file: string): Known | undefined {
  let db: Database.Database | undefined;
  try {
    if (statSize(file) === 0) return undefined;
    const head = readHead(file);
    if (headFault(head, 'history') !== undefined || journalFault(file, head, HISTORY_PAGE_SIZE) !== undefined)
      return fromPages(file);
    db = new Database(file, { fileMustExist: true });
    const value = db.prepare<[string], string>('select value from meta where name = ?').pluck().get(NAME);
    const witness = parseWitness(value) ?? { boot: 0, logs: [], lanes: [] };
    return {
      ...witness,
      shapes: db.prepare<[], { id: number; body: string }>('select id, body from shape').all(),
      boots: db.prepare<[], { boot: number; log: number }>('select boot, log from boot').all(),
      compacted: db
        .prepare<[number], { id: number; last: number }>('select max(id) as id, last from unit group by cast(id / ? as integer)')
        .all(keyOf(1, 0))
        .map(({ id, last }) => [Math.floor(id / keyOf(1, 0)), last] as const),
    };
  } catch {
    return fromPages(file);
  } finally {
    db?.close();
  }
}

/** Of a damaged file: the newest witness that is whole. Its shapes carry no checksum, so none is taken. */
function fromPages(file: string): Known | undefined {
  const pages = new DamagedFile(file, HISTORY_PAGE_SIZE, isWitness, { pages: WITHIN });
  try {
    let newest: Witness | undefined;
    for (const row of pages.rows()) {
      const witness = isWitness(row) ? parseWitness(row.columns[1]) : undefined;
      if (witness !== undefined && age(witness) >= age(newest)) newest = witness;
    }
    return newest === undefined ? undefined : { ...newest, shapes: [], boots: [], compacted: [] };
  } finally {
    pages.close();
  }
}
function isWitness({ rowid, columns }: FoundRow): boolean {
  return rowid === undefined && columns.length === 2 && columns[0] === NAME;
}
function age(witness: Witness | undefined): number {
  return witness === undefined ? -1 : witness.boot * 2 ** 40 + (witness.lanes.at(-1)?.settled ?? 0);
}

function parseWitness(value: unknown): Witness | undefined {
  if (typeof value !== 'string') return undefined;
  try {
    const { v, sum, body } = JSON.parse(value) as { v: number; sum: number; body: string };
    return v === VERSION && sum === crc32(body) ? (JSON.parse(body) as Witness) : undefined;
  } catch {
    return undefined;
  }
}
