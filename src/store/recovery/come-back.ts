/**
 * Brings back the rest of a damaged log.db while the gateway runs: a thread of its own finds it (`findLeft`), and `Merger` then
 * puts it into log.db, a step at a time between commits.
 *
 * - Records keep their log, number, boot and lane. A log is given out only when all of it is there, so that no
 *   outlet passes over a number that is still to come.
 * - Every step is a transaction that can be done twice: a kill in between costs nothing but the time.
 * - What the run has given out meanwhile stays: a record that the runtime directory had is there already.
 */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { decodeBlock } from '../../codecs/blocks.ts';
import { type BlockRow, type ClockSegment, keyOf, type LanesRow, seqOf, shapeReader } from '../files/layout.ts';
import type { Salvaged } from '../files/repair-report.ts';
import { rowSum } from '../files/sealed-rows.ts';
import type { SalvageTask } from '../files/sources.ts';
import { asidePath, twice } from '../files/whole-file.ts';
import type { Agreement } from '../hot/agreement.ts';
import type { LogDatabase } from '../hot/database.ts';
import { HOMES } from './homes.ts';
import { rebuildLeft } from './rebuild-log.ts';
import type { Pace } from './salvage.ts';
import { type Row, sealed } from './salvage-rows.ts';
import { foundPath, makingPath } from './salvage-task.ts';

/** Rows, and bytes of blocks, that one step takes. */
const STEP_BLOCKS = 64;
const STEP_BYTES = 256 * 1024;
const STEP_NOTICES = 500;

/** @returns undefined where it was left before the end */
export function findLeft(file: string, task: SalvageTask, pace: Pace, isLeaving: () => boolean): Salvaged | undefined {
  const earlier = readReport(foundPath(file));
  if (earlier !== undefined) return earlier;
  const making = makingPath(file);
  const salvaged = twice(() => {
    for (const name of [making, foundPath(file)]) rmSync(name, { force: true });
    return rebuildLeft(asidePath(file), making, task.sources, pace);
  });
  if (isLeaving()) return undefined;
  const db = new Database(making);
  db.prepare('insert into meta (name, value) values (?, ?)').run('report', JSON.stringify(salvaged));
  db.close();
  sync(making, 'r+');
  renameSync(making, foundPath(file));
  sync(path.dirname(file), 'r');
  return salvaged;
}

function readReport(found: string): Salvaged | undefined {
  if (!existsSync(found)) return undefined;
  try {
    const db = new Database(found, { readonly: true });
    try {
      const text = db.prepare<[], string>("select value from meta where name = 'report'").pluck().get();
      return text === undefined ? undefined : (JSON.parse(text) as Salvaged);
    } finally {
      db.close();
    }
  } catch {
    // It is made again.
    return undefined;
  }
}

function sync(name: string, flags: string): void {
  const fd = openSync(name, flags);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

export class Merger {
  readonly #log: LogDatabase;
  readonly #agreed: Pick<Agreement, 'commitBegins' | 'commitRolledBack'>;
  readonly #found: Database.Database;
  readonly #upTo: number;
  /** Ordinal in log.db by that in the found file. */
  readonly #ordinals = new Map<number, number>();
  /** Numbers of boots that the run itself has given out. */
  readonly #taken = new Set<number>();
  #sameShapes = true;
  #stage: 'names' | 'blocks' | 'notices' = 'names';
  #after = 0;
  done = 0;
  readonly of: number;

  /** @param agreed the keeper may see a step before the disk has it */
  constructor(log: LogDatabase, task: SalvageTask, agreed: Pick<Agreement, 'commitBegins' | 'commitRolledBack'>) {
    this.#log = log;
    this.#agreed = agreed;
    this.#upTo = task.upTo;
    this.#found = new Database(foundPath(log.file), { readonly: true, fileMustExist: true });
    this.of = this.#found
      .prepare<[], number>('select (select count(*) from block) + (select count(*) from notice)')
      .pluck()
      .get() as number;
  }

  close(): void {
    this.#found.close();
  }

  /** One transaction, to be synced afterwards. @returns whether that was all */
  step(): boolean {
    this.#agreed.commitBegins();
    try {
      return this.#step();
    } catch (thrown) {
      this.#agreed.commitRolledBack();
      throw thrown;
    }
  }

  #step(): boolean {
    return this.#log.db.transaction(() => {
      switch (this.#stage) {
        case 'names':
          this.#names();
          this.#stage = 'blocks';
          return false;
        case 'blocks':
          if (!this.#blocks()) return false;
          this.#stage = 'notices';
          this.#after = 0;
          return false;
        case 'notices':
          if (!this.#notices()) return false;
          this.#log.reread();
          return true;
      }
    })();
  }

  #names(): void {
    const log = this.#log;
    const known = new Map(log.logs().map(({ name, ordinal }) => [name, ordinal]));
    const lanes = this.#found.prepare<[number], { settled: number; boot: number; states: string }>(
      'select settled, boot, states from lanes where log = ?',
    );
    for (const { ordinal, name, lease } of this.#found
      .prepare<[], { ordinal: number; name: string; lease: number }>('select ordinal, name, lease from log order by ordinal')
      .all()) {
      let mine = known.get(name);
      if (mine === undefined) {
        const used = new Set(known.values());
        // history.db may have hours of it under its own ordinal.
        if (ordinal <= this.#upTo - HOMES && !used.has(ordinal)) mine = ordinal;
        for (let free = this.#upTo - HOMES; free > 0 && mine === undefined; free--) if (!used.has(free)) mine = free;
        if (mine === undefined) continue;
        log.putLog(name, mine);
        log.setLease(mine, lease);
        const { settled, boot, states } = lanes.get(ordinal) ?? { settled: 0, boot: 0, states: '{}' };
        const of = mine;
        const cursors = Object.entries(JSON.parse(states) as LanesRow['states']).map(([f, state]) => ({
          name: f,
          log: of,
          state,
        }));
        log.setLanes(cursors, mine, boot, settled);
        known.set(name, mine);
      }
      this.#ordinals.set(ordinal, mine);
    }
    for (const row of this.#found.prepare<[], Row>('select * from boot').all()) this.#boot(row);
    const body = log.db.prepare<[number], string>('select body from shape where id = ?').pluck();
    for (const shape of this.#found.prepare<[], { id: number; body: string }>('select id, body from shape').all())
      if (body.get(shape.id) !== shape.body) this.#sameShapes = false;
  }

  #boot(row: Row): void {
    const [boot, first, origin] = [row.boot, row.first, row.origin] as number[];
    const mine = this.#ordinals.get(row.log as number);
    if (boot === undefined || first === undefined || mine === undefined) return;
    const known = this.#log.db.prepare<[number], number>('select log from boot where boot = ?').pluck().get(boot);
    if (known !== undefined) {
      if (known > this.#upTo) this.#taken.add(boot);
      return;
    }
    this.#log.addBoot(boot, mine, first, { id: String(row.machine), origin: origin ?? 0 });
    this.#log.boots.reaches(boot, row.at_last as number);
    const clock = this.#found
      .prepare<[number], { from_seq: number; offset: number; estimated: number; version: number }>(
        'select * from clock where boot = ? order by from_seq',
      )
      .all(boot);
    const segments = clock.map((c): ClockSegment => ({ fromSeq: c.from_seq, offset: c.offset, estimated: c.estimated === 1 }));
    if (clock[0] !== undefined) this.#log.clock.set({ boot, version: clock[0].version, segments });
  }

  #blocks(): boolean {
    // One row at a time: a step that read its most rows would hold many times its most bytes.
    const next = this.#found.prepare<[number], BlockRow>('select * from block where id > ? order by id limit 1');
    let bytes = 0;
    for (let taken = 0; taken < STEP_BLOCKS && bytes <= STEP_BYTES; taken++) {
      const row = next.get(this.#after);
      if (row === undefined) return true;
      this.#block(row);
      bytes += row.body.length;
      this.#after = row.id;
      this.done++;
    }
    return false;
  }

  #block(row: BlockRow): void {
    const log = this.#ordinals.get(Math.floor(row.id / keyOf(1, 0)));
    if (log === undefined || this.#taken.has(row.boot)) return;
    const id = keyOf(log, seqOf(row.id));
    const there = this.#overlapping(log, seqOf(row.id), row.last);
    if (there.length === 0 && this.#sameShapes) {
      const head = [id, row.last, row.boot, row.inventory, row.records, row.readings, row.at_last] as const;
      this.#log.db
        .prepare(
          'insert into block (id, last, boot, inventory, records, readings, at_last, sum, body) values (?, ?, ?, ?, ?, ?, ?, ?, ?)',
        )
        .run(...head, rowSum('block', ...head), row.body);
      return;
    }
    const has = new Set(there.flatMap((b) => decodeBlock(b.body, this.#log.shapeOf)).map((r) => r.seq));
    const records = decodeBlock(row.body, shapeReader(this.#found)).filter((r) => !has.has(r.seq));
    if (records.length > 0) this.#log.addRecords(log, row.boot, row.inventory, records);
  }

  /** The entries of the runtime directory, or of an earlier try. */
  #overlapping(log: number, first: number, last: number): BlockRow[] {
    const before = this.#log.db.prepare<[number, number], BlockRow>(
      'select * from block where id <= ? and id >= ? order by id desc limit 1',
    );
    const found: BlockRow[] = [];
    for (let at = last; ; ) {
      const row = before.get(keyOf(log, at), keyOf(log, 0));
      if (row === undefined || row.last < first) return found;
      found.push(row);
      at = seqOf(row.id) - 1;
    }
  }

  #notices(): boolean {
    const rows = this.#found
      .prepare<[number, number], Row>('select * from notice where id > ? order by id limit ?')
      .all(this.#after, STEP_NOTICES);
    for (const row of rows) {
      this.#after = row.id as number;
      this.done++;
      const log = this.#ordinals.get(Math.floor(this.#after / keyOf(1, 0)));
      if (log === undefined || this.#taken.has(row.boot as number)) continue;
      const { id, boot, at, kind, key, body, sum } = sealed('notice', { ...row, id: keyOf(log, seqOf(this.#after)) });
      this.#log.db
        .prepare('insert or ignore into notice (id, boot, at, kind, key, body, sum) values (?, ?, ?, ?, ?, ?, ?)')
        .run(id, boot, at, kind, key, body, sum);
    }
    return rows.length < STEP_NOTICES;
  }
}
