/**
 * Two forwarders at once to two Mosquittos: everything as JSON to one, seconds of one point as line protocol to the other. The
 * second broker is away for a while, and the gateway is killed meanwhile. The seconds are those of the readings at the first.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Shape } from '../../../src/core/point.ts';
import { type ReasonName, reasonCode } from '../../../src/core/reasons.ts';
import { makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { parseLines } from '../../oracles/line-protocol.ts';
import { type Kept, windowsOf } from '../../oracles/windows.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

interface Body {
  readonly log: string;
  readonly boot: string;
  readonly inventory: number;
  readonly filtered?: boolean;
  readonly records: readonly {
    readonly seq: number;
    readonly device: string;
    readonly time: number;
    readonly values: Readonly<Record<string, number>>;
    readonly bad?: Readonly<Record<string, ReasonName>>;
  }[];
}

/** Each record of each batch once, in the order of the log, as the oracle takes them. */
function kept(sub: Subscriber): { log: string; records: Kept[] } {
  const records = new Map<number, Kept>();
  let log = '';
  for (const { topic, payload } of sub.messages()) {
    if (!/\/(data|history)$/.test(topic)) continue;
    const body = JSON.parse(payload) as Body;
    log = body.log;
    for (const { seq, device, time, values, bad = {} } of body.records) {
      const names = Object.keys({ ...values, ...bad }).sort();
      const shape: Shape = { device, points: names.map((name) => ({ name, type: 'float64', storage: 'number' })) };
      const reasons = Uint8Array.from(names, (name) => (bad[name] === undefined ? 0 : reasonCode(bad[name])));
      const sample = { shape, at: time, values: names.map((name) => values[name] ?? 0), reasons };
      records.set(seq, { seq, time, segment: `${body.boot} ${body.inventory}`, sample });
    }
  }
  return { log, records: [...records.values()].sort((a, b) => a.seq - b.seq) };
}

/** `seq time value` of each line; a repeat is the same line. */
function seconds(sub: Subscriber): { log: string; seq: number; time: number; speed: unknown }[] {
  const lines = new Map<number, { log: string; seq: number; time: number; speed: unknown }>();
  for (const { topic, payload } of sub.messages()) {
    if (!/\/(data|history)$/.test(topic)) continue;
    for (const { tags, fields, time } of parseLines(payload)) {
      assert.equal(tags.get('device'), 'pump');
      assert.deepEqual([...fields.keys()].sort(), ['record.seq', 'speed']);
      const seq = Number(fields.get('record.seq'));
      const line = { log: tags.get('log') ?? '', seq, time: Number(time / 1_000_000n), speed: fields.get('speed') };
      assert.deepEqual(line, lines.get(seq) ?? line, 'a repeat is the same');
      lines.set(seq, line);
    }
  }
  return [...lines.values()].sort((a, b) => a.seq - b.seq);
}

test('two forwarders with other filters and formats, an outage and a kill in the middle', { timeout: 400_000 }, async (t) => {
  const near = await Mosquitto.start(t);
  const far = await Mosquitto.start(t, { persistence: true });
  const device = await SettableDevice.start(t);
  const atNear = near && (await Subscriber.start(t, near.port, ['sluice/#'], { id: 'near' }));
  const atFar = far && (await Subscriber.start(t, far.port, ['sluice/#'], { id: 'far' }));
  if (near === undefined || far === undefined || device === undefined || !atNear || !atFar) return;
  const gateway = makeGateway(
    t,
    (g) => `
${g.section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, timeout: 300ms, retries: 0}}
devices:
  pump:
    bus: plant
    unit: 1
    interval: 100ms
    points:
      speed: {table: holding, address: 10, type: uint16, unit: Hz}
      load: {table: holding, address: 11, type: uint16}
  tank: {bus: plant, unit: 2, interval: 300ms, points: {level: {table: holding, address: 11, type: uint16}}}
rules:
  fast: {point: pump.speed, above: 50, severity: critical}
  slow: {point: pump.speed, below: 10, severity: info}
buffer: {commitEvery: 300ms}
forwarders:
  near: {type: mqtt, url: '${near.url}', batch: {maxAge: 50ms}}
  far:
    type: mqtt
    url: '${far.url}'
    format: line-protocol
    filter: {points: [pump.speed], every: 1s, as: max, severities: [critical]}
`,
  );
  let feeding = true;
  const feed = (async () => {
    for (let i = 1; feeding; i++) {
      await device.set(10, [3, 30, 40, 58][i % 4] as number, i % 1000);
      await sleep(170);
    }
  })();
  // The device goes first when the test fails.
  feed.catch(() => {});
  t.after(() => {
    feeding = false;
  });
  await gateway.up();
  await waitFor('two seconds', () => seconds(atFar).length >= 2);
  await far.stop();
  await sleep(1500);
  await gateway.kill();
  await gateway.up();
  const restarted = Date.now();
  await far.start();
  const until = restarted + 2000;
  await waitFor('readings of the time behind', () => (kept(atNear).records.at(-1)?.time ?? 0) > until + 2000);
  const expected = () => {
    const { log, records } = kept(atNear);
    return windowsOf(records, 1000, 'max', [], (name) => name === 'pump.speed')
      .filter(({ time }) => time <= until)
      .map(({ seq, time, values, bad }) => ({ log, seq, time, speed: bad === undefined ? values.speed : undefined }));
  };
  const came = () => seconds(atFar).filter(({ time }) => time <= until);
  await waitFor(
    () => `${expected().length} seconds, ${came().length} came`,
    () => came().length >= expected().length,
  );
  assert.deepEqual(came(), expected());
  assert.ok(new Set(kept(atNear).records.map(({ segment }) => segment.split(' ')[0])).size === 2, 'there were two starts');

  const topics = (sub: Subscriber) => new Set(sub.messages().map(({ topic }) => topic.replace('sluice/g1/', '')));
  await waitFor('the alarms', () => topics(atNear).has('alarm/slow') && topics(atFar).has('alarm/fast'));
  assert.ok(topics(atNear).has('event'));
  assert.ok(!topics(atFar).has('alarm/slow') && !topics(atFar).has('event'), [...topics(atFar)].join());
  const inventory = JSON.parse(atFar.messages().find(({ topic }) => topic.endsWith('/inventory'))?.payload ?? '');
  assert.deepEqual(Object.keys(inventory.devices), ['pump']);
  assert.deepEqual(Object.keys(inventory.devices.pump.points), ['speed']);
});
