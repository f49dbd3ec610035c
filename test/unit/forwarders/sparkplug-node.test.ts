/** An edge node of `sparkplug-b` where moments are hard to meet: a primary host that goes while births leave, clocks, silence. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { sparkplugBatch } from '../../../src/codecs/format-sparkplug-b.ts';
import { ProtoWriter, protoFields } from '../../../src/codecs/protobuf.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { LatestValue } from '../../../src/core/ports.ts';
import type { RemoteCaller } from '../../../src/core/remote-commands.ts';
import type { Connection } from '../../../src/forwarders/mqtt/connection.ts';
import type { ConnectionOptions } from '../../../src/forwarders/mqtt/connection-options.ts';
import type { Delivery, LogSpeaker, OutMessage } from '../../../src/forwarders/mqtt/dialect.ts';
import { dialectContext } from '../../../src/forwarders/mqtt/dialect-context.ts';
import { sparkplugBDialect } from '../../../src/forwarders/mqtt/dialects/sparkplug-b/dialect.ts';
import { LogForwarder } from '../../../src/forwarders/mqtt/log-forwarder.ts';
import type { LogForwarderOptions } from '../../../src/forwarders/mqtt/log-forwarder-options.ts';
import { mqttForwarderSchema } from '../../../src/forwarders/mqtt/schema.ts';
import type { OutBatch } from '../../../src/store/delivery/out.ts';
import { Log } from '../../../src/store/log.ts';
import { forwarderContext } from '../../fakes/forwarder-context.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const STATE = 'spBv1.0/STATE/scada';
const HOST = { 'sparkplug-b': { group: 'plant', primaryHost: 'scada' } };
const settingsOf = (written: object) =>
  mqttForwarderSchema([sparkplugBDialect]).parse({
    ...{ url: 'mqtt://127.0.0.1:1', format: 'sparkplug-b', 'sparkplug-b': { group: 'plant' } },
    ...written,
  }) as never;
const wordOf = ({ topic }: OutMessage): string => topic.split('/')[2] as string;

/** A connection without a wire: a test says what comes with the SUBACK, and while a message leaves. */
class FakeConnection {
  open = true;
  received: (topic: string, payload: Uint8Array, retained: boolean) => void = () => {};
  readonly sent: string[] = [];
  readonly closed: Promise<undefined>;
  readonly #came: (what: string, connection: FakeConnection) => void;
  #close = (): void => {};

  constructor(came: (what: string, connection: FakeConnection) => void) {
    this.#came = came;
    this.closed = new Promise((resolve) => {
      this.#close = () => resolve(undefined);
    });
  }

  host(online: boolean, timestamp: number): void {
    this.received(STATE, Buffer.from(JSON.stringify({ online, timestamp })), true);
  }
  subscribe(): Promise<void> {
    this.#came('SUBACK', this);
    return Promise.resolve();
  }
  async publish(message: OutMessage): Promise<void> {
    this.sent.push(wordOf(message));
    this.#came(wordOf(message), this);
    await new Promise((resolve) => setImmediate(resolve));
  }
  proven(): Promise<void> {
    return Promise.resolve();
  }
  lost(): Error {
    return new Error('the connection was lost');
  }
  end(): Promise<void> {
    this.destroy();
    return Promise.resolve();
  }
  destroy(): void {
    this.open = false;
    this.#close();
  }
}

/** A forwarder whose connections do `came`. */
async function forwarder(t: TestContext, written: object, came: (what: string, connection: FakeConnection) => void) {
  let close = async () => {};
  t.after(() => close());
  const folder = scratch(t, 'sparkplug-node');
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock: systemClock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 50 },
  });
  log.setClock(0, false);
  log.setInventory('{}');
  const clock = new ManualClock();
  const connections: FakeConnection[] = [];
  const upstream = new LogForwarder({
    ...forwarderContext(log, {
      clock,
      now: () => clock.wall(),
      inventory: () => '{"devices":{"a":{"points":{}},"b":{"points":{}}}}',
    }),
    ...{ name: 'cloud', dialect: sparkplugBDialect, settings: settingsOf(written) },
    connect: ({ will }: ConnectionOptions) => {
      will?.();
      const connection = new FakeConnection(connections.length === 0 ? came : () => {});
      connections.push(connection);
      return Promise.resolve(connection as unknown as Connection);
    },
  });
  close = async () => {
    const stopped = upstream.stop(0);
    await clock.advance(1000);
    await stopped;
    await log.close(10_000);
  };
  upstream.start();
  // The start of the forwarder is committed first, in real time.
  while (connections.length === 0) await clock.advance(0);
  for (let i = 0; i < 40 && connections.length < 2; i++) await clock.advance(500);
  return { connections, upstream };
}

test('a host that goes with the SUBACK ends the connection in order', async (t) => {
  const { connections } = await forwarder(t, HOST, (what, connection) => {
    if (what !== 'SUBACK') return;
    connection.host(true, 1);
    connection.host(false, 2);
  });
  assert.equal(connections.length, 2, 'there is another connection');
  assert.deepEqual([connections[0]?.open, connections[0]?.sent.at(0), connections[0]?.sent.at(-1)], [false, 'NBIRTH', 'NDEATH']);
});

test('a host that is away at one broker, as said with the SUBACK, is looked for at the next', async (t) => {
  const urls = ['mqtt://127.0.0.1:1', 'mqtt://127.0.0.1:2'];
  const { connections, upstream } = await forwarder(t, { ...HOST, url: urls }, (what, connection) => {
    if (what === 'SUBACK') connection.host(false, 1);
  });
  assert.equal(connections.length, 2);
  assert.deepEqual([connections[0]?.open, connections[0]?.sent, upstream.status().url], [false, [], urls[1]]);
});

test('a host that goes while births leave ends the connection in order', async (t) => {
  const { connections } = await forwarder(t, HOST, (what, connection) => {
    if (what === 'SUBACK') connection.host(true, 1);
    else if (what === 'DBIRTH') connection.host(false, 2);
  });
  assert.equal(connections.length, 2, 'there is another connection');
  assert.deepEqual([connections[0]?.open, connections[0]?.sent.at(0), connections[0]?.sent.at(-1)], [false, 'NBIRTH', 'NDEATH']);
});

/** A node without a connection, and what it asked of its forwarder. */
function node(written: object, special: Partial<LogForwarderOptions> = {}) {
  const clock = new ManualClock();
  const asked: string[] = [];
  const delivery: Delivery = {
    greet: () => void asked.push('greet'),
    say: async () => void asked.push('say'),
    proven: () => Promise.resolve(),
    again: (spans) => void asked.push(...spans.map(({ first, last }) => `again ${first}..${last}`)),
    leave: () => void asked.push('leave'),
    next: () => void asked.push('next'),
  };
  const log = undefined as never;
  const options = {
    ...forwarderContext(log, { clock, now: () => clock.wall(), ...special }),
    ...{ name: 'cloud', dialect: sparkplugBDialect, settings: settingsOf(written), ...special },
  };
  const context = dialectContext(options, () => Promise.resolve());
  const speaker: LogSpeaker = sparkplugBDialect.create({ ...context, delivery });
  speaker.will();
  asked.length = 0;
  return { clock, asked, speaker };
}

test('alarms of a severity that does not leave are not born either', () => {
  const alarm = (key: string, severity: string) => ({
    ...{ kind: 'alarm' as const, key, seq: 1 },
    json: JSON.stringify({ rule: key, severity, message: `It is ${key}.` }),
  });
  const alarms = () => [alarm('hot', 'critical'), alarm('warm', 'info')];
  const site = {
    point: () => undefined,
    made: () => undefined,
    rules: () => [...alarms()].map(({ key }) => ({ name: key, device: 'd' })),
    alarms,
  };
  const said = (written: object) =>
    Buffer.from([...node(written, { site }).speaker.greet()][0]?.payload as Uint8Array).toString();
  assert.match(said({}), /It is warm\./);
  const filtered = said({ filter: { severities: ['critical'] } });
  assert.match(filtered, /It is hot\./);
  assert.doesNotMatch(filtered, /It is warm\./);
});

test('a broker that says nothing of the primary host is left after 30 s', async () => {
  const { clock, asked, speaker } = node(HOST);
  const greet = () => [...speaker.greet()].length;
  const host = (online: boolean) => speaker.received?.(STATE, Buffer.from(JSON.stringify({ online, timestamp: 5 })), true);
  assert.equal(greet(), 0);
  await clock.advance(20_000);
  assert.equal(greet(), 0, 'greeted again');
  await clock.advance(9999);
  assert.deepEqual(asked, []);
  await clock.advance(1);
  assert.deepEqual(asked, ['next']);
  await clock.advance(100_000);
  assert.deepEqual(asked, ['next'], 'once');
  const quiet: [string, () => unknown][] = [
    ['online', () => host(true)],
    ['another connection', () => speaker.will()],
    ['the end', () => [...speaker.farewell()]],
  ];
  for (const [what, happens] of quiet) {
    speaker.will();
    greet();
    asked.length = 0;
    happens();
    await clock.advance(60_000);
    assert.deepEqual(asked, [], what);
  }
  speaker.will();
  host(false);
  greet();
  asked.length = 0;
  await clock.advance(60_000);
  assert.deepEqual(asked, [], 'it said that the host is away');
});

test('births come anew where the clock was set back, and what follows them is not historical', () => {
  const shape = { device: 'd', points: [{ name: 'n', type: 'int16', storage: 'number' }] } as const;
  let moved = 0;
  const clock = new ManualClock();
  const now = () => clock.wall() + moved;
  const newest: LatestValue = { device: 'd', point: 'n', type: 'int16', unit: undefined, time: 0, reason: 0, value: 7 };
  const { asked, speaker } = node(
    {},
    {
      ...{ clock, now, inventory: () => '{"devices":{"d":{"points":{"n":{"type":"int16"}}}}}' },
      latest: { get: () => ({ ...newest, time: now() }), all: () => [] },
      site: { point: () => ({ plain: true }), made: () => undefined, rules: () => [], alarms: () => [] },
    },
  );
  /** Whether the metrics of a live batch are historical; undefined: it does not leave. */
  const historical = (seq: number): boolean | undefined => {
    const head = { gateway: 'g', log: 'l', boot: 'b', inventory: 1, sent: 0, estimated: false, lane: 'data' } as const;
    const record = { seq, sample: { shape, at: seq, values: [seq], reasons: null } };
    const messages = sparkplugBatch({ ...head, offset: now(), records: [record] });
    const batch = {
      log: 1,
      lane: 'data',
      first: seq,
      last: seq,
      messages,
      records: 1,
      readings: 1,
      clock: 1,
    } as unknown as OutBatch;
    const [message] = [...speaker.batch(batch)];
    if (message === undefined) return undefined;
    assert.equal(wordOf(message), 'DDATA');
    const [metric] = [...protoFields(message.payload as Uint8Array, 1000)].filter(({ field }) => field === 2);
    assert.ok(metric?.wire === 2);
    return [...protoFields(metric.bytes, 100)].some(
      ({ field, wire, ...rest }) => field === 5 && 'bits' in rest && Number(rest.bits) === 1,
    );
  };
  assert.equal([...speaker.greet()].length, 2);
  assert.equal(historical(1), false);
  moved = -900;
  assert.equal(historical(2), true, 'so little is not worth births');
  moved = -3_600_000;
  assert.equal(historical(3), undefined);
  assert.deepEqual(asked, ['greet']);
  const [birth] = [...speaker.greet()];
  const [time] = [...protoFields(birth?.payload as Uint8Array, 1000)].filter(({ field }) => field === 1);
  assert.equal(time?.wire === 0 && Number(time.bits), now(), 'the time of the gateway, not of the system');
  assert.equal(historical(4), false);
});

test('a command has one result, and a question about its topic is none', async () => {
  const callers: RemoteCaller[] = [];
  const commands = { take: (_payload: Uint8Array, caller: RemoteCaller) => void callers.push(caller) };
  const { asked, speaker } = node({ commands: { write: ['*'] } }, { commands });
  assert.equal([...speaker.greet()].length, 1);
  const metric = new ProtoWriter().text(1, 'n').uint(4, 7).uint(10, 40);
  speaker.received?.('spBv1.0/plant/DCMD/g1/d', new ProtoWriter().bytes(2, metric.written).take(), false);
  assert.equal(callers.length, 1);
  assert.equal(callers[0]?.topicOf?.('x'), undefined);
  assert.deepEqual(asked, [], 'nothing left');
  await callers[0]?.answer('result', 'x', '{"ok":true}');
  assert.deepEqual(asked, ['say']);
});
