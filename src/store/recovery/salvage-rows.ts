/** Rows found in a damaged log.db: the table of each, and the proof that it carries. */
import { decodeBlock } from '../../codecs/blocks.ts';
import type { Shape } from '../../core/point.ts';
import type { Cell, FoundRow } from '../files/found-row.ts';
import { type BlockRow, type LanesRow, seqOf } from '../files/layout.ts';
import { isWhole, rowSum, SEALED, SEALED_TABLES, type SealedTable } from '../files/sealed-rows.ts';

export type Row = Record<string, Cell>;

export function sealed(table: SealedTable, row: Row): Row {
  return { ...row, sum: rowSum(table, ...SEALED[table].map((column) => row[column] as number | string)) };
}

/** Which table a found row belongs to: the one whose seal it bears. */
export function identify({ rowid, columns }: FoundRow): { table: SealedTable; row: Row } | undefined {
  for (const table of SEALED_TABLES) {
    const names: readonly string[] = [...SEALED[table], 'sum', ...(table === 'block' ? ['body'] : [])];
    if (names.length !== columns.length) continue;
    // The first column of a table with rowid is kept as that, and null stands in its place.
    if ((rowid === undefined) !== (table === 'clock' || table === 'alarm')) continue;
    const row: Row = {};
    names.forEach((name, i) => {
      row[name] = i === 0 && rowid !== undefined ? rowid : (columns[i] as Cell);
    });
    if (isWhole(table, row)) return { table, row };
  }
  return undefined;
}

/** A body belongs to its head when it decodes to what the head says. */
export function fits(row: BlockRow, shapes: ReadonlyMap<number, Shape>): boolean {
  try {
    const records = decodeBlock(row.body, (id) => shapes.get(id));
    const last = records.at(-1);
    return (
      records.length === row.records &&
      records[0]?.seq === seqOf(row.id) &&
      last?.seq === row.last &&
      last.sample.at === row.at_last
    );
  } catch {
    return false;
  }
}

/** The newest of several copies has the most: what it settles only grows, and so do its cursors. */
export function progress({ settled, states }: LanesRow): number {
  let sum = settled;
  for (const { data, history, notices, alarms = notices, events = notices, handed, handedHistory } of Object.values(states))
    sum += data + history + alarms + events + handed + handedHistory;
  return sum;
}
