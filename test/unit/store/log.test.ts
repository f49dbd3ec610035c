import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import type { Sample, Shape } from '../../../src/core/point.ts';
import { Log } from '../../../src/store/log.ts';
import { allNotices } from '../../harness/all-notices.ts';
import { payloadText } from '../../harness/payload-text.ts';

const shape: Shape = {
  device: 'fridge',
  points: [
    { name: 't', type: 'float32', storage: 'number', unit: 'Cel' },
    { name: 'open', type: 'bool', storage: 'boolean' },
    { name: 'n', type: 'uint64', storage: 'integer64' },
    { name: 'txt', type: 'string', storage: 'string' },
  ],
};
const sample = (i: number): Sample => ({
  shape,
  at: i,
  values: [i / 10, i % 2 === 0, 2n ** 63n + BigInt(i), `text ${i} é`],
  reasons: null,
});

async function open(dir: string, over: object = {}) {
  const log = await Log.open({
    stateDir: path.join(dir, 'state'),
    runtimeDir: path.join(dir, 'run'),
    clock: systemClock,
    maxSize: 64e6,
    maxAge: 1e12,
    commitEvery: 60_000,
    ...over,
  });
  const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
  log.setClock(1_000_000, false);
  log.setInventory('{}');
  return { log, outlet };
}
const scratch = (t: { after(fn: () => void): void }) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'sluice-log-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
};

test('live leaves before the commit, history comes from the file, a clean restart goes on', async (t) => {
  const dir = scratch(t);
  const { log, outlet } = await open(dir);
  await outlet.ready();
  for (let i = 0; i < 10; i++) log.append(sample(i));
  const batch = await outlet.next('data', 20);
  assert.ok(batch);
  assert.equal(batch.records, 5);
  const body = JSON.parse(payloadText(batch));
  // The time of the log, whatever the clock of the system says.
  assert.ok(body.sent >= 1_000_000 && body.sent < 1e9, String(body.sent));
  assert.deepEqual(body.records[1], {
    seq: 2,
    device: 'fridge',
    time: 1_000_001,
    values: { t: 0.1, open: false, n: '9223372036854775809', txt: 'text 1 é' },
  });
  outlet.handOver(batch);
  outlet.done(batch);
  assert.equal((await outlet.next('data', 1000))?.first, 6);
  await log.close(10_000);

  const again = await open(dir);
  assert.equal(again.log.id, log.id);
  assert.equal(again.log.opened.boot, 2);
  assert.equal(again.log.next, 11, 'a clean stop skips no numbers');
  const rest = await again.outlet.next('data', 1000);
  assert.deepEqual([rest?.first, rest?.last, rest?.boot], [6, 10, 'b1']);
  assert.equal(JSON.parse(payloadText(rest ?? assert.fail('no batch'))).records[4].values.n, '9223372036854775817');
  await again.log.close(10_000);
});

test('an alarm is told at once and committed with the readings before it', async (t) => {
  const { log, outlet } = await open(scratch(t));
  await outlet.ready();
  log.append(sample(1));
  log.notice('alarm', 'warm', 5, { rule: 'warm', state: 'active-unacknowledged' });
  const [notice] = await allNotices(outlet, 10);
  assert.deepEqual(JSON.parse(notice?.json ?? ''), { v: 1, log: log.id, seq: 2, rule: 'warm', state: 'active-unacknowledged' });
  await log.flush();
  assert.equal(log.committed, 2);
  outlet.noticesDone(notice as never);
  assert.deepEqual(await allNotices(outlet, 10), []);
  await log.close(10_000);
});

test('a reading that its device gives late does not make data lag, and one that waits does', async (t) => {
  const { log, outlet } = await open(scratch(t));
  await outlet.ready();
  const lagged: number[] = [];
  const tend = (second: number): void => {
    if (outlet.tend(true, second * 1000, 0) === 'lag') lagged.push(second);
  };
  for (let second = 30; second < 45; second++) {
    tend(second);
    // A reading of half a minute ago and one of now, acknowledged within two seconds.
    log.append(sample((second - 30) * 1000));
    log.append(sample(second * 1000 + 100));
    const batch = second % 2 === 0 ? await outlet.next('data', 1000) : undefined;
    if (batch !== undefined && outlet.handOver(batch)) outlet.done(batch);
  }
  assert.deepEqual(lagged, []);
  assert.ok(!outlet.pending('history') && outlet.live);
  log.append(sample(20_000));
  for (let second = 45; second < 60; second++) tend(second);
  assert.deepEqual(lagged, [55], 'it waits for more than ten seconds');
  await log.close(10_000);
});

test('data lags also where memory holds less than ten seconds of a fast site', async (t) => {
  const { log, outlet } = await open(scratch(t));
  await outlet.ready();
  const wide: Shape = {
    device: 'fast',
    points: Array.from({ length: 1000 }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' })),
  };
  const values = wide.points.map((_, i) => i);
  const lagged: number[] = [];
  for (let second = 0; second <= 12; second++) {
    for (let i = 0; i < 150; i++) log.append({ shape: wide, at: second * 1000 + i, values, reasons: null });
    await log.flush();
    if (outlet.tend(false, second * 1000 + 500) === 'lag') lagged.push(second);
  }
  assert.deepEqual(lagged, [10]);
  assert.ok(log.recent.from > 1, 'the oldest waiting record is not in memory any more');
  assert.equal((await outlet.next('data', 1000))?.first, 1, 'what was fixed as data stays data');
  assert.equal((await outlet.next('history', 1000)) === undefined, false);
  await log.close(10_000);
});

test("a backlog compacted during delivery is whole: a unit has its first block's number", async (t) => {
  const dir = scratch(t);
  const first = await Log.open({
    ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock: systemClock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 60_000 },
  });
  t.after(() => first.abandon());
  first.setClock(1_000_000, false);
  first.setInventory('{}');
  for (let block = 0; block < 4; block++) {
    for (let i = 0; i < 5; i++) first.append(sample(block * 5 + i));
    await first.flush();
  }
  const outlet = first.outlet('cloud', 'oldest', 'g1', 'json');
  await outlet.ready();
  const got: number[] = [];
  const deliver = async (): Promise<boolean> => {
    const batch = await outlet.next('history', 8);
    if (batch === undefined || !outlet.handOver(batch)) return false;
    got.push(...JSON.parse(payloadText(batch)).records.map((r: { seq: number }) => r.seq));
    outlet.done(batch);
    return true;
  };
  assert.ok(await deliver());
  assert.deepEqual(got, [1, 2], 'the rest of the first block waits');
  await first.compact();
  while (await deliver());
  assert.deepEqual(
    got,
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
});

test('a run that is killed before its first commit leaves a log that is whole', async (t) => {
  const dir = scratch(t);
  const first = await open(dir);
  await first.outlet.ready();
  first.log.append(sample(1));
  await first.log.flush();
  await first.log.abandon();
  for (let run = 2; run <= 4; run++) {
    // Its numbers begin behind the lease of the killed run, of which the file holds less.
    const { log } = await open(dir);
    t.after(() => log.abandon());
    assert.deepEqual(log.opened.repairs, []);
    assert.equal(log.id, first.log.id);
    assert.equal(log.opened.recovered.records, run === 2 ? 0 : 1, 'the reading of the run before');
    assert.ok(log.append(sample(run)) !== undefined);
    await log.abandon();
  }
});

test('a power cut behind a kill changes no time of a record that went out', async (t) => {
  const dir = scratch(t);
  // One machine: its starts round the time of their clock differently.
  const run = async (origin: number, offset: number) => {
    const log = await Log.open({
      ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock: systemClock },
      ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 3_600_000, machine: { id: 'board', origin } },
    });
    t.after(() => log.abandon());
    const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
    await outlet.ready();
    log.setClock(offset, false);
    log.setInventory('{}');
    await log.flush();
    return { log, outlet };
  };
  const times = async ({ outlet, log }: Awaited<ReturnType<typeof run>>): Promise<number[]> => {
    for (const lane of ['data', 'history'] as const) {
      const batch = await outlet.next(lane, 10);
      if (batch === undefined || batch.log !== log.ordinal || !outlet.handOver(batch)) continue;
      return JSON.parse(payloadText(batch)).records.map((r: { time: number }) => r.time);
    }
    return [];
  };
  const first = await run(0, 1000);
  first.log.append(sample(1));
  await first.log.flush();
  await first.log.abandon();
  // It takes the tail of the first: what was handed over until then is known. Then it sends the record, and the power goes.
  const second = await run(100.4, 1101);
  const sent = await times(second);
  assert.equal(sent.length, 1);
  await second.log.abandon();
  rmSync(path.join(dir, 'run'), { recursive: true, force: true });
  const third = await run(200, 1200);
  assert.deepEqual(await times(third), sent);
  await third.log.close(10_000);
});
