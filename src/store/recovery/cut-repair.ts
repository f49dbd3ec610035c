/**
 * The note about a repair in a log.db that was made anew, until a run has begun on it. A start that is killed in between must
 * not make the file again, which would cost the damaged file that lies aside. The next start reports the repair and gives the
 * log its new id.
 */
import type Database from 'better-sqlite3';
import type { Salvaged } from '../files/repair-report.ts';

const ROW = 'repair';

export interface CutRepair {
  readonly why: string;
  readonly salvaged: Salvaged | undefined;
  /** The rest of the damaged file is still to come back; `cut`: boots and shapes may be missing. */
  readonly small: { readonly cut: boolean } | undefined;
}

/** @param repair undefined: the log goes on under its id, and nothing of it is missing */
export function markWhole(db: Database.Database, repair: CutRepair | undefined): void {
  const put = db.prepare('insert or replace into meta (name, value) values (?, ?)');
  // It has no write-ahead file, and needs none.
  put.run('clean', '1');
  if (repair !== undefined) put.run(ROW, JSON.stringify(repair));
}

/** undefined where a run has begun on the file, or where it was never made anew. */
export function cutRepair(meta: (name: string) => string | undefined): CutRepair | undefined {
  const text = meta(ROW);
  // A version that knows no such row leaves it where it is.
  return text === undefined || meta('birth') !== undefined ? undefined : (JSON.parse(text) as CutRepair);
}

/** Inside the transaction that begins a run. */
export function forgetRepair(db: Database.Database): void {
  db.prepare('delete from meta where name = ?').run(ROW);
}
