/** The contract of forwarders, held by `mqtt`: with a real Mosquitto, and with a peer that acknowledges as it is told. */
import type { TestContext } from 'node:test';
import { jsonDialect } from '../../src/forwarders/mqtt/dialects/json/dialect.ts';
import { mqttForwarder } from '../../src/forwarders/mqtt/kind.ts';
import { MqttPeer } from '../fakes/mqtt-peer.ts';
import { DropProxy } from '../harness/drop-proxy.ts';
import type { ForwarderPeer } from '../harness/forwarder-peer.ts';
import { Mosquitto, Subscriber } from '../peers/mosquitto.ts';
import { forwarderContract } from './forwarder-suite.ts';

const DELIVERY = /^sluice\/g1\/(data|history|alarm\/.*|event)$/;
const BATCHES = /^sluice\/g1\/(data|history)$/;

const mqtt = mqttForwarder([jsonDialect]);

async function mosquitto(t: TestContext, settings: object): Promise<ForwarderPeer | undefined> {
  const broker = await Mosquitto.start(t);
  if (broker === undefined) return undefined;
  const subscriber = await Subscriber.start(t, broker.port, ['sluice/g1/#']);
  if (subscriber === undefined) return undefined;
  const proxy = new DropProxy(broker.port);
  // Its port, and then away.
  await proxy.start();
  await proxy.stop();
  const underWay = new Map<string, number>();
  const most = new Map<string, number>();
  let losing = 0;
  const count = (topic: string, by: 1 | -1): void => {
    const now = (underWay.get(topic) ?? 0) + by;
    underWay.set(topic, now);
    most.set(topic, Math.max(now, most.get(topic) ?? 0));
  };
  proxy.dropWhen(({ kind, topic }) => {
    if (!DELIVERY.test(topic)) return false;
    count(topic, kind === 'publish' ? 1 : -1);
    return kind === 'puback' && BATCHES.test(topic) && losing > 0 && losing-- > 0;
  });
  const peer: ForwarderPeer = {
    settings: { url: proxy.url, ...settings },
    up: () => proxy.start(),
    down: () => proxy.stop(),
    hold: (on) => proxy.holdPubacks(on ? DELIVERY : undefined),
    lose: (times) => {
      losing = times;
    },
    taken: () =>
      subscriber
        .messages()
        .filter((m) => DELIVERY.test(m.topic))
        .map(({ topic, bytes }) => ({ topic, bytes, wire: bytes.length })),
    most,
  };
  return peer;
}

forwarderContract(mqtt, 'Mosquitto', (t) => mosquitto(t, {}));
forwarderContract(mqtt, 'MQTT 5', (t) => mosquitto(t, { protocol: 5, messageExpiry: '1h', userProperties: { site: 'north' } }));

forwarderContract(mqtt, 'lost PUBACKs', async () => {
  const far = new MqttPeer();
  // Its port, and then away.
  await far.start();
  await far.stop();
  return {
    settings: { url: `mqtt://127.0.0.1:${far.port}` },
    up: () => far.start(),
    down: () => far.stop(),
    hold: (on) => far.hold(on ? DELIVERY : undefined),
    lose: (times) => far.lose(times, BATCHES),
    taken: () => far.taken.filter((m) => DELIVERY.test(m.topic)),
    most: far.most,
  };
});
