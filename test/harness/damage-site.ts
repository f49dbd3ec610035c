/**
 * A log in the middle of its life whose files are kept as bytes, what was committed in it, and an oracle that tells of
 * damaged files which of its records are still whole. The oracle knows SQLite's pages from SQLite, not from the salvage.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { decodeBlock } from '../../src/codecs/blocks.ts';
import type { Sample, Shape } from '../../src/core/point.ts';
import type { Outlet } from '../../src/store/delivery/outlet.ts';
import { shapeReader } from '../../src/store/files/layout.ts';
import { Log } from '../../src/store/log.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { Consumer } from '../oracles/consumer.ts';
import { allNotices } from './all-notices.ts';
import type { Files } from './damage.ts';
import { payloadText } from './payload-text.ts';
import { rowPages } from './row-pages.ts';

export const ENDS = ['stopped', 'killed', 'killed while history.db is written'] as const;
export type End = (typeof ENDS)[number];

const PAGE = { 'log.db': 1024, 'history.db': 4096 } as const;
const FRAME = 24;
const NAMES = ['log.db', 'log.db-wal', 'log.db-shm', 'history.db', 'history.db-journal'];

const plant: Shape = {
  device: 'plant',
  points: Array.from({ length: 30 }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' })),
};
const pump: Shape = { device: 'pump', points: [{ name: 'speed', type: 'uint32', storage: 'number' }] };
/** Numbers that deflate can do nothing with, so that blocks have overflow pages. No two samples are alike. */
const wide = (i: number, at: number): Sample => ({
  shape: plant,
  at,
  values: plant.points.map((_, p) => (p === 0 ? i : Math.sin(i * 7919 + p * 104_729) * 1e6)),
  reasons: null,
});
const narrow = (i: number, at: number): Sample => ({ shape: pump, at, values: [i], reasons: null });

/** A stretch of a file that must be as it was. */
interface Place {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}
interface Row {
  readonly places: readonly Place[];
  /** Any one of these is enough beside them. */
  readonly oneOf: readonly (readonly Place[])[];
  readonly contents: readonly string[];
}

export class DamageSite {
  readonly state: string;
  readonly run: string;
  /** By `log/seq`, the content of everything that was committed or lies in the runtime directory. */
  readonly committed = new Map<string, string>();
  /** What was delivered before the damage. */
  readonly delivered = new Consumer();
  readonly #batches: { topic: string; payload: string }[] = [];
  #files = new Map<string, Buffer>();
  #tail = new Map<string, Buffer>();
  #rows: Row[] = [];
  /** Contents of records that lie in the runtime directory, which nothing damages. */
  #inTail: string[] = [];

  constructor(dir: string) {
    this.state = path.join(dir, 'state');
    this.run = path.join(dir, 'run');
  }

  /** The same log with folders of its own, so that several runs can have it at a time. */
  at(dir: string): DamageSite {
    const other = new DamageSite(dir);
    for (const [number, content] of this.committed) other.committed.set(number, content);
    other.#batches.push(...this.#batches);
    other.#files = this.#files;
    // The runtime directory names the log that it is of.
    other.#tail = new Map([...this.#tail, ['owner', Buffer.from(other.state)]]);
    other.#rows = this.#rows;
    other.#inTail = this.#inTail;
    return other;
  }

  get files(): Files {
    return this.#files;
  }

  async make(end: End): Promise<void> {
    const clock = new ManualClock();
    let count = 0;
    const open = async (): Promise<{ log: Log; outlet: Outlet }> => {
      const log = await Log.open({
        ...{ stateDir: this.state, runtimeDir: this.run, clock, maxSize: 3e6, maxAge: 1e13, commitEvery: 10_000 },
      });
      const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
      log.setClock(clock.wall() - clock.monotonic(), false);
      log.setInventory('{}');
      await outlet.ready();
      return { log, outlet };
    };
    const append = (log: Log, n: number, make: (i: number, at: number) => Sample = wide): void => {
      for (let i = 0; i < n; i++) {
        const sample = make(count++, clock.monotonic());
        const record = log.append(sample);
        if (record !== undefined) this.committed.set(`${log.id}/${record.seq}`, contentOf(sample.shape, sample.values));
      }
    };
    const tell = (log: Log, text: string): void => {
      log.notice('event', 'x', 0, { event: 'x', severity: 'info', message: text, time: 0, data: {} });
    };

    const first = await open();
    append(first.log, 20);
    tell(first.log, 'in the first run');
    await first.log.flush();
    await this.#drain(first.outlet);
    append(first.log, 5, narrow);
    await first.log.close(5000);

    const { log, outlet } = await open();
    for (let i = 0; i < 12; i++) {
      append(log, i % 3 === 0 ? 30 : 1);
      append(log, 3, narrow);
      if (i % 4 === 0) tell(log, `event ${i}`);
      await log.flush();
      if (i === 3) await this.#drain(outlet);
      if (i === 7) await log.compact();
    }
    // The outage begins: what is not settled goes to history.
    for (let i = 0; i < 13; i++) {
      await clock.advance(1000);
      append(log, 2, narrow);
      outlet.tend(false, clock.monotonic());
    }
    for (let i = 0; i < 4; i++) {
      append(log, 25);
      await log.flush();
    }
    await log.compact();
    for (let i = 0; i < 40; i++) {
      append(log, i % 4 === 0 ? 25 : 2);
      if (i % 5 === 0) tell(log, `outage ${i}`);
      await log.flush();
    }
    const before = this.committed.size;
    if (end === 'stopped') await log.close(5000);
    else append(log, 3, narrow);
    this.#inTail = [...this.committed.values()].slice(before);
    this.#keep();
    if (end !== 'stopped') await log.abandon();
    // A file that is put back is younger than the one that was written: here that says nothing.
    this.restore(this.#files);
    const db = new Database(path.join(this.state, 'log.db'));
    db.exec("delete from meta where name = 'birth'");
    this.#keep();
    db.close();
    this.#rows = this.#find();
    if (end === 'killed while history.db is written') this.#writeHistory();
  }

  /** Puts the files as given into the folder, and the runtime directory as it was. */
  restore(files: Files): void {
    rmSync(this.state, { recursive: true, force: true });
    rmSync(this.run, { recursive: true, force: true });
    mkdirSync(this.state, { recursive: true });
    mkdirSync(this.run, { recursive: true });
    for (const [name, bytes] of files) if (bytes.length > 0) writeFileSync(path.join(this.state, name), bytes);
    for (const [name, bytes] of this.#tail) writeFileSync(path.join(this.run, name), bytes);
  }

  /** A consumer that has had what was delivered before. */
  consumer(): Consumer {
    return new Consumer().feedAll(this.#batches);
  }

  /** Contents of the records that are whole in the damaged files; they must all arrive. */
  whole(files: Files): Set<string> {
    const same = ({ name, from, to }: Place): boolean => {
      const was = (this.#files.get(name) as Buffer).subarray(from, to);
      const is = files.get(name)?.subarray(from, to);
      return is !== undefined && was.equals(is);
    };
    const found = new Set(this.#inTail);
    for (const { places, oneOf, contents } of this.#rows)
      if (places.every(same) && (oneOf.length === 0 || oneOf.some((some) => some.every(same))))
        for (const c of contents) found.add(c);
    return found;
  }

  async #drain(outlet: Outlet): Promise<void> {
    for (const lane of ['data', 'history'] as const)
      for (;;) {
        const batch = await outlet.next(lane, 500);
        if (batch === undefined) break;
        outlet.handOver(batch);
        this.#batches.push({ topic: `sluice/g1/${lane}`, payload: payloadText(batch) });
        outlet.done(batch);
      }
    for (const notice of await allNotices(outlet, 1000)) {
      this.#batches.push({ topic: 'sluice/g1/event', payload: notice.json });
      outlet.noticesDone(notice);
    }
  }

  #keep(): void {
    const read = (file: string) => (existsSync(file) ? readFileSync(file) : Buffer.alloc(0));
    this.#files = new Map(NAMES.map((name) => [name, read(path.join(this.state, name))]));
    if (this.#tail.size === 0)
      this.#tail = new Map(readdirSync(this.run).map((name) => [name, readFileSync(path.join(this.run, name))]));
  }

  /** Half of a transaction is in history.db, and its journal would take it back. */
  #writeHistory(): void {
    const file = path.join(this.state, 'history.db');
    this.restore(this.#files);
    const db = new Database(file);
    db.pragma('journal_mode = PERSIST');
    db.pragma('synchronous = FULL');
    db.pragma('cache_size = 4');
    db.exec('begin');
    db.exec('update unit set state = state; update twin set state = state; update rollup set shape = shape');
    const put = db.prepare('insert into part (shape, records, readings, body) values (1, 1, 1, ?)');
    for (let i = 0; i < 40; i++) put.run(Buffer.alloc(3000 + i * 100, i));
    const hot = ['history.db', 'history.db-journal'].map((name) => [name, readFileSync(path.join(this.state, name))] as const);
    db.exec('rollback');
    db.close();
    for (const [name, bytes] of hot) this.#files.set(name, bytes);
  }

  /** Every row that holds records, with the places where its bytes lie. */
  #find(): Row[] {
    const dir = `${this.state}-look`;
    mkdirSync(dir);
    try {
      for (const [name, bytes] of this.#files) if (bytes.length > 0) writeFileSync(path.join(dir, name), bytes);
      const log = new Database(path.join(dir, 'log.db'));
      const history = new Database(path.join(dir, 'history.db'));
      const frames = this.#frames();
      const inLog = (page: number): Place => {
        const at = frames.get(page);
        return at === undefined
          ? { name: 'log.db', from: (page - 1) * PAGE['log.db'], to: page * PAGE['log.db'] }
          : { name: 'log.db-wal', from: at, to: at + FRAME + PAGE['log.db'] };
      };
      const inHistory = (page: number): Place => ({
        ...{ name: 'history.db', from: (page - 1) * PAGE['history.db'], to: page * PAGE['history.db'] },
      });
      const rows: Row[] = [];
      // Without its shape a record cannot be read: all of them have to be there.
      const shapes = [...rowPages(log, 'shape').values()].flat().map(inLog);
      const contents = (body: Buffer, shapeOf: (id: number) => Shape | undefined) =>
        decodeBlock(body, shapeOf).map((r) => contentOf(r.sample.shape, r.sample.values));
      const blocks = rowPages(log, 'block');
      for (const { id, body } of log.prepare<[], { id: number; body: Buffer }>('select id, body from block').all())
        rows.push({
          ...{ places: [...(blocks.get(id) as number[]).map(inLog), ...shapes], oneOf: [] },
          contents: contents(body, shapeReader(log)),
        });
      const [parts, units, twins] = ['part', 'unit', 'twin'].map((table) => rowPages(history, table)) as [
        Map<number, number[]>,
        Map<number, number[]>,
        Map<number, number[]>,
      ];
      for (const { id: unit, first_part, parts: n } of history
        .prepare<[], { id: number; first_part: number; parts: number }>('select * from unit')
        .all())
        for (const { id, body } of history
          .prepare<[number, number], { id: number; body: Buffer }>('select id, body from part where id >= ? and id < ?')
          .all(first_part, first_part + n))
          rows.push({
            places: [...(parts.get(id) as number[]).map(inHistory), ...shapes],
            oneOf: [units, twins].map((table) => (table.get(unit) as number[]).map(inHistory)),
            contents: contents(body, shapeReader(history)),
          });
      log.close();
      history.close();
      return rows;
    } finally {
      rmSync(dir, { recursive: true });
    }
  }

  /** Where the newest committed copy of each page lies in the write-ahead file (sqlite.org/walformat.html): of its frame, head included. */
  #frames(): Map<number, number> {
    const wal = this.#files.get('log.db-wal') as Buffer;
    const frames = new Map<number, number>();
    let pending: [page: number, at: number][] = [];
    const step = FRAME + PAGE['log.db'];
    for (let at = 32; at + step <= wal.length; at += step) {
      if (wal.compare(wal, 16, 24, at + 8, at + 16) !== 0) break;
      pending.push([wal.readUInt32BE(at), at]);
      if (wal.readUInt32BE(at + 4) === 0) continue;
      for (const [page, where] of pending) frames.set(page, where);
      pending = [];
    }
    return frames;
  }
}

export function contentOf(shape: Shape, values: readonly unknown[]): string {
  return JSON.stringify([shape.device, Object.fromEntries(shape.points.map((p, i) => [p.name, values[i]]))]);
}
