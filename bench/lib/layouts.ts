/**
 * The log and what others keep readings in, side by side: one row per reading, and a JSON text per commit, in the same
 * SQLite as it comes (write-ahead, page 4096, synchronous FULL), the oldest deleted with each commit.
 */
import { closeSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import type { Sample } from '../../src/core/point.ts';
import { HOUR_READINGS } from '../../src/store/archive/compact.ts';
import { LOG_FILE } from '../../src/store/files/layout.ts';
import { walLength } from '../../src/store/hot/wal.ts';
import { Log } from '../../src/store/log.ts';

export interface Layout {
  readonly name: string;
  /** Files that are made once and then used again have their length. Absent: there are none. */
  isWarm?(): boolean;
  /** Another one each time that the write-ahead file is begun anew. */
  round?(): string;
  /** What was put off is done: nothing of it is counted later. */
  settle?(): Promise<void>;
  append(sample: Sample): void;
  /** Durable when it resolves. */
  commit(): Promise<void>;
  /** Bytes of all files, and readings in them. */
  held(): Promise<{ bytes: number; readings: number }>;
  close(): Promise<void>;
}

/** @param runtimeDir in memory */
export async function sluiceLayout(folder: string, runtimeDir: string, maxSize: number): Promise<Layout> {
  const stateDir = path.join(folder, 'state');
  // The log's time is that of the readings: hours end and are compacted as they would.
  let now = performance.now();
  const clock: Clock = { ...systemClock, monotonic: () => now };
  const log = await Log.open({
    ...{ stateDir, runtimeDir, clock, maxSize, maxAge: 3650 * 86_400_000 },
    // Commits are asked for.
    commitEvery: 3_600_000,
  });
  const outlet = log.outlet('cloud', 'oldest', 'bench', 'json');
  log.setInventory('{}');
  log.setClock(Math.round(Date.now() - performance.now()), false);
  await outlet.ready();
  const wal = path.join(stateDir, `${LOG_FILE}-wal`);
  let perRecord = 1;
  let hot = 0;
  /** Whether the keeper is at work on what the last commit made whole. */
  let tidying = false;
  let tidied = false;
  log.on('committed', (result) => {
    hot = result.hot.readings;
    tidying = hot >= HOUR_READINGS && !tidied;
    tidied = false;
  });
  log.on('tidied', () => {
    tidied = true;
    tidying = false;
  });
  return {
    name: 'sluice',
    async settle() {
      // Filled in a hurry, log.db has hours that are still to be compacted.
      while (hot > HOUR_READINGS) {
        await log.compact();
        await log.flush();
      }
    },
    isWarm: () => statSync(wal).size >= walLength(maxSize),
    round() {
      // The salts: sqlite.org/fileformat2.html#walformat
      const salts = Buffer.alloc(8);
      const fd = openSync(wal, 'r');
      readSync(fd, salts, 0, 8, 16);
      closeSync(fd);
      return salts.toString('hex');
    },
    append(sample) {
      now = Math.max(now, sample.at);
      perRecord = sample.shape.points.length;
      if (log.append(sample) === undefined) throw new Error('no number could be given');
    },
    async commit() {
      // The forwarder is live: its cursor rides in every commit.
      for (;;) {
        const batch = await outlet.next('data', 20_000);
        if (batch === undefined) break;
        outlet.handOver(batch);
        outlet.done(batch);
      }
      await log.flush();
      // On a board the keeper is done long before the next commit.
      while (tidying) await sleep(1);
    },
    async held() {
      const { bytes, held } = log.status();
      return { bytes, readings: held * perRecord };
    },
    async close() {
      await log.close(60_000);
      rmSync(runtimeDir, { recursive: true, force: true });
    },
  };
}

/** @param keep readings that stay in the file */
export function rowsLayout(folder: string, keep: number): Layout {
  const file = path.join(folder, 'rows.db');
  const db = open(file);
  db.exec('create table reading (id integer primary key, point text not null, time integer not null, value real not null)');
  const insert = db.prepare('insert into reading (point, time, value) values (?, ?, ?)');
  const remove = db.prepare('delete from reading where id <= ?');
  let pending: Sample[] = [];
  let last = 0;
  return {
    name: 'row per reading',
    append: (sample) => pending.push(sample),
    async commit() {
      db.transaction(() => {
        for (const { shape, at, values } of pending)
          shape.points.forEach((p, i) => {
            last = Number(insert.run(`${shape.device}.${p.name}`, at, Number(values[i])).lastInsertRowid);
          });
        remove.run(last - keep);
      })();
      pending = [];
    },
    async held() {
      return { bytes: sizeOf(db), readings: Math.min(last, keep) };
    },
    async close() {
      db.close();
    },
  };
}

export function jsonLayout(folder: string, keep: number): Layout {
  const file = path.join(folder, 'json.db');
  const db = open(file);
  db.exec('create table batch (id integer primary key, readings integer not null, body text not null)');
  const insert = db.prepare('insert into batch (id, readings, body) values (?, ?, ?)');
  const remove = db.prepare('delete from batch where id <= ?');
  let pending: Sample[] = [];
  let total = 0;
  return {
    name: 'JSON per commit',
    append: (sample) => pending.push(sample),
    async commit() {
      const body = JSON.stringify(
        pending.map(({ shape, at, values }) => ({
          device: shape.device,
          time: at,
          values: Object.fromEntries(shape.points.map((p, i) => [p.name, values[i]])),
        })),
      );
      const readings = pending.reduce((sum, s) => sum + s.shape.points.length, 0);
      total += readings;
      db.transaction(() => {
        insert.run(total, readings, body);
        remove.run(total - keep);
      })();
      pending = [];
    },
    async held() {
      return { bytes: sizeOf(db), readings: Math.min(total, keep) };
    },
    async close() {
      db.close();
    },
  };
}

function open(file: string): Database.Database {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  return db;
}
function sizeOf(db: Database.Database): number {
  db.pragma('wal_checkpoint(TRUNCATE)');
  return (db.pragma('page_count', { simple: true }) as number) * (db.pragma('page_size', { simple: true }) as number);
}
