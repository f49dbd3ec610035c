/** The numbers that are reserved run out while the disk refuses: what needs no number goes on, and nothing that has one is lost. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import Database from 'better-sqlite3';
import { systemClock } from '../../../src/core/clock.ts';
import type { LogRecord, Shape } from '../../../src/core/point.ts';
import { Ingest } from '../../../src/pipeline/ingest.ts';
import { Latest } from '../../../src/pipeline/latest.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { LEASE } from '../../../src/store/delivery/lease.ts';
import type { OutNotice } from '../../../src/store/delivery/out.ts';
import type { Outlet } from '../../../src/store/delivery/outlet.ts';
import { LOG_FILE } from '../../../src/store/files/layout.ts';
import { Log } from '../../../src/store/log.ts';
import { BrokerBench, inventoryOf, ROOT } from '../../harness/embedded-broker.ts';
import { Peek } from '../../harness/mqtt-peek.ts';
import { resolveRules } from '../../harness/rule-case.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

/** Numbers of the lease that are for alarms and events alone. */
const RESERVE = 5000;

const pump: Shape = { device: 'pump', points: [{ name: 'speed', type: 'uint16', storage: 'number' }] };

test('without numbers values, tails and alarms go on; a kill keeps all that had one', async (t) => {
  const dir = scratch(t, 'lease');
  const place = { stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock: systemClock };
  const open = () => Log.open({ ...place, maxSize: 64e6, maxAge: 1e13, commitEvery: 60_000 });
  const log = await open();
  t.after(() => log.abandon());
  log.outlet('cloud', 'oldest', 'g1', 'json');
  const offset = Date.now() - Math.round(systemClock.monotonic());
  log.setClock(offset, false);
  log.setInventory('{}');
  await log.flush();
  const moment = () => ({ at: systemClock.monotonic(), wall: systemClock.monotonic() + offset, wallKnown: true });
  const latest = new Latest(() => offset);
  latest.setShapes([pump]);
  const rules = new RuleEngine({
    ...{ rules: resolveRules({ high: { point: 'pump.speed', above: 1000 } }), start: moment(), shapes: [pump] },
  });
  const ingest = new Ingest({
    ...{ log, clock: systemClock, latest, rules, offset: () => offset },
    ...{ clockKnown: () => true, onAlarm: () => {}, onObserved: () => {} },
  });
  t.after(() => ingest.stop());
  const bench = new BrokerBench(t, { latest });
  const local = await Peek.start(t, await bench.start(), `${ROOT}/#`);
  bench.broker.inventory(inventoryOf(1, pump));
  ingest.add(bench.broker);
  const tail: (LogRecord | undefined)[] = [];
  ingest.add({ sample: (_, record) => tail.push(record), notice: () => {}, inventory: () => {} });
  const read = (value: number): LogRecord | undefined => {
    ingest.sample({ shape: pump, at: systemClock.monotonic(), values: [value], reasons: null });
    return tail.at(-1);
  };

  // No write succeeds, so no number can be reserved.
  const disk = new Database(path.join(place.stateDir, LOG_FILE));
  t.after(() => disk.close());
  disk.exec('begin immediate');
  const numbers: number[] = [];
  let spent = 0;
  while (spent < 3) {
    const record = read(numbers.length % 1000);
    if (record === undefined) spent++;
    else numbers.push(record.seq);
    assert.ok(numbers.length < 2 * LEASE);
  }
  assert.ok(numbers.length > LEASE / 2, `${numbers.length} numbers were given`);
  assert.equal(ingest.counts.unkept, 3);
  read(7);
  await waitFor('the value at the embedded broker', () => local.last(/value\/pump\/speed$/)?.text.includes('"value":7,'));
  assert.deepEqual(tail.slice(-4), [undefined, undefined, undefined, undefined], 'told to whoever listens, without a number');
  read(2000);
  const alarm = await waitFor('the alarm at the embedded broker', () => local.last(/alarm\/high$/));
  assert.ok(JSON.parse(alarm.text).seq > (numbers.at(-1) ?? 0), 'alarms have numbers of their own');
  await waitFor('the disk to be known as refusing', () => log.status().fault);

  // A kill: what has a number is in the runtime directory, and nothing else is.
  await log.abandon();
  disk.exec('rollback');
  const again = await open();
  t.after(() => again.abandon());
  assert.equal(again.opened.recovered.records, numbers.length);
  again.setClock(offset, false);
  again.setInventory('{}');
  const next = again.append({ shape: pump, at: systemClock.monotonic(), values: [1], reasons: null });
  assert.ok((next?.seq ?? 0) > JSON.parse(alarm.text).seq, 'and no number is given twice');
});

test('alarms past the last number keep a key each; the newest of each rule gets a number', async (t) => {
  const dir = scratch(t, 'lease');
  const log = await Log.open({
    ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock: systemClock },
    ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 60_000 },
  });
  t.after(() => log.abandon());
  const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
  log.setClock(Date.now() - Math.round(systemClock.monotonic()), false);
  log.setInventory('{}');
  await log.flush();
  const overflows: number[] = [];
  log.on('overflow', (_readings, notices) => overflows.push(notices));
  const disk = new Database(path.join(dir, 'state', LOG_FILE));
  t.after(() => disk.close());
  disk.exec('begin immediate');
  for (;;) if (log.append({ shape: pump, at: 0, values: [1], reasons: null }) === undefined) break;
  const keys = new Set<string>();
  const seen: { log: string; seq: number }[] = [];
  const alarm = (rule: string, occurrence: number) => {
    const { json, seq } = log.notice('alarm', rule, systemClock.monotonic(), { rule, occurrence });
    const message = JSON.parse(json) as { log: string; seq: number };
    assert.equal(message.seq, seq);
    assert.ok(seq > 0, 'no number is 0');
    assert.ok(!keys.has(`${message.log}/${seq}`), `${message.log}/${seq} is given once`);
    keys.add(`${message.log}/${seq}`);
    seen.push(message);
  };
  for (let i = 0; i < RESERVE + 300; i++) alarm(`r${i % 3}`, i);
  const spare = seen.filter((m) => m.log !== log.id);
  assert.equal(new Set(spare.map((m) => m.log)).size, 1, 'one log of their own');
  // Events of the start took numbers too.
  assert.ok(spare.length >= 300, `${spare.length} came after the last number`);

  disk.exec('rollback');
  await log.flush();
  await log.flush();
  const counted = overflows.reduce((sum, n) => sum + n, 0);
  assert.equal(counted, spare.length - 3, 'what is left out is counted');
  const newest = (await all(outlet)).slice(-3);
  assert.deepEqual(
    newest.map(({ json }) => JSON.parse(json)).map((m) => [m.log, m.rule, m.occurrence]),
    [RESERVE + 297, RESERVE + 298, RESERVE + 299].map((n) => [log.id, `r${n % 3}`, n]),
  );
  const last = log.notice('alarm', 'r0', systemClock.monotonic(), { rule: 'r0' });
  assert.equal(JSON.parse(last.json).log, log.id, 'there are numbers again');
});

/** All alarms that a forwarder still has to deliver. */
async function all(outlet: Outlet): Promise<OutNotice[]> {
  const out: OutNotice[] = [];
  for (;;) {
    const some = await outlet.notices('alarm', 500);
    if (some.length === 0) return out;
    out.push(...some);
    outlet.noticesDone(some.at(-1) as OutNotice);
  }
}
