/**
 * The knowledge of history.db about log.db. log.db alone cannot show that it is the newest state: its write-ahead file may be gone,
 * or an old copy was put back. The witness is written in the transaction of each hour and once a start, and only of what is on the
 * disk already (agreement.ts), so it is never ahead of log.db; a log.db that is behind it lost something. Where log.db is gone altogether, names, cursors and lanes of
 * what was compacted come from here, and numbers of logs, boots and shapes go on behind those in use.
 */
import { crc32 } from 'node:zlib';
import type Database from 'better-sqlite3';
import type { LanesRow } from '../files/layout.ts';

/** Its row in the table `meta`. */
export const WITNESS_ROW = 'witness';
const VERSION = 1;

export interface Witness {
  /** The newest boot. */
  readonly boot: number;
  readonly logs: readonly { readonly ordinal: number; readonly name: string; readonly lease: number }[];
  readonly lanes: readonly LanesRow[];
}

/**
 * Once a start: a log.db that lost this start will be found out. Nothing is written when it is there.
 * @param onDisk whether what was read of log.db is on the disk; else the next call writes it
 */
export function ensureWitness(history: Database.Database, log: Database.Database, onDisk: () => boolean): void {
  const boot = log.prepare<[], number>('select coalesce(max(boot), 0) from boot').pluck().get();
  if (
    parseWitness(history.prepare<[string], string>('select value from meta where name = ?').pluck().get(WITNESS_ROW))?.boot ===
    boot
  )
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

/** To be called inside the transaction that adds an hour. @param history history.db */
export function writeWitness(history: Database.Database, witness: Witness): void {
  const body = JSON.stringify(witness);
  history
    .prepare('insert or replace into meta (name, value) values (?, ?)')
    .run(WITNESS_ROW, JSON.stringify({ v: VERSION, sum: crc32(body), body }));
}

export function parseWitness(value: unknown): Witness | undefined {
  if (typeof value !== 'string') return undefined;
  try {
    const { v, sum, body } = JSON.parse(value) as { v: number; sum: number; body: string };
    return v === VERSION && sum === crc32(body) ? (JSON.parse(body) as Witness) : undefined;
  } catch {
    return undefined;
  }
}
