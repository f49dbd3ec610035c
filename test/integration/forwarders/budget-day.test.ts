/** A day on a metered link, in accelerated time, against a real Mosquitto: bytes are counted by a relay beside the forwarder's own count. */
import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Shape } from '../../../src/core/point.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { columnsDialect } from '../../../src/forwarders/mqtt/dialects/columns/dialect.ts';
import { LogForwarder } from '../../../src/forwarders/mqtt/log-forwarder.ts';
import { mqttForwarderSchema } from '../../../src/forwarders/mqtt/schema.ts';
import { Log } from '../../../src/store/log.ts';
import { forwarderContext } from '../../fakes/forwarder-context.ts';
import { SkipClock } from '../../fakes/skip-clock.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Described } from '../../oracles/described.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';

const MINUTE = 60_000;
/** Minutes that pass at once. */
const STEP = 5;
const POINTS = 20;
const BUDGET = 15 * 1024;
const shape: Shape = {
  device: 'station',
  points: Array.from({ length: POINTS }, (_, i) => ({ name: `p${i}`, type: 'uint16', storage: 'number' })),
};

/** Counts what passes between a forwarder and its broker. */
async function counter(t: TestContext, target: number): Promise<{ port: number; bytes: () => number }> {
  const open = new Set<Socket>();
  let bytes = 0;
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from.on('error', () => {}));
      from.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      from.pipe(to);
      from.on('close', () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { port: (server.address() as { port: number }).port, bytes: () => bytes };
}

async function day(t: TestContext, budget: object, alarmsAt: readonly number[]) {
  const mosquitto = await Mosquitto.start(t);
  const subscriber = mosquitto && (await Subscriber.start(t, mosquitto.port, ['sluice/#']));
  if (mosquitto === undefined || subscriber === undefined) return undefined;
  const relay = await counter(t, mosquitto.port);
  const folder = scratch(t, 'budget');
  const midnight = new Date(2026, 10, 26).getTime();
  const clock = new SkipClock(midnight + 1000);
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 600_000 },
  });
  log.setClock(clock.wall() - Math.round(clock.monotonic()), false);
  const inventory = JSON.stringify({
    v: 1,
    revision: 1,
    devices: {
      station: {
        points: Object.fromEntries(shape.points.map(({ name }) => [name, { type: 'uint16', unit: 'Cel', writable: false }])),
      },
    },
  });
  log.setInventory(inventory);
  const overruns: unknown[] = [];
  const url = `mqtt://127.0.0.1:${relay.port}`;
  const settings = mqttForwarderSchema([columnsDialect]).parse({
    ...{ url, format: 'columns', budget },
    batch: { maxReadings: 60_000, maxAge: '1m' },
  });
  const random = seeded(7);
  const forwarder = new LogForwarder({
    ...forwarderContext(log, {
      clock,
      random,
      event: (name, _message, data) => void (name === 'overrun' && overruns.push(data)),
    }),
    inventory: () => inventory,
    ...{ name: 'cloud', dialect: columnsDialect, settings: settings as never },
  });
  t.after(async () => {
    await forwarder.stop(1000);
    await log.close(10_000);
  });
  forwarder.start();
  const values = Array.from({ length: POINTS }, () => 200);
  let most = 0;
  const settled = async (): Promise<void> => {
    // The link looks once a second of its clock; a visit that began has real answers to wait for.
    await new Promise((resolve) => setTimeout(resolve, 2));
    const ended = async (): Promise<boolean> => {
      if (forwarder.status().state === 'waiting') return true;
      // Ten times as fast as it would be: an alarm is waited for after the last one.
      await clock.skip(100);
      return false;
    };
    await waitFor('the end of a visit', ended, { every: 10 });
  };
  const spent = (): number => {
    const { sent = 0, received = 0, headers = 0 } = forwarder.status().wire ?? {};
    return sent + received + headers;
  };
  for (let minute = 0; minute + STEP < 1440; minute += STEP) {
    for (let k = 0; k < STEP; k++) {
      for (let i = 0; i < POINTS; i++) values[i] = (values[i] as number) + (random() < 0.3 ? (random() < 0.5 ? -1 : 1) : 0);
      const at = clock.monotonic() - (STEP - 1 - k) * MINUTE;
      assert.ok(log.append({ shape, at, values: [...values], reasons: null }));
    }
    if (alarmsAt.includes(minute))
      log.notice('alarm', 'warm', clock.monotonic(), { v: 1, alarm: 'warm', state: 'active', severity: 'critical', minute });
    await clock.skip(STEP * MINUTE);
    await settled();
    most = Math.max(most, spent());
  }
  const { counters, wire } = forwarder.status();
  return { forwarder, subscriber, overruns, counters, wire, spent: spent(), relayed: relay.bytes, clock, settled };
}

interface SummaryText {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly points: Record<string, ([number, number, number, number] | null)[]>;
}

const WINDOW = { perDay: '15kB', between: ['20:00', '23:00'] };

for (const [name, budget] of [
  ['over the whole day', { perDay: '15kB' }],
  ['in a window in the evening', WINDOW],
] as const)
  test(`a day stays within 15 kB with every alarm delivered: ${name}`, async (t) => {
    const alarmsAt = [35, 400, 610, 900, 1105, 1380];
    const s = await day(t, budget, alarmsAt);
    if (s === undefined) return;
    const { sent = 0, received = 0, headers = 0 } = s.wire ?? {};
    t.diagnostic(JSON.stringify({ sent, received, headers, ...s.counters }));
    // The last bytes may be on their way to the relay.
    await waitFor('the bytes at the relay', () => s.relayed() >= sent + received);
    assert.equal(sent + received, s.relayed(), 'the count of the forwarder is what the relay saw');
    assert.ok(s.spent <= BUDGET, `${s.spent} of ${BUDGET}`);
    const alarms = () => s.subscriber.messages().filter(({ topic }) => topic.endsWith('/alarm/warm'));
    await waitFor('every alarm', () => alarms().length === alarmsAt.length);
    assert.deepEqual(
      alarms().map(({ payload }) => JSON.parse(payload).minute),
      alarmsAt,
    );
    assert.ok(s.counters.readings > 0);
    assert.deepEqual(s.overruns, []);
    // Readings that did not fit were summed up: each hour once, in order, and nothing but what the log has.
    const summaries = s.subscriber.messages().filter(({ topic }) => topic === 'sluice/g1/summary');
    const described = new Described();
    let end = 0;
    for (const { payload } of summaries) {
      described.holds('summary', payload, name);
      const { from, to, step, points } = JSON.parse(payload) as SummaryText;
      assert.ok(from >= end, 'no hour comes twice');
      end = to;
      assert.equal(Object.keys(points).length, POINTS);
      for (const row of Object.values(points)) {
        assert.equal(row.length, Math.ceil((to - from) / step));
        for (const [i, one] of row.entries())
          assert.equal(one?.[0], (Math.min(to, from + (i + 1) * step) - (from + i * step)) / MINUTE, 'one reading a minute');
      }
    }
    assert.ok(summaries.length > 0);
    t.diagnostic(summaries.map(({ payload }) => payload).join('\n'));
  });
