/** Room that others need: a file system that fills up, and a damaged file beside the log. */
// Takes minutes: it starts before the others.
import assert from 'node:assert/strict';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import Database from 'better-sqlite3';
import type { Sample, Shape } from '../../../src/core/point.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { loopDisk, mayMount } from '../../harness/loop-disk.ts';
import { scratch } from '../../harness/scratch.ts';

const MB = 1024 ** 2;
const shape: Shape = {
  device: 'plant',
  points: Array.from({ length: 50 }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' })),
};
/** Nothing makes these smaller. */
const noise = (i: number, at: number): Sample => ({
  shape,
  at,
  values: shape.points.map((_, p) => Math.sin(i * 7919 + p * 104_729) * 1e6),
  reasons: null,
});
const sizeOf = (dir: string) =>
  readdirSync(dir).reduce((sum, f) => sum + (f.endsWith('-shm') ? 0 : statSync(path.join(dir, f)).size), 0);
const freeOf = (dir: string) => {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
};

class Filler {
  readonly log: Log;
  readonly clock: ManualClock;
  #i = 0;
  constructor(log: Log, clock: ManualClock) {
    this.log = log;
    this.clock = clock;
  }
  /** The same without compaction: log.db alone, whose blocks are dropped. */
  async readings(n: number): Promise<void> {
    for (let k = 0; k < n; k++) {
      for (let r = 0; r < 100; r++) this.log.append(noise(this.#i++, this.clock.monotonic() + r));
      await this.clock.advance(1000);
      await this.log.flush();
    }
  }
  /** `n` commits of 100 records, about 40 kB each, with time going on and what is old compacted. */
  async commits(n: number): Promise<void> {
    for (let k = 0; k < n; k++) {
      for (let r = 0; r < 100; r++) this.log.append(noise(this.#i++, this.clock.monotonic() + r));
      await this.clock.advance(60_000);
      await this.log.flush();
      if (k % 8 === 7) {
        await this.log.compact();
        await this.log.flush();
      }
    }
  }
}

/** Their `n`. */
function noticesIn(state: string): number[] {
  const db = new Database(path.join(state, 'log.db'), { readonly: true });
  try {
    return db.prepare<[], number>("select json_extract(body, '$.n') from notice order by id").pluck().all();
  } finally {
    db.close();
  }
}

async function open(stateDir: string, runtimeDir: string, over: object): Promise<Filler> {
  const clock = new ManualClock();
  const log = await Log.open({ stateDir, runtimeDir, clock, maxSize: 24 * MB, maxAge: 1e13, commitEvery: 3_600_000, ...over });
  log.setClock(clock.wall() - clock.monotonic(), false);
  log.setInventory('{}');
  await log.flush();
  return new Filler(log, clock);
}

test('others fill the file system: the log gives room back down to minFree, and goes on', { timeout: 400_000 }, async (t) => {
  if (!mayMount(t)) return;
  const disk = loopDisk(t, 'min-free', 48);
  const state = path.join(disk, 'state');
  const filler = await open(state, path.join(scratch(t, 'min-free'), 'run'), { minFree: 4 * MB });
  t.after(() => filler.log.abandon());
  const faults: (string | undefined)[] = [];
  filler.log.on('fault', (fault) => faults.push(fault));
  await filler.commits(400);
  const [before, room] = [sizeOf(state), filler.log.status().limit];
  assert.ok(before > 12 * MB, `${before} bytes before`);
  // Somebody copies a film onto the card until hardly anything is left.
  const film = openSync(path.join(disk, 'film'), 'w');
  const piece = Buffer.alloc(256 * 1024, 1);
  while (freeOf(disk) > 1.5 * MB) writeSync(film, piece);
  closeSync(film);
  for (let round = 0; round < 20 && freeOf(disk) < 3.5 * MB; round++) await filler.commits(8);
  assert.ok(freeOf(disk) >= 3.5 * MB, `${freeOf(disk)} bytes free, ${sizeOf(state)} in the log`);
  assert.equal(filler.log.status().tidyFault, undefined);
  assert.deepEqual(faults, []);
  const { held, limit } = filler.log.status();
  assert.ok(held > 0, 'the newest are there');
  assert.ok(limit < room, `${limit} bytes are allowed, before ${room}`);
});

test('a damaged history.db that lies beside counts, and goes first', async (t) => {
  const dir = scratch(t, 'aside');
  const state = path.join(dir, 'state');
  const maxSize = 8 * MB;
  const filler = await open(state, path.join(dir, 'run'), { maxSize });
  t.after(() => filler.log.abandon());
  await filler.commits(40);
  const aside = path.join(state, 'history.db.damaged');
  writeFileSync(aside, Buffer.alloc(3 * MB));
  await filler.commits(8);
  assert.ok(filler.log.status().bytes >= 3 * MB, 'it counts');
  for (let k = 0; k < 30; k++) {
    await filler.commits(8);
    assert.ok(sizeOf(state) <= maxSize, `${sizeOf(state)} bytes`);
  }
  assert.equal(statSync(aside, { throwIfNoEntry: false }), undefined, 'it went');
  rmSync(aside, { force: true });
});

test('alarms outlive the readings around them, up to a small part of the room', async (t) => {
  const dir = scratch(t, 'notices');
  const state = path.join(dir, 'state');
  const maxSize = 8 * MB;
  const filler = await open(state, path.join(dir, 'run'), { maxSize });
  const { log } = filler;
  t.after(() => log.abandon());
  const told = (n: number) => log.notice('alarm', 'fridge-warm', filler.clock.monotonic(), { rule: 'fridge-warm', n });
  told(0);
  // The keeper may make units meanwhile: then nothing has to be dropped for a while.
  for (let k = 1; k <= 40; k++) {
    await filler.readings(100);
    if (log.status().held < 10_000 * k) break;
  }
  assert.deepEqual(noticesIn(state), [0], 'it outlives readings that came after it');
  // Far more than a sixteenth of the room.
  for (let n = 1; n <= 4000; n++) {
    told(n);
    if (n % 100 === 0) await log.flush();
  }
  for (let k = 0; k < 40 && noticesIn(state).length > 2000; k++) await filler.readings(100);
  const left = noticesIn(state);
  assert.equal(left.at(-1), 4000);
  assert.ok(left.length >= 500 && left.length < 2000, `${left.length} are left`);
});

test('a smaller maxSize at a reload: all files fit, and no more is taken than has to be', {
  timeout: 400_000,
}, async (t) => {
  const dir = scratch(t, 'smaller');
  const state = path.join(dir, 'state');
  const filler = await open(state, path.join(dir, 'run'), { maxSize: 64 * MB });
  t.after(() => filler.log.abandon());
  await filler.commits(320);
  const before = { bytes: sizeOf(state), held: filler.log.status().held };
  const wal = path.join(state, 'log.db-wal');
  assert.ok(before.bytes > 16 * MB && statSync(wal).size > 4 * MB, `${before.bytes} bytes, ${statSync(wal).size} ahead`);
  const maxSize = 8 * MB;
  Object.assign(filler.log.options, { maxSize });
  await filler.commits(1);
  for (let round = 0; round < 10 && sizeOf(state) > maxSize; round++) {
    // Waits for the keeper, which makes room in steps.
    await filler.log.compact();
    await filler.log.flush();
  }
  assert.ok(sizeOf(state) <= maxSize, `${sizeOf(state)} bytes`);
  assert.equal(filler.log.status().bytes, sizeOf(state));
  assert.ok(statSync(wal).size <= maxSize / 8 + 64 * 1024, `the write-ahead file has ${statSync(wal).size} bytes`);
  // A quarter is log.db's; of the rest half at least stays in use.
  const { held, historyBytes } = filler.log.status();
  assert.ok(historyBytes > maxSize / 4, `${historyBytes} bytes of history, ${held} records of ${before.held}`);
  for (let round = 0; round < 8; round++) {
    await filler.commits(8);
    assert.ok(sizeOf(state) <= maxSize, `${sizeOf(state)} bytes`);
  }
  assert.equal(filler.log.status().tidyFault, undefined);
  // And back: what is free is used.
  Object.assign(filler.log.options, { maxSize: 64 * MB });
  await filler.commits(64);
  assert.ok(sizeOf(state) > maxSize, `${sizeOf(state)} bytes`);
});

test('log.db stays large after a time without history: it counts and its pages are reused', {
  timeout: 400_000,
}, async (t) => {
  const dir = scratch(t, 'free-pages');
  const state = path.join(dir, 'state');
  const maxSize = 16 * MB;
  const filler = await open(state, path.join(dir, 'run'), { maxSize });
  t.after(() => filler.log.abandon());
  // No history can be made where there is a folder.
  mkdirSync(path.join(state, 'history.db'));
  const file = path.join(state, 'log.db');
  const pages = () => {
    const db = new Database(file, { readonly: true });
    const [all, free] = ['page_count', 'freelist_count'].map((what) => db.pragma(what, { simple: true }) as number);
    db.close();
    return { all: all as number, free: free as number };
  };
  // Compaction is only asked for: it fails.
  for (let k = 0; k < 40; k++) {
    await filler.commits(7);
    assert.ok(sizeOf(state) <= maxSize, `${sizeOf(state)} bytes`);
  }
  const large = statSync(file).size;
  assert.ok(large > maxSize / 3, `${large} bytes in log.db`);
  rmdirSync(path.join(state, 'history.db'));
  for (let round = 0; round < 20; round++) {
    await filler.log.compact();
    await filler.log.flush();
  }
  assert.ok(pages().free > pages().all / 2, `${JSON.stringify(pages())} after compaction`);
  // It counts with all of its pages; what comes goes into them.
  for (let round = 0; round < 10; round++) {
    await filler.commits(8);
    assert.ok(sizeOf(state) <= maxSize, `${sizeOf(state)} bytes`);
    assert.equal(filler.log.status().bytes, sizeOf(state));
  }
  assert.equal(statSync(file).size, large, 'no page was needed more');
  const { held } = filler.log.status();
  assert.ok(filler.log.status().historyBytes > maxSize / 4, 'the history has its half');

  const smaller = 6 * MB;
  assert.ok(large > smaller / 2);
  Object.assign(filler.log.options, { maxSize: smaller });
  await filler.commits(1);
  for (let round = 0; round < 20 && sizeOf(state) > smaller; round++) {
    await filler.log.compact();
    await filler.log.flush();
    await filler.commits(1);
  }
  assert.ok(sizeOf(state) <= smaller, `${sizeOf(state)} bytes, ${statSync(file).size} of them log.db`);
  assert.ok(filler.log.status().held > 0 && filler.log.status().held < held);
  assert.ok(filler.log.status().historyBytes > smaller / 8, `${filler.log.status().historyBytes} bytes of history`);
  for (let round = 0; round < 4; round++) {
    await filler.commits(8);
    assert.ok(sizeOf(state) <= smaller, `${sizeOf(state)} bytes`);
  }
});
