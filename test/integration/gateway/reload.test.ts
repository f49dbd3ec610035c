/**
 * Reload, by SIGHUP and over the socket: what did not change is not disturbed (counted at the far side), what changed
 * takes effect, and a configuration that cannot be taken over changes nothing.
 */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { ReloadReply } from '../../../src/admin/target.ts';
import type { GatewayConfig } from '../../../src/config/kinds.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import type { Bus } from '../../../src/core/ports.ts';
import { Plant } from '../../../src/gateway/plant.ts';
import { fakeRtu, fakeTcp } from '../../fakes/modbus-device.ts';
import { Peek } from '../../harness/mqtt-peek.ts';
import { Relay } from '../../harness/relay.ts';
import { site } from '../../harness/site.ts';
import { type Gateway, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';
import { CountingDevice } from '../../peers/counting-device.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const head = (g: Gateway, buffer = '100ms') => `
${g.section}
buffer: {commitEvery: ${buffer}}
`;
const point = 'points: {n: {table: holding, address: 0, type: uint32}}';

async function start(t: TestContext, yaml: (g: Gateway) => string): Promise<Gateway> {
  const gateway = makeGateway(t, yaml);
  await gateway.up();
  return gateway;
}

test('an unchanged bus and forwarder keep their connections; a new interval takes effect', async (t) => {
  const device = await CountingDevice.start(t, [1, 2]);
  const broker = await Mosquitto.start(t);
  if (device === undefined || broker === undefined) return;
  const subscriber = await Subscriber.start(t, broker.port, ['sluice/#']);
  if (subscriber === undefined) return;
  const [one, two, up] = [
    await Relay.start(t, device.port),
    await Relay.start(t, device.port),
    await Relay.start(t, broker.port),
  ];
  const yaml = (g: Gateway, interval: string, more = '') => `${head(g)}
buses:
  one: {protocol: modbus-tcp, host: 127.0.0.1, port: ${one.port}}
  two: {protocol: modbus-tcp, host: 127.0.0.1, port: ${two.port}}
devices:
  d1: {bus: one, unit: 1, interval: 50ms, ${point}}
  d2: {bus: two, unit: 2, interval: ${interval}, ${point}}
${more}
rules: {silent: {point: d1.n, stale: 1h}}
forwarders: {cloud: {type: mqtt, url: '${up.url}', batch: {maxAge: 50ms}}}
`;
  const gateway = await start(t, (g) => yaml(g, '1h'));
  const answers = (unit: number) => device.answers().filter((a) => a.unit === unit).length;
  await waitFor('deliveries', async () => ((await gateway.status()).forwarders[0]?.counters.readings ?? 0) > 5);
  assert.ok(answers(2) <= 1);
  assert.deepEqual(await gateway.reload(yaml(gateway, '1h')), [], 'the same file changes nothing');
  gateway.signal('SIGHUP');
  const idle = () => gateway.logs().filter(({ msg }) => /Reloaded; nothing changed/.test(msg)).length;
  await waitFor('the reload by signal, after the one by the socket', () => idle() === 2);
  assert.deepEqual([one.connections, two.connections, up.connections], [1, 1, 1]);

  assert.deepEqual(await gateway.reload(yaml(gateway, '50ms')), ['buses.two']);
  await waitFor('the new interval', () => answers(2) > 10);
  assert.deepEqual([one.connections, two.connections, up.connections], [1, 2, 1]);
  // An interval is no part of the inventory; a new device is.
  const inventories = () =>
    subscriber
      .messages()
      .filter((m) => m.topic === 'sluice/g1/inventory')
      .map((m) => JSON.parse(m.payload) as { revision: number; devices: Record<string, unknown> });
  const before = await waitFor('an inventory', () => inventories().at(-1));
  assert.ok(inventories().every((i) => i.revision === before.revision));

  const added = yaml(gateway, '50ms', `  d3: {bus: two, unit: 1, interval: 50ms, ${point}}`);
  gateway.write(added);
  gateway.signal('SIGHUP');
  const after = await waitFor('the new inventory upstream', () =>
    inventories().find((i) => i.devices.d3 !== undefined && i.revision > before.revision),
  );
  const batches = () =>
    subscriber
      .messages()
      .filter((m) => /\/(data|history)$/.test(m.topic))
      .map((m) => JSON.parse(m.payload) as { inventory: number; records: { device: string }[] });
  await waitFor('readings of the new device', () => batches().some((b) => b.records.some((r) => r.device === 'd3')));
  for (const b of batches()) {
    const revision = b.records.some((r) => r.device === 'd3') ? after.revision : before.revision;
    assert.ok(b.inventory === revision || (b.inventory === after.revision && revision === before.revision));
  }
  assert.ok(batches().every((b) => b.inventory !== before.revision || b.records.every((r) => r.device !== 'd3')));
  assert.equal(up.connections, 1);
  assert.equal(one.connections, 1);
  assert.equal(await gateway.stop(), 0);
  assert.deepEqual(new Consumer().feedAll(subscriber.messages()).judge(), []);
});

test('an unchanged rule keeps its delay; one removed or on trial is cleared upstream and here', async (t) => {
  const rules = '  slow: {point: d1.n, above: 5, onDelay: 30s}\n';
  const s = await site(t, {
    device: SettableDevice.start,
    upstream: { topics: ['sluice/#'] },
    rules: `${rules}  gone: {point: d1.n, above: 5, severity: critical}\n  trial: {point: d1.n, above: 5}`,
    broker: true,
  });
  if (s === undefined) return;
  const { device, mosquitto: broker, subscriber, gateway } = s;
  await device.set(0, 10);
  await gateway.up();
  const alarms = (rule: string) =>
    subscriber
      .messages()
      .filter((m) => m.topic === `sluice/g1/alarm/${rule}` && m.payload !== '')
      .map((m) => JSON.parse(m.payload) as { state: string; time: number; seq: number; occurrence: number });
  const raised = await waitFor('the alarm without a delay', () => alarms('gone')[0]);
  const local = await gateway.brokerPort();
  const before = await Peek.start(t, local);
  await waitFor('the retained alarms here', () =>
    ['gone', 'trial'].every((rule) => before.messages.some((m) => m.retained && m.topic === `sluice/g1/alarm/${rule}`)),
  );

  const trial = '  trial: {point: d1.n, above: 5, observe: true}';
  assert.deepEqual(await gateway.reload(s.yaml({ rules: rules + trial })), ['rules']);
  const slow = await waitFor('the alarm with a delay', () => alarms('slow')[0]);
  // Both delays began with the same reading; begun anew at the reload it would end later than the reload plus the delay.
  assert.equal(slow.time - raised.time, 30_000);
  for (const rule of ['gone', 'trial']) {
    await waitFor(`the rule ${rule} to end its alarm and its topic to be cleared`, () => {
      const all = subscriber.messages().filter((m) => m.topic === `sluice/g1/alarm/${rule}`);
      return all.some((m) => m.payload === '') && alarms(rule).at(-1)?.state === 'normal';
    });
    await waitFor('a subscriber here to hear it', () => before.last(new RegExp(`alarm/${rule}$`))?.text === '');
  }
  for (const port of [broker.port, local]) {
    const fresh = await Peek.start(t, port);
    await waitFor('the alarm that stays', () => fresh.last(/alarm\/slow$/)?.retained);
    await waitFor('what comes after the retained ones', () => fresh.messages.some((m) => !m.retained));
    const retained = fresh.messages.filter((m) => m.retained && /alarm\/(gone|trial)$/.test(m.topic));
    assert.deepEqual(retained, [], `a new subscriber of ${port} gets none`);
  }
  assert.equal(await gateway.stop(), 0);
});

test('a rule removed or on trial while the broker is away is cleared, also by a restart', async (t) => {
  const stays = '  stays: {point: d1.n, above: 5}\n';
  const gone = (n: number) => `  gone-${n}: {point: d1.n, above: 5}\n`;
  const trial = (name: string, more = '') => `  ${name}: {point: d1.n, above: 5${more}}\n`;
  const observed = ', observe: true';
  const s = await site(t, {
    device: SettableDevice.start,
    upstream: { topics: ['sluice/#'], through: Relay.start },
    rules: stays + gone(1) + gone(2) + trial('trial') + trial('later'),
  });
  if (s === undefined) return;
  const { device, mosquitto: broker, link: relay, gateway } = s;
  await device.set(0, 10);
  await gateway.up();
  await waitFor('both alarms to be retained upstream', async () => {
    const peek = await Peek.start(t, broker.port, 'sluice/g1/alarm/#');
    await waitFor('stays', () => peek.last(/stays$/), { timeout: 1000 });
    peek.stop();
    return peek.messages.length === 5;
  });
  await relay.stop();
  await waitFor('the outage to be seen', async () => (await gateway.status()).forwarders[0]?.state !== 'connected');
  await gateway.reload(s.yaml({ rules: stays + gone(2) + trial('trial', observed) + trial('later') }));
  await gateway.kill();
  gateway.write(s.yaml({ rules: stays + trial('trial', observed) + trial('later', observed) }));
  await gateway.up();
  await relay.start();
  await waitFor('only the alarm that stays', async () => {
    const peek = await Peek.start(t, broker.port, 'sluice/g1/alarm/#');
    try {
      await waitFor('stays', () => peek.last(/stays$/), { timeout: 1000 });
    } finally {
      peek.stop();
    }
    return peek.messages.every((m) => m.topic.endsWith('stays'));
  });
  // And nothing of what still drains sets it again.
  await waitFor('all to be delivered', async () => {
    const f = (await gateway.status()).forwarders[0];
    return f?.state === 'connected' && f.mode === 'live' && f.lag.history === 0;
  });
  const peek = await Peek.start(t, broker.port, 'sluice/g1/#');
  await waitFor('data', () => peek.last(/data$/));
  assert.deepEqual(
    peek.messages.filter((m) => m.retained && m.topic.includes('/alarm/')).map((m) => m.topic),
    ['sluice/g1/alarm/stays'],
  );
  assert.equal(await gateway.stop(), 0);
});

test('a bus whose port moves to another is released first', async (t) => {
  const rtu = await fakeRtu(t, 19_200);
  if (rtu === undefined) return;
  const yaml = (g: Gateway, bus: string) => `${head(g)}
buses: {${bus}: {protocol: modbus-rtu, port: ${rtu.path}, baudRate: 19200}}
devices: {d1: {bus: ${bus}, unit: 1, interval: 50ms, points: {n: {table: holding, address: 7, type: uint16}}}}
`;
  const gateway = await start(t, (g) => yaml(g, 'first'));
  for (const bus of ['second', 'third', 'second']) {
    await waitFor('the device', async () => (await gateway.status()).buses[0]?.devices[0]?.state === 'answering');
    await gateway.reload(yaml(gateway, bus));
    assert.deepEqual(
      (await gateway.status()).buses.map((b) => b.name),
      [bus],
    );
  }
  await waitFor('the device', async () => (await gateway.status()).buses[0]?.devices[0]?.state === 'answering');
  assert.ok(!gateway.logs().some((l) => /lock|cannot be opened/i.test(JSON.stringify(l))), 'the port was free each time');
  assert.equal(await gateway.stop(), 0);
});

test('a file that cannot be taken over changes nothing and says why, with its place', async (t) => {
  const device = await fakeTcp(t);
  const s = await site(t, { device: (t) => Relay.start(t, device.port) });
  assert.ok(s);
  const { device: relay, gateway } = s;
  await gateway.up();
  await waitFor('readings', () => device.requests.length > 5);
  const garbage = Buffer.alloc(100_000);
  for (let i = 0; i < garbage.length; i++) garbage[i] = (i * 7919 + (i >> 3)) & 0xff;
  const bad: [string, () => void, RegExp][] = [
    ['a fault', () => gateway.write(s.yaml().replace('uint16', 'uint61')), /gateway\.yaml:\d+:\d+: .*uint61/],
    ['another id', () => gateway.write(s.yaml().replace('id: g1', 'id: g2')), /gateway\.id.* need a restart/],
    [
      '20 MB',
      () => writeFileSync(gateway.config, `${s.yaml()}${'# x\n'.repeat(5_000_000)}`),
      /gateway\.yaml:1:1: .*(MB|bytes|large|big)/,
    ],
    ['binary garbage', () => writeFileSync(gateway.config, garbage), /gateway\.yaml:\d+:\d+: /],
    ['an empty file', () => gateway.write(''), /gateway\.yaml:1:1: /],
    ['no file', () => rmSync(gateway.config), /gateway\.yaml.*(not|no) /],
  ];
  let told = 0;
  for (const [what, spoil, words] of bad) {
    spoil();
    await assert.rejects(request(gateway.socket, 'POST', '/api/v1/reload'), words, what);
    gateway.signal('SIGHUP');
    const lines = await waitFor(`words about ${what}`, () => {
      const found = gateway.logs().filter((l) => /The configuration was refused; nothing was changed/.test(l.msg));
      return found.length > told ? found : undefined;
    });
    told = lines.length;
    assert.match(String(lines.at(-1)?.error), words, what);
    const before = device.requests.length;
    await waitFor('readings to go on', () => device.requests.length > before + 3);
  }
  assert.equal(relay.connections, 1);
  assert.deepEqual(await gateway.reload(s.yaml()), []);
  assert.equal(await gateway.stop(), 0);
});

/** The good numbers that the log has. */
async function exported(t: TestContext, gateway: Gateway): Promise<number[]> {
  const { code, stdout, stderr } = await sluice(t, 'export', '-c', gateway.config, '--format', 'jsonl');
  assert.equal(code, 0, stderr);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => (JSON.parse(line) as { values: { n?: number } }).values.n ?? []);
}

test('a forwarder removed and added again keeps its cursor; commitEvery and broker change', async (t) => {
  const s = await site(t, {
    device: (t) => CountingDevice.start(t, [1]),
    upstream: { topics: ['sluice/#'] },
    devices: `  d1: {bus: plant, unit: 1, interval: 20ms, ${point}}`,
  });
  if (s === undefined) return;
  const { device, subscriber, gateway } = s;
  await gateway.up();
  const consumed = () => new Consumer().feedAll(subscriber.messages());
  await waitFor('deliveries', () => consumed().records().length > 20);
  assert.deepEqual(await gateway.reload(s.yaml({ buffer: 'commitEvery: 1h', upstream: false })), ['buffer', 'forwarders.cloud']);
  const delivered = consumed().records().length;
  const answers = device.answers().length;
  await waitFor('readings in between', () => device.answers().length > answers + 50);
  assert.equal((await gateway.status()).forwarders.length, 0);
  const { commits } = (await gateway.status()).log;
  const later = device.answers().length;
  await waitFor('more readings', () => device.answers().length > later + 50);
  assert.equal((await gateway.status()).log.commits, commits, 'commits wait for an hour now');
  assert.deepEqual(await gateway.reload(s.yaml({ broker: true })), ['buffer', 'forwarders.cloud', 'broker']);
  // Not what the device answered: on a busy machine an answer may come after its time-out.
  const kept = await exported(t, gateway);
  const numbers = () =>
    consumed()
      .records()
      .flatMap((r) => (r.values.n === undefined ? [] : [Number(r.values.n)]));
  await waitFor('everything', () => {
    const have = new Set(numbers());
    return kept.every((n) => have.has(n));
  });
  assert.ok(kept.length > delivered);
  const consumer = consumed();
  assert.deepEqual(consumer.judge(), []);
  // Once: more come while this is looked at.
  const all = numbers();
  assert.equal(new Set(all).size, all.length, 'none came twice');
  assert.equal(consumer.duplicates, 0, 'the cursor was kept: nothing was sent again');

  const local = await gateway.brokerPort();
  const peek = await Peek.start(t, local);
  await waitFor('live data here', () => peek.last(/\/data$/));
  assert.deepEqual(await gateway.reload(s.yaml()), ['broker']);
  assert.equal((await gateway.status()).broker, undefined);
  await assert.rejects(Peek.start(t, local));
  assert.equal(await gateway.stop(), 0);
  assert.ok((await exported(t, gateway)).length >= kept.length);
});

test('reloads in a burst, by signal and by socket at once, end with the last file in force', async (t) => {
  const devices = (n: number) =>
    `  d${n}: {bus: plant, unit: 1, interval: 20ms, points: {n: {table: holding, address: ${n}, type: uint16}}}`;
  const s = await site(t, { device: fakeTcp, devices: devices(0), broker: true });
  assert.ok(s);
  const { gateway } = s;
  await gateway.up();
  const calls: Promise<unknown>[] = [];
  for (let n = 1; n <= 20; n++) {
    gateway.write(s.yaml({ devices: devices(n) }));
    gateway.signal('SIGHUP');
    calls.push(request(gateway.socket, 'POST', '/api/v1/reload').catch(() => undefined));
  }
  await Promise.all(calls);
  gateway.signal('SIGHUP');
  await waitFor('the last file', async () => (await gateway.status()).buses[0]?.devices[0]?.name === 'd20');
  assert.equal((await gateway.status()).buses[0]?.devices.length, 1);
  assert.ok(!gateway.stderr.some((line) => /Warning/.test(line)), gateway.stderr.join('\n'));
  // A stop in the middle of one.
  gateway.write(s.yaml({ devices: devices(21) }));
  gateway.signal('SIGHUP');
  assert.equal(await gateway.stop(), 0);
});

test('a driver that refuses at the last moment leaves every bus as it was', async () => {
  const started: string[] = [];
  const stopped: string[] = [];
  const bus = (name: string): Bus => ({
    name,
    shapes: [],
    start: () => void started.push(name),
    stop: async () => void stopped.push(name),
    read: async () => [],
    status: () => ({ name, protocol: 'fake', state: 'open', devices: [] }),
  });
  const plant = new Plant((made) => {
    if (made.settings.refuse === true) throw new SluiceError('internal', 'no such port');
    return bus(`${made.name}-${made.settings.port}`);
  });
  const config = (...buses: [string, Record<string, unknown>][]) =>
    ({
      buses: new Map(buses.map(([name, settings]) => [name, { name, protocol: 'fake', settings }])),
      devices: new Map(buses.map(([name]) => [`d-${name}`, { name: `d-${name}`, bus: name, settings: {}, points: new Map() }])),
    }) as unknown as GatewayConfig;
  await plant.prepare(config(['a', { port: 1 }], ['b', { port: 2 }])).apply();
  assert.deepEqual(started, ['a-1', 'b-2']);
  assert.throws(() => plant.prepare(config(['a', { port: 3 }], ['b', { refuse: true }])), /no such port/);
  assert.deepEqual([started, stopped], [['a-1', 'b-2'], []]);
  assert.deepEqual(
    plant.buses.map((b) => b.name),
    ['a-1', 'b-2'],
  );
  // The two ports change places: both are released before either is opened.
  await plant.prepare(config(['a', { port: 2 }], ['b', { port: 1 }])).apply();
  assert.deepEqual(stopped, ['a-1', 'b-2']);
  assert.deepEqual(started.slice(2), ['a-2', 'b-1']);
});

test('a bus that cannot carry what is asked is told at the start and by the reload that asks it', async (t) => {
  const yaml = (g: Gateway, interval: string) => `${head(g)}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: 1}}
devices: {d1: {bus: plant, unit: 1, interval: ${interval}, ${point}}}
`;
  const told = /buses\.plant: the intervals take 100 % of this bus \(one request takes 10ms\)/;
  const gateway = await start(t, (g) => yaml(g, '10ms'));
  await gateway.waitForLog(told);
  const reply = async (interval: string) => {
    gateway.write(yaml(gateway, interval));
    return (await request(gateway.socket, 'POST', '/api/v1/reload')) as ReloadReply;
  };
  assert.deepEqual(await reply('1s'), { changes: ['buses.plant'], warnings: [] });
  const { warnings } = await reply('10ms');
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', told);
  assert.equal(await gateway.stop(), 0);
});
