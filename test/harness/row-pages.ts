/** The place of each row of a SQLite table, as SQLite itself reports it (dbstat: leaves in order with their cells, overflow pages by cell). */
import assert from 'node:assert/strict';
import type Database from 'better-sqlite3';

/** @returns for each row of a table with rowid its pages: the leaf, then its overflow pages */
export function rowPages(db: Database.Database, table: string): Map<number, number[]> {
  const ids = db.prepare<[], number>(`select rowid from ${table} order by rowid`).pluck().all();
  const stat = db
    .prepare<[string], { path: string; pageno: number; pagetype: string; ncell: number }>(
      'select path, pageno, pagetype, ncell from dbstat where name = ? order by path',
    )
    .all(table);
  const pages = new Map<number, number[]>();
  const byCell = new Map<string, number>();
  let i = 0;
  for (const { path: at, pageno, pagetype, ncell } of stat) {
    if (pagetype !== 'leaf') continue;
    for (let cell = 0; cell < ncell; cell++) {
      const id = ids[i++] as number;
      pages.set(id, [pageno]);
      byCell.set(`${at}${cell.toString(16).padStart(3, '0')}`, id);
    }
  }
  assert.equal(i, ids.length);
  for (const { path: at, pageno, pagetype } of stat)
    if (pagetype === 'overflow') pages.get(byCell.get(at.split('+')[0] as string) as number)?.push(pageno);
  return pages;
}
