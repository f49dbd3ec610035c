/** Readings that are kept for less than others: deleted with their roll-ups, and their bytes are in no file of the log any more. */
import assert from 'node:assert/strict';
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import type { Shape } from '../../../src/core/point.ts';
import type { PrivacyClass, Retention } from '../../../src/core/privacy.ts';
import type { TidyResult } from '../../../src/store/archive/tidy-request.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';
import { exportAll } from '../../harness/store-fixture.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const point = (name: string, privacy?: PrivacyClass) =>
  ({ name, type: 'float64', storage: 'number', ...(privacy === undefined ? {} : { privacy }) }) as const;
const air: Shape = { device: 'air', points: [point('pm')] };
const band: Shape = { device: 'band', points: [point('pulse', 'health')] };
/** From before points of it got a class. */
const mixed: Shape = { device: 'mixed', points: [point('load'), point('weight')] };
const RULES: Retention = { keep: { health: 3 * HOUR }, points: { 'band.*': 'health', 'mixed.weight': 'health' } };

interface Site {
  readonly clock: ManualClock;
  readonly state: string;
  readonly run: string;
}
function siteOf(t: TestContext): Site {
  const dir = scratch(t, 'class-age');
  return { clock: new ManualClock(Date.UTC(2026, 10, 25, 12)), state: path.join(dir, 'state'), run: path.join(dir, 'run') };
}
async function opened(
  t: TestContext,
  { clock, state, run }: Site,
  retention: Retention | undefined,
  maxAge = 30 * DAY,
): Promise<Log> {
  const log = await Log.open({
    ...{ stateDir: state, runtimeDir: run, clock, retention },
    ...{ maxSize: 32e6, maxAge, commitEvery: 10_000 },
  });
  t.after(() => log.abandon());
  log.setClock(clock.wall() - clock.monotonic(), false);
  log.setInventory('{}');
  return log;
}

let seed = 1;
/** Digits that no compression makes smaller. */
function noise(): number {
  seed = (seed * 16_807) % 2_147_483_647;
  return seed / 2_147_483_647;
}

/** An hour of readings of each shape, committed. */
async function hour(log: Log, clock: ManualClock, shapes: readonly Shape[]): Promise<void> {
  for (let i = 0; i < 60; i++) {
    await clock.advance(HOUR / 60);
    for (const shape of shapes)
      log.append({ shape, at: clock.monotonic(), values: shape.points.map(() => noise()), reasons: null });
  }
  await log.flush();
}

/** The bodies of a table, as they lie in the file. */
function bodies(file: string, sql: string): Buffer[] {
  const copy = `${file}.copy`;
  copyFileSync(file, copy);
  for (const beside of ['-wal'])
    if (readdirSync(path.dirname(file)).includes(path.basename(file) + beside)) copyFileSync(file + beside, copy + beside);
  const db = new Database(copy, { readonly: false });
  try {
    return db.prepare<[], Buffer>(sql).pluck().all();
  } finally {
    db.close();
  }
}

/** Files of the log that have a piece of one of these. */
function found({ state, run }: Site, wanted: readonly Buffer[]): string[] {
  const pieces = wanted.filter(({ length }) => length >= 60).map((body) => body.subarray(20, 52));
  assert.ok(pieces.length > 0, 'there is something to look for');
  return [state, run].flatMap((dir) =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.includes('.copy'))
      .map((entry) => path.join(entry.parentPath, entry.name))
      .filter((file) => {
        const bytes = readFileSync(file);
        return pieces.some((piece) => bytes.includes(piece));
      }),
  );
}

const devicesIn = (jsonl: string): string[] => [...new Set(linesOf(jsonl).map(({ device }) => device))].sort();
function linesOf(jsonl: string): { readonly device: string }[] {
  return jsonl
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly device: string });
}
const countOf = (jsonl: string, device: string): number => linesOf(jsonl).filter((line) => line.device === device).length;

test('readings of a class are deleted after its time with their bytes; the others stay', async (t) => {
  const site = siteOf(t);
  const { clock, state } = site;
  const log = await opened(t, site, RULES);
  const history = path.join(state, 'history.db');
  const aged = new Map<string, number>();
  log.on('tidied', (result: TidyResult) => {
    for (const [name, n] of result.aged) aged.set(name, (aged.get(name) ?? 0) + n);
  });
  await hour(log, clock, [air, band, mixed]);
  const inLog = bodies(path.join(state, 'log.db'), 'select body from block');
  await log.compact();
  const inHistory = bodies(
    history,
    "select body from part where shape in (select id from shape where body not like '%air%') union all select body from rollup where shape in (select id from shape where body not like '%air%')",
  );
  assert.ok(found(site, inHistory).length > 0, 'the bytes are found while the readings are there');
  await hour(log, clock, [air]);
  await log.compact();
  await log.flush();
  assert.deepEqual(devicesIn(await exportAll(log)), ['air', 'band', 'mixed']);
  for (let i = 0; i < 4; i++) {
    await hour(log, clock, [air]);
    await log.compact();
    await log.flush();
  }
  assert.deepEqual(devicesIn(await exportAll(log)), ['air']);
  assert.deepEqual(Object.fromEntries(aged), { 'band.pulse': 60, 'mixed.load': 60, 'mixed.weight': 60 });
  // The commit that deletes blocks, the one with which the write-ahead file begins anew, and one behind it.
  for (let i = 0; i < 3; i++) {
    log.append({ shape: air, at: clock.monotonic(), values: [1], reasons: null });
    await log.flush();
  }
  assert.deepEqual(found(site, inHistory), []);
  assert.deepEqual(found(site, inLog), []);
  const before = (await exportAll(log)).split('\n').length;
  await log.close(5000);
  const again = await opened(t, site, RULES);
  assert.equal((await exportAll(again)).split('\n').length, before, 'a start finds nothing wrong with what is left');
  assert.deepEqual(again.opened.repairs, []);
  await again.keeper.check();
  await again.close(5000);
});

test('a kill at any of these commits loses nothing that is to stay', async (t) => {
  const site = siteOf(t);
  const { clock } = site;
  for (let kills = 0; kills < 6; kills++) {
    const log = await opened(t, site, RULES);
    assert.deepEqual(log.opened.repairs, []);
    await hour(log, clock, [air, band]);
    if (kills > 0) await log.compact();
    for (let i = 0; i < kills % 4; i++) {
      log.append({ shape: air, at: clock.monotonic(), values: [1], reasons: null });
      await log.flush();
    }
    const wanted = (kills + 1) * 60;
    const lines = countOf(await exportAll(log), 'air');
    assert.ok(lines >= wanted, `${lines} of ${wanted}`);
    await log.abandon();
  }
});

test('without a known clock nothing is deleted, and without a rule nothing is looked at', async (t) => {
  const site = siteOf(t);
  const { clock } = site;
  const log = await opened(t, site, undefined);
  for (let i = 0; i < 6; i++) {
    await hour(log, clock, [air, band]);
    await log.compact();
  }
  assert.deepEqual(devicesIn(await exportAll(log)), ['air', 'band']);
  Object.assign(log.options, { retention: RULES });
  log.setClock(0, true);
  await log.flush();
  await log.compact();
  assert.deepEqual(devicesIn(await exportAll(log)), ['air', 'band']);
  log.setClock(clock.wall() - clock.monotonic(), false);
  await log.flush();
  await log.compact();
  const left = countOf(await exportAll(log), 'band');
  assert.ok(left > 0 && left <= 4 * 60, `${left} readings of the last hours stay`);
  await log.close(5000);
});

test('hours of a clock that was ten years ahead hold up the age of none behind them', async (t) => {
  for (const [rules, maxAge, devices] of [
    [RULES, 30 * DAY, ['air']],
    [undefined, 3 * HOUR, ['air']],
  ] as const) {
    const site = siteOf(t);
    const { clock } = site;
    const before = await opened(t, site, rules, maxAge);
    before.setClock(clock.wall() - clock.monotonic() + 3652 * DAY, false);
    await hour(before, clock, [air, band]);
    await before.compact();
    await before.close(5000);
    const log = await opened(t, site, rules, maxAge);
    await hour(log, clock, [air, band]);
    await log.compact();
    for (let i = 0; i < 5; i++) {
      await hour(log, clock, [air]);
      await log.compact();
      await log.flush();
    }
    assert.deepEqual(devicesIn(await exportAll(log)), devices);
    await log.close(5000);
  }
});
