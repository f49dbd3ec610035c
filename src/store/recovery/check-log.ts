/**
 * Looks at log.db before it is used: is it whole, and is it the newest state? First as bytes, since SQLite changes what
 * it opens (it cuts a damaged write-ahead file without a word, and makes files beside that of a newer version), then
 * through SQLite, read-only.
 *
 * Damage: the file is made anew of what is left. Loss: the file is whole, but numbers and lanes may have been used that
 * it does not know; then what follows gets a new log id.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import Database from 'better-sqlite3';
import { SluiceError, toError } from '../../core/errors.ts';
import { PAGE_SIZE, SCHEMA_VERSION, TABLES } from '../files/layout.ts';
import { refuseNewer, sealedLayout, tablesOf } from '../files/layout-seal.ts';
import { isWhole, SEALED, SEALED_TABLES, type SealedTable } from '../files/sealed-rows.ts';
import { checkFault } from '../files/sqlite-errors.ts';
import { statSize } from '../files/whole-file.ts';
import { birthOf } from '../hot/log-file.ts';
import { MOST_OF_ONE } from '../hot/saved-states.ts';
import { confirmed } from './check-file.ts';
import { headFault, headVersion, provenLayout, readHead } from './check-head.ts';
import { sizeFault } from './check-size.ts';
import { type CutRepair, cutRepair } from './cut-repair.ts';
import type { Known } from './read-witness.ts';
import type { TailPart } from './recover.ts';
import { readWal, type Wal } from './salvage-wal.ts';

export interface Verdict {
  /** There was no log before. */
  readonly fresh: boolean;
  readonly damage: string | undefined;
  readonly loss: string | undefined;
  /** history.db belongs to another log: its numbers mean other things. */
  readonly strangeHistory: boolean;
  /** An earlier start made the file anew and was cut before its run began. */
  readonly repair: CutRepair | undefined;
}

/** A state that no start takes up (hot/saved-states.ts) is not read here either: it may be as large as the file. */
const TAKEN: Partial<Record<SealedTable, string>> = { alarm: ` where length(state) <= ${MOST_OF_ONE}` };
const EXPECTED = tablesOf(TABLES);
const FINE: Verdict = { fresh: false, damage: undefined, loss: undefined, strangeHistory: false, repair: undefined };

/** @param known what history.db says @param tail what the runtime directory holds @throws SluiceError log-newer, log-open */
export function checkLog(file: string, known: Known | undefined, tail: readonly TailPart[]): Verdict {
  const head = readHead(file);
  const wal = readWal(`${file}-wal`, PAGE_SIZE);
  // The number in the header may be a flipped byte: what is sealed counts.
  if (Math.max(headVersion(head), walVersion(file, wal)) > SCHEMA_VERSION)
    refuseNewer(file, provenLayout(file, 'log'), SCHEMA_VERSION);
  if (statSize(file) === 0) {
    if (wal.frames.length > 0) return { ...FINE, damage: 'the file is empty, though its write-ahead file is not' };
    const had = (known?.logs.length ?? 0) > 0 || tail.length > 0;
    return { ...FINE, fresh: true, loss: had ? 'the file is gone' : undefined };
  }
  const fault = headFault(head, 'log') ?? sizeFault(file, head, wal);
  if (fault !== undefined) return { ...FINE, damage: fault };
  if (wal.behind >= 2 || (wal.header === 'bad' && wal.frames.length > 0))
    return { ...FINE, damage: `the write-ahead file is damaged; SQLite reads ${wal.chain} of its ${wal.frames.length} pages` };
  let verdict = FINE;
  const look = (): string | undefined => {
    const db = new Database(file, { readonly: true, fileMustExist: true });
    try {
      verdict = checkRows(db, file, wal, known, tail);
      return verdict.damage;
    } finally {
      db.close();
    }
  };
  try {
    const damage = confirmed(file, look);
    return damage === undefined ? verdict : { ...FINE, damage };
  } catch (thrown) {
    if (thrown instanceof SluiceError) throw thrown;
    throw new SluiceError('log-open', `${file} cannot be opened: ${toError(thrown).message}`, { cause: thrown });
  }
}

/** The first page may lie in the write-ahead file alone. */
function walVersion(file: string, wal: Wal): number {
  const frame = wal.frames.slice(0, wal.chain).findLast((f) => f.page === 1);
  if (frame === undefined) return 0;
  const fd = openSync(`${file}-wal`, 'r');
  try {
    const bytes = Buffer.alloc(4);
    readSync(fd, bytes, 0, 4, frame.offset + 60);
    return bytes.readInt32BE();
  } finally {
    closeSync(fd);
  }
}

function checkRows(db: Database.Database, file: string, wal: Wal, known: Known | undefined, tail: readonly TailPart[]): Verdict {
  const tables = new Map(
    db.prepare<[], [string, string]>("select name, sql from sqlite_schema where type = 'table'").raw().all(),
  );
  if (tables.size === 0)
    // Made by a start that was cut before its first commit, or emptied.
    return { ...FINE, fresh: true, loss: (known?.logs.length ?? 0) > 0 || tail.length > 0 ? 'the file is empty' : undefined };
  const lacks = [...SEALED_TABLES, 'meta', 'compacted'].find((table) => !tables.has(table));
  if (lacks !== undefined) return { ...FINE, damage: `the file is a database but not a log; it has no table ${lacks}` };
  refuseNewer(file, sealedLayout(db, 'log'), SCHEMA_VERSION);
  const differs = [...EXPECTED].find(([table, words]) => (tables.get(table) ?? words) !== words)?.[0];
  if (differs !== undefined) return { ...FINE, damage: `the table ${differs} is not as it was made` };
  const damage = checkFault(db.pragma('integrity_check(1)', { simple: true }) as string);
  if (damage !== undefined) return { ...FINE, damage };
  for (const table of SEALED_TABLES)
    for (const row of db
      .prepare<[], Record<string, unknown>>(`select ${SEALED[table].join(', ')}, sum from ${table}${TAKEN[table] ?? ''}`)
      .iterate())
      if (!isWhole(table, row)) return { ...FINE, damage: `a row of the table ${table} is not as it was written` };
  const logs = db.prepare<[], { ordinal: number; name: string }>('select ordinal, name from log').all();
  const strangeHistory = (known?.logs ?? []).some((k) => logs.some((l) => l.ordinal === k.ordinal && l.name !== k.name));
  const meta = (name: string) => db.prepare<[string], string>('select value from meta where name = ?').pluck().get(name);
  const repair = cutRepair(meta);
  // Its losses are known already.
  if (repair !== undefined) return { ...FINE, strangeHistory, repair };
  return { ...FINE, strangeHistory, loss: lossOf(db, file, wal, strangeHistory ? undefined : known, tail, meta) };
}

/** The sign that this is not the newest state. */
function lossOf(
  db: Database.Database,
  file: string,
  wal: Wal,
  known: Known | undefined,
  tail: readonly TailPart[],
  meta: (name: string) => string | undefined,
): string | undefined {
  const boot = db.prepare<[], number>('select coalesce(max(boot), 0) from boot').pluck().get() as number;
  const settled = new Map(
    db.prepare<[], [string, number]>('select name, settled from log join lanes on lanes.log = log.ordinal').raw().all(),
  );
  if (known !== undefined) {
    if (known.boot > boot) return `history.db knows of the start b${known.boot}, the file only of b${boot}`;
    for (const { log, settled: upTo } of known.lanes) {
      const name = known.logs.find((l) => l.ordinal === log)?.name ?? '';
      const has = settled.get(name);
      if (has === undefined || has < upTo) return `history.db has ${name} up to ${upTo}, the file only up to ${has ?? 0}`;
    }
  }
  for (const part of tail) {
    // The start behind it looked at it, and was killed before it cleared it away.
    if (part.boot < boot && settled.has(part.log)) continue;
    const has = settled.get(part.log) ?? 0;
    if (part.boot > boot || has < (part.committed ?? 0))
      return `the runtime directory shows that ${part.log} was committed up to ${part.committed ?? 0} by b${part.boot}, the file has ${has} and b${boot}`;
  }
  // SQLite removes the write-ahead file when it closes the database, after it took everything over. A process that ended
  // without our own closing shows in the runtime directory that nothing is missing.
  const shown = tail.some((part) => part.boot === boot);
  if (meta('clean') !== '1' && wal.header !== 'good' && !shown)
    return 'the write-ahead file is gone or damaged, though the log was not closed';
  const birth = meta('birth');
  if (birth !== undefined && birth !== birthOf(file)) return 'the file is a copy, not the one that was written';
  return undefined;
}
