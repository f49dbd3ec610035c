/**
 * The daemon against upstream brokers of hand-made bytes: they declare more than anybody needs, or send without end what
 * nobody asked for. What counts is how much such a broker gets rid of before the gateway closes the connection.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { GatewayStatus } from '../../../src/admin/target.ts';
import { type Attack, CONNACK, HostileBroker, header, publish, times } from '../../fakes/hostile-broker.ts';
import { MqttPeer } from '../../fakes/mqtt-peer.ts';
import { type Gateway, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

/** Bytes of an attack that the systems of both sides may hold unread. */
const BUFFERS = 16e6;
const PIECE = new Uint8Array(64 * 1024);
/** An attack that nobody ends is over after so many bytes. */
const ATTACK = 150e6;

const upstreamOnly = (g: Gateway, port: number) => `
${g.section}
forwarders:
  cloud: {type: mqtt, url: 'mqtt://127.0.0.1:${port}'}
`;

const forwarder = async (g: Gateway) =>
  ((await request(g.socket, 'GET', '/api/v1/status')) as GatewayStatus).forwarders.find((f) => f.name === 'cloud');

/** ATTACK bytes: one piece, over and over. */
function* flood(piece: Uint8Array): Generator<Uint8Array> {
  for (let sent = 0; sent < ATTACK; sent += piece.length) yield piece;
}

const accepted = (attack: () => Iterable<Uint8Array>): Attack =>
  function* () {
    yield CONNACK;
    yield* attack();
  };

const ATTACKS: readonly { what: string; says: RegExp; attack: Attack }[] = [
  {
    what: 'a message of 150 MB',
    says: /the broker declared a packet of \d+ bytes or more; at most 65536 are taken/,
    attack: accepted(function* () {
      yield header(0x30, ATTACK);
      yield* flood(PIECE);
    }),
  },
  {
    what: 'a CONNACK of 150 MB',
    says: /the broker declared a packet of \d+ bytes or more; at most 4096 are taken/,
    attack: function* () {
      yield header(0x20, ATTACK);
      yield* flood(PIECE);
    },
  },
  {
    what: 'messages without end',
    says: /the broker sends too much that was not asked for/,
    attack: accepted(() => flood(times(1000, publish(0, 0, 10)))),
  },
  {
    what: 'messages without end that want an answer each',
    says: /the broker sends too much that was not asked for/,
    attack: accepted(() => flood(times(1000, publish(1, 7, 10)))),
  },
  {
    what: 'messages with QoS 2, each to be kept until it is released',
    says: /the broker sent a message with QoS 2/,
    attack: accepted(() => flood(publish(2, 9, 60_000))),
  },
  {
    what: 'acknowledgements of what was never sent',
    says: /the broker sends too much that was not asked for/,
    attack: accepted(() => flood(times(1000, Uint8Array.of(0x40, 2, 0x77, 0x77)))),
  },
  {
    what: 'answers to subscriptions that were never made',
    says: /the broker sends too much that was not asked for/,
    attack: accepted(() => flood(times(1000, Uint8Array.of(0x90, 3, 0x77, 0x77, 0)))),
  },
  {
    what: 'one CONNACK after the other',
    says: /the broker accepted the connection a second time/,
    attack: () => flood(times(1000, CONNACK)),
  },
  {
    what: 'answers to pings without end',
    says: /the broker sends too much that was not asked for/,
    attack: accepted(() => flood(times(1000, Uint8Array.of(0xd0, 0)))),
  },
];

test('an upstream broker that floods the gateway is cut off, counted and named', async (t) => {
  const broker = await HostileBroker.start(t, () => []);
  const gateway = makeGateway(t, (g) => upstreamOnly(g, broker.port));
  for (const { what, says, attack } of ATTACKS) {
    await t.test(what, async () => {
      broker.attack = attack;
      const from = broker.victims.length;
      gateway.start();
      const victim = await waitFor(
        () => `the connection to be closed: ${JSON.stringify(broker.victims)}\n${gateway.tail()}`,
        () => broker.victims.slice(from).find((v) => v.cut && v.over),
      );
      assert.ok(victim.taken < BUFFERS, `${victim.taken} bytes were taken`);
      const seen = await waitFor(
        () => `words and a count\n${gateway.tail()}`,
        async () => {
          const status = await forwarder(gateway);
          return status?.fault !== undefined && status.counters.violations > 0 ? status : undefined;
        },
      );
      assert.match(seen.fault ?? '', says);
      assert.equal(await gateway.stop(), 0, gateway.tail());
    });
  }
});

test('a message is refused by the length it declares, before a byte of it comes', async (t) => {
  const broker = await HostileBroker.start(
    t,
    accepted(() => [header(0x32, 64 * 1024 + 1)]),
  );
  const gateway = makeGateway(t, (g) => upstreamOnly(g, broker.port));
  gateway.start();
  await waitFor(
    () => `the connection to be closed\n${gateway.tail()}`,
    () => broker.victims.some((v) => v.cut),
  );
  const { port } = broker;
  await broker.stop();

  const good = new MqttPeer(port);
  await good.start();
  t.after(() => good.stop());
  await waitFor(
    () => `the event of the start to arrive at a broker that behaves\n${gateway.tail()}`,
    () => good.taken.some((m) => m.topic === 'sluice/g1/event' && m.bytes.includes('"event":"start"')),
  );
  const { fault, counters } = (await forwarder(gateway)) ?? assert.fail('no forwarder');
  assert.equal(fault, undefined);
  assert.ok(counters.violations >= 1);
  assert.equal(await gateway.stop(), 0);
});

test('what breaks a limit while something waits for its answer is named as well', async (t) => {
  const broker = await HostileBroker.start(t, async function* () {
    const before = broker.heard;
    yield CONNACK;
    await waitFor('the first message of the gateway', () => broker.heard > before);
    yield header(0x30, ATTACK);
  });
  const gateway = makeGateway(t, (g) => upstreamOnly(g, broker.port));
  gateway.start();
  const seen = await waitFor(
    () => `a count\n${gateway.tail()}`,
    async () => {
      const status = await forwarder(gateway);
      return (status?.counters.violations ?? 0) > 0 ? status : undefined;
    },
  );
  assert.match(seen.fault ?? '', /the broker declared a packet of/);
  assert.equal(await gateway.stop(), 0);
});

test('a broker that sends the most that is allowed is no fault', async (t) => {
  const broker = await HostileBroker.start(
    t,
    accepted(() => [times(400, publish(0, 0, 10)), publish(1, 3, 64 * 1024 - 5), Uint8Array.of(0xd0, 0)]),
  );
  const gateway = makeGateway(t, (g) => upstreamOnly(g, broker.port));
  gateway.start();
  await waitFor('the connection', () => broker.victims.some((v) => v.over));
  await gateway.waitForLog(/is running/);
  assert.equal((await forwarder(gateway))?.counters.violations, 0);
  assert.equal(broker.victims.length, 1);
  assert.equal(broker.victims[0]?.cut, false, gateway.tail());
  assert.equal(await gateway.stop(), 0);
});
