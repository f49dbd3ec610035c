/** Prepare and apply of what a configuration can change: nothing old is stopped before everything new is made. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { GatewayConfig, ResolvedForwarder } from '../../../src/config/kinds.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import type { Bus, Forwarder, LiveSink } from '../../../src/core/ports.ts';
import type { EmbeddedBroker } from '../../../src/forwarders/broker/embedded-broker.ts';
import type { ForwarderContext } from '../../../src/forwarders/forwarder-kind.ts';
import { type ForwarderSurroundings, Forwarders } from '../../../src/gateway/forwarders.ts';
import { type BrokerSurroundings, LocalBroker } from '../../../src/gateway/local-broker.ts';
import { Plant } from '../../../src/gateway/plant.ts';
import { StopBudget } from '../../../src/gateway/stop-budget.ts';
import type { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const config = (parts: {
  buses?: Record<string, Record<string, unknown>>;
  forwarders?: Record<string, Record<string, unknown>>;
  broker?: number;
}) =>
  ({
    gateway: { id: 'g1' },
    rules: new Map(),
    buses: new Map(
      Object.entries(parts.buses ?? {}).map(([name, settings]) => [name, { name, protocol: 'fake', settings }] as const),
    ),
    devices: new Map(
      Object.keys(parts.buses ?? {}).map((name) => [name, { name, bus: name, settings: {}, points: new Map() }] as const),
    ),
    forwarders: new Map(
      Object.entries(parts.forwarders ?? {}).map(([name, settings]) => [name, { name, type: 'fake', settings }]),
    ),
    ...(parts.broker === undefined
      ? {}
      : { broker: { listen: [{ host: '127.0.0.1', port: parts.broker }], maxPacket: 4096 * parts.broker } }),
  }) as unknown as GatewayConfig;

/** A plant whose ports are real in one way: a second bus cannot have one that is in use. */
function plantBench() {
  const story: string[] = [];
  const ports = new Map<unknown, string>();
  let breaks: string | undefined;
  const plant = new Plant(({ name, settings }) => {
    const me = `${name}@${settings.port}`;
    const bus: Bus = {
      name,
      shapes: [],
      start() {
        if (breaks === `${me} does not start`) throw new Error(breaks);
        if (ports.has(settings.port)) throw new Error(`${me}: ${ports.get(settings.port)} has the port`);
        ports.set(settings.port, me);
        story.push(`${me} starts`);
      },
      async stop() {
        await Promise.resolve();
        if (ports.get(settings.port) === me) ports.delete(settings.port);
        story.push(`${me} stops`);
        if (breaks === `${me} does not stop`) throw new Error(breaks);
      },
      read: async () => [],
      status: () => ({ name, protocol: 'fake', state: 'open', devices: [] }),
    };
    return bus;
  });
  return {
    plant,
    story,
    running: () => [...ports.values()].sort(),
    break: (bus: string | undefined) => {
      breaks = bus;
    },
  };
}

test('a port that moves from one bus to another is free before the other opens it', async () => {
  const b = plantBench();
  await b.plant.prepare(config({ buses: { a: { port: 1 }, b: { port: 2 }, c: { port: 3 } } })).apply();
  b.story.length = 0;
  await b.plant.prepare(config({ buses: { b: { port: 1 }, a: { port: 2 }, c: { port: 3 } } })).apply();
  assert.deepEqual(b.story, ['a@1 stops', 'b@2 stops', 'b@1 starts', 'a@2 starts']);
  await b.plant.prepare(config({ buses: { d: { port: 1 }, c: { port: 3 } } })).apply();
  assert.deepEqual(b.running(), ['c@3', 'd@1']);
});

for (const [what, culprit] of [
  ['a new bus does not start', 'b@1 does not start'],
  ['an old bus does not stop', 'b@2 does not stop'],
] as const)
  test(`when ${what} the old buses are back on their ports`, async () => {
    const b = plantBench();
    await b.plant.prepare(config({ buses: { a: { port: 1 }, b: { port: 2 }, c: { port: 3 } } })).apply();
    const kept = b.plant.busOf('c') ?? b.plant.buses[2];
    b.break(culprit);
    const next = b.plant.prepare(config({ buses: { a: { port: 2 }, b: { port: 1 }, c: { port: 3 } } }));
    await assert.rejects(next.apply(), new RegExp(culprit));
    b.break(undefined);
    assert.deepEqual(b.running(), ['a@1', 'b@2', 'c@3']);
    assert.equal(b.plant.buses[2], kept, 'what did not change was not disturbed');
    // And the next reload finds them as they are.
    assert.deepEqual(b.plant.prepare(config({ buses: { a: { port: 1 }, b: { port: 2 }, c: { port: 3 } } })).changed, []);
    await b.plant.prepare(config({ buses: { a: { port: 2 }, b: { port: 1 }, c: { port: 3 } } })).apply();
    assert.deepEqual(b.running(), ['a@2', 'b@1', 'c@3']);
  });

function forwardersBench() {
  const story: string[] = [];
  const log = {
    opened: { savedStates: [['@forwarder.a', '"from the file"']], lastAlarms: [] },
    saveState: (key: string, state: unknown) => void story.push(`${key} keeps ${state}`),
    release: async (name: string) => void story.push(`${name} is released`),
  } as unknown as Log;
  const sinks = {
    add: (sink: unknown) => void story.push(`${sink} is fed`),
    remove: (sink: unknown) => void story.push(`${sink} is not fed`),
  };
  const create = ({ name, settings }: ResolvedForwarder, { memory }: ForwarderContext): Forwarder => {
    if (settings.refuse === true) throw new Error(`${name} cannot be made`);
    const me = `${name}#${settings.n}`;
    story.push(`${me} is made`);
    return {
      name,
      connected: false,
      ...(settings.live === true ? { sink: me as never } : {}),
      attach: () => void story.push(`${me} is attached`),
      start: () => {
        story.push(`${me} starts${settings.remembers === true ? ` with ${memory(name).load()}` : ''}`);
        if (settings.remembers === true) memory(name).save(me);
      },
      stop: async () => void story.push(`${me} stops`),
      republish() {},
      status: () => {
        throw new Error('nobody asks');
      },
    };
  };
  const surroundings = { latest: { get: () => undefined, all: () => [] } } as unknown as ForwarderSurroundings;
  return { story, log, create, forwarders: new Forwarders(surroundings, () => sinks, create) };
}

test('a forwarder finds what its predecessor kept, and a live one is fed while it runs', async () => {
  const { story, log, forwarders } = forwardersBench();
  forwarders.begin(config({ forwarders: { a: { n: 1, remembers: true, live: true } } }), log);
  forwarders.start();
  await forwarders.prepare(config({ forwarders: { a: { n: 2, remembers: true } } }), log).apply(1);
  await forwarders.stop(1);
  assert.deepEqual(
    story.filter((line) => !line.endsWith('is attached')),
    [
      ...['a#1 is made', 'a#1 is fed', 'a#1 starts with from the file', '@forwarder.a keeps a#1'],
      ...['a#2 is made', 'a#1 is not fed', 'a#1 stops', 'a#2 starts with a#1', '@forwarder.a keeps a#2', 'a#2 stops'],
    ],
  );
});

test('new forwarders are made before old ones stop, and one that cannot be made changes nothing', async () => {
  const { story, log, forwarders } = forwardersBench();
  forwarders.begin(config({ forwarders: { a: { n: 1 }, b: { n: 1 } } }), log);
  forwarders.start();
  assert.deepEqual(story.splice(0), [
    ...['a#1 is made', 'b#1 is made', 'a#1 is attached', 'b#1 is attached', 'a#1 starts', 'b#1 starts'],
  ]);
  const [a, b] = forwarders.all;
  assert.throws(() => forwarders.prepare(config({ forwarders: { a: { n: 2 }, c: { refuse: true } } }), log), /c cannot be made/);
  assert.deepEqual(story.splice(0), ['a#2 is made'], 'it was never attached to the log, and nothing was stopped');
  assert.deepEqual(forwarders.all, [a, b]);

  const next = forwarders.prepare(config({ forwarders: { a: { n: 2 }, c: { n: 1 } } }), log);
  assert.deepEqual(next.changed, ['a', 'c', 'b']);
  await next.apply(100);
  assert.deepEqual(story.splice(0), [
    ...['a#2 is made', 'c#1 is made', 'a#1 stops', 'b#1 stops', 'b is released', 'a#2 starts', 'c#1 starts'],
  ]);
  assert.deepEqual(forwarders.prepare(config({ forwarders: { a: { n: 2 }, c: { n: 1 } } }), log).changed, []);
});

test('a message for a forwarder that a reload has yet to begin is asked for again', async () => {
  const { log, forwarders } = forwardersBench();
  forwarders.begin(config({ forwarders: { a: { n: 1 } } }), log);
  const message = { topic: 'action/dry/call', payload: 'help', due: 1000 };
  assert.deepEqual(await forwarders.deliver('b', message), { result: 'lost' });
  const other = await forwarders.deliver('a', message);
  assert.ok(other.result === 'refused' && other.error.code === 'not-found');
});

test('a stop in the middle of a reload starts no forwarder any more', async () => {
  const { story, log, forwarders } = forwardersBench();
  forwarders.begin(config({ forwarders: { a: { n: 1 } } }), log);
  const applied = forwarders.prepare(config({ forwarders: { a: { n: 2 } } }), log).apply(100);
  await forwarders.stop(100);
  await applied;
  assert.ok(!story.includes('a#2 starts'), story.join(', '));
});

test('a broker that cannot be made leaves the old one; a new one gets the old address', async () => {
  const story: string[] = [];
  const sinks = new Set<LiveSink>();
  let refuse = false;
  class Fake {
    readonly #me: string;
    constructor({ listen, maxPacket }: { listen: readonly { port: number }[]; maxPacket: number }) {
      if (refuse) throw new Error('no such part');
      this.#me = `broker ${listen[0]?.port}`;
      assert.equal(maxPacket, 4096 * (listen[0]?.port ?? 0));
      story.push(`${this.#me} is made`);
    }
    start(): void {
      story.push(`${this.#me} starts`);
    }
    async stop(): Promise<void> {
      story.push(`${this.#me} stops`);
    }
    inventory(): void {}
    notice(): void {}
    sample(): void {}
    rules(): void {}
  }
  const broker = new LocalBroker(
    {
      clock: new ManualClock(),
      logger: silentLogger,
      identity: () => ({ boot: 'b1', version: '1' }),
      store: () => undefined,
      alarms: () => [],
      tls: { of: () => undefined, keep: () => {} },
    } as unknown as BrokerSurroundings,
    () => ({ add: (sink) => void sinks.add(sink), remove: (sink) => void sinks.delete(sink) }),
    async () => Fake as unknown as typeof EmbeddedBroker,
  );
  await (await broker.prepare(config({ broker: 1 }))).apply();
  assert.deepEqual(story.splice(0), ['broker 1 is made', 'broker 1 starts']);
  const old = broker.running;
  refuse = true;
  await assert.rejects(broker.prepare(config({ broker: 2 })), /no such part/);
  assert.equal(broker.running, old);
  assert.deepEqual([...sinks], [old]);
  refuse = false;
  const next = await broker.prepare(config({ broker: 2 }));
  assert.deepEqual([next.changed, story.splice(0)], [['broker'], ['broker 2 is made']]);
  await next.apply();
  assert.deepEqual(story.splice(0), ['broker 1 stops', 'broker 2 starts']);
  assert.deepEqual((await broker.prepare(config({ broker: 2 }))).changed, []);
  await (await broker.prepare(config({}))).apply();
  assert.deepEqual([story, broker.running, sinks.size], [['broker 2 stops'], undefined, 0]);
});

test('whatever hangs, the parts of a stop leave room for each other within five seconds', async () => {
  const clock = new ManualClock();
  const budget = new StopBudget(clock);
  const given: [string, number][] = [];
  for (const part of ['exchange', 'safe', 'buses', 'forwarders', 'log'] as const) {
    const ms = budget.for(part);
    given.push([part, ms]);
    const hangs = budget.within(ms, new Promise(() => {}));
    await clock.advance(ms);
    await hangs;
  }
  assert.ok(clock.monotonic() < 5000, JSON.stringify(given));
  const [, safe, , , log] = given.map(([, ms]) => ms);
  assert.ok((safe ?? 0) >= 1500, 'a second of a reload and 1.5 s of safe values both fit');
  assert.ok((log ?? 0) >= 800, 'what is pending reaches the disk');
});
