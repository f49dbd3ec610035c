/** Damage to history.db that nobody has met yet: a start finds it within a minute, and an export that meets it first goes on after the repair. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import type { Shape } from '../../../src/core/point.ts';
import type { Repair } from '../../../src/store/files/repair-report.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';
import { exportAll } from '../../harness/store-fixture.ts';
import { waitFor } from '../../harness/wait-for.ts';

const PAGE = 4096;
const UNITS = 12;
const PER_UNIT = 30;
const plant: Shape = {
  device: 'plant',
  points: Array.from({ length: 20 }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' })),
};

interface Site {
  readonly clock: ManualClock;
  readonly state: string;
  readonly run: string;
  readonly file: string;
}
function open({ state, run, clock }: Site): Promise<Log> {
  return Log.open({ ...{ stateDir: state, runtimeDir: run, clock }, ...{ maxSize: 1e8, maxAge: 1e13, commitEvery: 10_000 } });
}

/** Units whose parts have overflow pages, in a log that was closed. */
async function made(t: TestContext): Promise<Site> {
  const dir = scratch(t, 'history-check');
  const state = path.join(dir, 'state');
  const s = { clock: new ManualClock(), state, run: path.join(dir, 'run'), file: path.join(state, 'history.db') };
  const log = await open(s);
  log.setClock(s.clock.wall(), false);
  log.setInventory('{}');
  for (let i = 0; i < UNITS * PER_UNIT; i++) {
    log.append({ shape: plant, at: i, values: plant.points.map((_, p) => Math.sin(i * 7919 + p) * 1e6), reasons: null });
    if (i % PER_UNIT !== PER_UNIT - 1) continue;
    await log.flush();
    await log.compact();
  }
  await log.flush();
  await log.close(5000);
  return s;
}

/** A leaf of the table of parts, in the middle, turned to noise. @returns how many parts lie on it */
function spoil({ file }: Site): number {
  const db = new Database(file, { readonly: true });
  const leaves = db
    .prepare<[], { pageno: number; ncell: number }>(
      "select pageno, ncell from dbstat where name = 'part' and pagetype = 'leaf' order by path",
    )
    .all();
  db.close();
  const leaf = leaves[Math.floor(leaves.length / 2)];
  assert.ok(leaf !== undefined && leaves.length > 2);
  const bytes = readFileSync(file);
  bytes.fill(0xa5, (leaf.pageno - 1) * PAGE, leaf.pageno * PAGE);
  writeFileSync(file, bytes);
  return leaf.ncell;
}

test('a damaged history.db is found and mended within a minute of a start, though nobody asks', async (t) => {
  const s = await made(t);
  spoil(s);
  const log = await open(s);
  t.after(() => log.abandon());
  const repairs: Repair[] = [];
  const told: string[] = [];
  log.on('salvaging', ({ file, phase }) => told.push(`${file}: ${phase}`));
  log.on('repaired', (repair) => repairs.push(repair));
  log.setClock(s.clock.wall(), false);
  log.setInventory('{}');
  await s.clock.advance(60_000);
  await waitFor('the repair', () => repairs.length > 0);
  assert.equal(repairs[0]?.file, 'history.db');
  assert.equal(told[0], 'history.db: find', 'it says so while the keeper answers nobody');
});

test('an export that meets damage waits for the repair, and has everything else once', async (t) => {
  const s = await made(t);
  const lost = spoil(s);
  const log = await open(s);
  t.after(() => log.abandon());
  const repairs: Repair[] = [];
  log.on('repaired', (repair) => repairs.push(repair));
  log.setClock(s.clock.wall(), false);
  log.setInventory('{}');
  const lines = (await exportAll(log)).trimEnd().split('\n');
  const seqs = lines.map((line) => (JSON.parse(line) as { seq: number }).seq);
  assert.equal(repairs[0]?.file, 'history.db');
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].sort((a, b) => a - b),
    'each once, in order',
  );
  assert.ok(seqs.length >= UNITS * PER_UNIT - lost * PER_UNIT && seqs.length < UNITS * PER_UNIT);
});
