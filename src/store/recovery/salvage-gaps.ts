/** The gaps of a log.db that was made anew: numbers that were given and of which nothing is left. */
import type Database from 'better-sqlite3';
import { type BlockRow, keyOf, seqOf } from '../files/layout.ts';
import type { Range, Salvaged } from '../files/repair-report.ts';
import type { Sources } from '../files/sources.ts';

/** Gaps that are reported one by one. */
export const MAX_GAPS = 32;

/** The head of a block without its body. */
export type Head = Pick<BlockRow, 'id' | 'last' | 'boot' | 'records' | 'readings'>;

/** The knowledge of the salvage about a log. */
export interface KnownLog {
  readonly name: string | undefined;
  readonly lease: number;
  readonly settled: number;
  /** The file still says how far it was committed. */
  readonly hasEnd: boolean;
}

/**
 * Numbers that were given and of which nothing is left. Between two boots numbers are absent by right (the rest of the
 * lease); each boot knows its first one. What was compacted is not missed.
 */
export function gapsOf(
  db: Database.Database,
  sources: Sources,
  knownOf: (ordinal: number) => KnownLog,
  lost: readonly Head[],
): Pick<Salvaged, 'gaps' | 'moreGaps'> {
  const firsts = new Map(db.prepare<[], [number, number]>('select boot, first from boot').raw().all());
  const compacted = new Map(sources.compacted);
  const ends = new Map<number, number>(compacted);
  const gaps: Range[] = [];
  let moreGaps = 0;
  const gap = (log: number, first: number, last: number): void => {
    if (first > last) return;
    if (gaps.length < MAX_GAPS) gaps.push({ log: knownOf(log).name ?? '', first, last });
    else moreGaps++;
  };
  let before: { log: number; boot: number } | undefined;
  for (const { id, last, boot } of everything(db, lost)) {
    const log = Math.floor(id / keyOf(1, 0));
    const done = ends.get(log) ?? 0;
    const from = before?.log === log && before.boot === boot ? done + 1 : Math.max(done + 1, firsts.get(boot) || seqOf(id));
    gap(log, from, seqOf(id) - 1);
    before = { log, boot };
    ends.set(log, Math.max(done, last));
  }
  for (const [log, last] of ends) gap(log, last + 1, knownUpTo(sources, knownOf(log), last));
  return { gaps, moreGaps };
}

/** Blocks, notices and heads in the order of their numbers. */
function* everything(db: Database.Database, lost: readonly Head[]): Generator<{ id: number; last: number; boot: number }> {
  const heads = [...lost].sort((a, b) => a.id - b.id);
  const rows = db.prepare<[number], { id: number; last: number; boot: number }>(
    'select id, last, boot from block union all select id, id % ?, boot from notice order by 1',
  );
  for (const row of rows.iterate(keyOf(1, 0))) {
    while (heads[0] !== undefined && heads[0].id < row.id) yield heads.shift() as Head;
    yield row;
  }
  yield* heads;
}

/** Every number of a log up to here may have been committed. */
function knownUpTo(sources: Sources, { name, lease, settled: sure, hasEnd }: KnownLog, last: number): number {
  const tails = sources.tails.filter((t) => t.log === name).map((t) => t.committed);
  const settled = Math.max(0, sure, ...tails);
  // Nobody knows where it ended: somewhere below its lease.
  const open = (!hasEnd || settled < last) && !sources.alive && tails.length === 0;
  return open ? Math.max(settled, lease - 1) : settled;
}
