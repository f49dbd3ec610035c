/** `report:` in a running gateway: the log, `data` and upstream carry what is kept; rules, `value/…` and tail see every poll. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { text } from '../../../src/admin/client.ts';
import { site } from '../../harness/site.ts';
import type { Gateway } from '../../harness/start-gateway.ts';
import { attachedTail } from '../../harness/tail.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

interface Batch {
  readonly records: readonly {
    readonly seq: number;
    readonly device: string;
    readonly values: Readonly<Record<string, number>>;
    readonly bad?: Readonly<Record<string, string>>;
  }[];
}
/** What the log has of each point, in order: values, or reasons of bad readings. */
async function exported(gateway: Gateway): Promise<Record<string, unknown[]>> {
  let all = '';
  for await (const piece of text(gateway.socket, '/api/v1/export?format=jsonl')) all += piece;
  const readings: Record<string, unknown[]> = { level: [], pump: [] };
  for (const line of all.trim().split('\n').filter(Boolean)) {
    const { values, bad } = JSON.parse(line) as Batch['records'][number];
    for (const [point, value] of Object.entries({ ...values, ...bad })) readings[point]?.push(value);
  }
  return readings;
}

/** On a busy machine a reply may come too late, and then the value is kept again: neither has to do with what it is. */
async function exportedValues(gateway: Gateway): Promise<Record<string, unknown[]>> {
  const undisturbed = (kept: readonly unknown[]) => {
    const values: unknown[] = [];
    let disturbed = false;
    for (const one of kept) {
      const isReason = one === 'timeout' || one === 'disconnected';
      if (!isReason && !(disturbed && values.at(-1) === one)) values.push(one);
      disturbed = isReason;
    }
    return values;
  };
  return Object.fromEntries(Object.entries(await exported(gateway)).map(([point, kept]) => [point, undisturbed(kept)]));
}

const devices = (interval = '30ms') => `
  d1:
    bus: plant
    unit: 1
    interval: ${interval}
    points:
      level: {table: holding, address: 0, type: uint16, report: {change: 5}}
      pump: {table: holding, address: 1, type: uint16, enum: {0: 'off', 1: 'on'}, report: {atLeast: 1h}}`;

async function bench(t: TestContext) {
  const s = await site(t, {
    device: SettableDevice.start,
    bus: 'timeout: 10s, retries: 5',
    devices: devices(),
    rules: '  high: {point: d1.level, above: 5}',
    broker: true,
  });
  if (s === undefined) return undefined;
  await s.device.set(0, 3, 0);
  await s.gateway.up();
  return s;
}

test('data carries what is kept, value topics, tail and rules see every poll', async (t) => {
  const b = await bench(t);
  if (b === undefined) return;
  const { device, gateway } = b;
  const tail = await attachedTail(gateway);
  const peek = await b.peek();
  const value = (point: string, wanted: unknown) =>
    waitFor(`${point} to be ${String(wanted)}`, () =>
      peek.messages.some((m) => m.topic === `sluice/g1/value/d1/${point}` && JSON.parse(m.text).value === wanted),
    );
  await value('level', 3);
  await device.set(0, 7); // 4 more than what was kept: for rules and value topics alone
  await value('level', 7);
  await waitFor('the alarm', () => peek.messages.some((m) => m.topic === 'sluice/g1/alarm/high'));
  await waitFor('the reading and the alarm in the tail', () => {
    const reading = tail.some((item) => item.type === 'reading' && item.point === 'level' && item.value === 7);
    return reading && tail.some((item) => item.type === 'alarm' && item.rule === 'high');
  });
  await device.set(0, 8); // 5 more
  await value('level', 8);
  await device.set(1, 1);
  await value('pump', 'on');
  assert.deepEqual(await exportedValues(gateway), { level: [3, 8], pump: ['off', 'on'] });
  assert.ok((await gateway.status()).log.unreported > 0, 'the reading of 7 at least');
  // Each has one reading, under a number of its own.
  await waitFor('both records in data', () => {
    const records = peek.messages
      .filter((m) => m.topic === 'sluice/g1/data')
      .flatMap((m) => (JSON.parse(m.text) as Batch).records)
      .map(({ values, bad }) => JSON.stringify({ ...values, ...bad }));
    return records.includes('{"level":8}') && records.includes('{"pump":"on"}');
  });
});

test('a device that falls silent is told once, not at every poll', async (t) => {
  const b = await bench(t);
  if (b === undefined) return;
  const { device, gateway } = b;
  await waitFor('readings', async () => (await gateway.status()).log.unreported > 4);
  // Nobody listens on the port of the bus any more.
  await device.stop();
  await waitFor('the silence', async () => (await exported(gateway)).level?.at(-1) === 'disconnected');
  const polls = (await gateway.status()).log.unreported;
  await waitFor('further polls', async () => (await gateway.status()).log.unreported > polls + 6);
  const readings = await exported(gateway);
  // The reason of the silence may change while the connection is given up; each reason stands once.
  const level = readings.level ?? [];
  const bad = level.slice(level.lastIndexOf(3) + 1);
  assert.ok(bad.length > 0);
  assert.deepEqual(bad, [...new Set(bad)]);
  assert.ok(bad.every((reason) => reason === 'disconnected' || reason === 'timeout'));
  assert.deepEqual(readings.pump?.slice(-bad.length), bad);
  assert.deepEqual(await exportedValues(gateway), { level: [3], pump: ['off'] });
});

test('the first readings are kept after a start and after a reload that changed the bus', async (t) => {
  const b = await bench(t);
  if (b === undefined) return;
  const { gateway } = b;
  await waitFor('readings', async () => (await gateway.status()).log.unreported > 4);
  await gateway.reload(b.yaml({ devices: devices('40ms') }));
  const after = (await gateway.status()).log.unreported;
  await waitFor('further readings', async () => (await gateway.status()).log.unreported > after + 4);
  assert.deepEqual(await exportedValues(gateway), { level: [3, 3], pump: ['off', 'off'] });
  assert.equal(await gateway.stop(), 0);
  gateway.start();
  await waitFor('readings of the second run', async () => (await gateway.status().catch(() => undefined))?.log.unreported ?? 0);
  assert.deepEqual(await exportedValues(gateway), { level: [3, 3, 3], pump: ['off', 'off', 'off'] });
});
