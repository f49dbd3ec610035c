/** The knowledge of history.db about log.db, read at the start, in any state of the file. */
import Database from 'better-sqlite3';
import { parseWitness, WITNESS_ROW, type Witness } from '../archive/witness.ts';
import type { FoundRow } from '../files/found-row.ts';
import { HISTORY_PAGE_SIZE } from '../files/history-layout.ts';
import { keyOf } from '../files/layout.ts';
import { shapeSeal, shapeSealName } from '../files/sealed-rows.ts';
import { statSize } from '../files/whole-file.ts';
import { headFault, readHead } from './check-head.ts';
import { hourFault } from './check-hours.ts';
import { journalFault } from './check-journal.ts';
import { DamagedFile } from './salvage.ts';

/** Pages at the front of a damaged file that are looked at for it: its table was made first, and every start waits for this. */
const WITHIN = 4096;

/** The witness, and what the hours of history.db refer to by number. */
export interface Known extends Witness {
  readonly shapes: readonly { readonly id: number; readonly body: string }[];
  readonly boots: readonly { readonly boot: number; readonly log: number }[];
  /** For each log, the last number that is in an hour. */
  readonly compacted: readonly (readonly [log: number, seq: number])[];
  /** The file is whole: there is no log, boot or shape in it that is not named here. */
  readonly isWhole: boolean;
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
    const value = db.prepare<[string], string>('select value from meta where name = ?').pluck().get(WITNESS_ROW);
    const hours = readHours(db);
    const shapes = wholeShapes(db);
    if (hours === undefined || shapes === undefined) return fromPages(file);
    const witness = parseWitness(value) ?? { boot: 0, logs: [], lanes: [] };
    return { ...{ ...witness, ...hours, shapes }, isWhole: parseWitness(value) !== undefined };
  } catch {
    return fromPages(file);
  } finally {
    db?.close();
  }
}

/**
 * Reads from the hours their boots and, for each log, the last number. The tables `boot` and `log` carry no seal, and a wrong
 * boot that is higher than all others would make a tail look like one that was taken already.
 * @returns undefined where the table is not as it was written
 */
function readHours(db: Database.Database): Pick<Known, 'boots' | 'compacted'> | undefined {
  if (hourFault(db) !== undefined) return undefined;
  const last = new Map<number, number>();
  const boots = new Map<number, number>();
  for (const [id, upTo, boot] of db
    .prepare<[], [number, number, number]>('select id, last, boot from unit order by id')
    .raw()
    .iterate()) {
    const log = Math.floor(id / keyOf(1, 0));
    last.set(log, upTo);
    boots.set(boot, log);
  }
  return { compacted: [...last], boots: [...boots].map(([boot, log]) => ({ boot, log })) };
}
/** undefined where one is not as it was written; files of earlier versions have no seals of them. */
function wholeShapes(db: Database.Database): { id: number; body: string }[] | undefined {
  const shapes = db.prepare<[], { id: number; body: string }>('select id, body from shape').all();
  const seal = db.prepare<[string], string>('select value from meta where name = ?').pluck();
  const isWhole = ({ id, body }: { id: number; body: string }): boolean => {
    const sum = seal.get(shapeSealName(id));
    return sum === undefined || sum === shapeSeal(id, body);
  };
  return shapes.every(isWhole) ? shapes : undefined;
}

/** The newest whole witness of a damaged file. Its shapes carry no checksum, so none is taken. */
function fromPages(file: string): Known | undefined {
  const pages = new DamagedFile(file, HISTORY_PAGE_SIZE, isWitness, { pages: WITHIN });
  try {
    let newest: Witness | undefined;
    for (const row of pages.rows()) {
      const witness = isWitness(row) ? parseWitness(row.columns[1]) : undefined;
      if (witness !== undefined && age(witness) >= age(newest)) newest = witness;
    }
    return newest === undefined ? undefined : { ...newest, shapes: [], boots: [], compacted: [], isWhole: false };
  } finally {
    pages.close();
  }
}
function isWitness({ rowid, columns }: FoundRow): boolean {
  return rowid === undefined && columns.length === 2 && columns[0] === WITNESS_ROW;
}
function age(witness: Witness | undefined): number {
  return witness === undefined ? -1 : witness.boot * 2 ** 40 + (witness.lanes.at(-1)?.settled ?? 0);
}
