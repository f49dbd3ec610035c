/** Room that others need: a file system that fills up, and a damaged file beside the log. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, rmSync, statfsSync, statSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import Database from 'better-sqlite3';
import type { Sample, Shape } from '../../src/core/point.ts';
import { Log } from '../../src/store/log.ts';
import { loopDisk, mayMount } from '../fakes/loop-disk.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { scratch } from '../fakes/scratch.ts';

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
  /** So many commits of 100 records, about 40 kB each, with time going on and what is old compacted. */
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

test('others fill the file system: the log gives room back down to minFree, and goes on', { timeout: 240_000 }, async (t) => {
  if (!mayMount(t)) return;
  const disk = loopDisk(t, 'min-free', 48);
  const state = path.join(disk, 'state');
  const filler = await open(state, path.join(scratch(t, 'min-free'), 'run'), { minFree: 4 * MB });
  t.after(() => filler.log.abandon());
  const faults: (string | undefined)[] = [];
  filler.log.on('fault', (fault) => faults.push(fault));
  await filler.commits(400);
  const before = sizeOf(state);
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
  const { held } = filler.log.status();
  assert.ok(held > 0, 'the newest are there');
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
