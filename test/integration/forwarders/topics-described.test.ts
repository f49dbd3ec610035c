/** Every message of a running gateway, upstream and at its own broker, is what docs/reference/asyncapi.json says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import mqtt from 'mqtt';
import { type MessageName, TOPICS } from '../../../src/admin/asyncapi/description.ts';
import { Peek } from '../../harness/mqtt-peek.ts';
import { makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Described } from '../../oracles/described.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const ROOT = 'sluice/g1';
type Topic = (typeof TOPICS)[keyof typeof TOPICS];
const PATTERNS = Object.values(TOPICS).map(
  (topic) => [new RegExp(`^${ROOT}/${topic.topic.replace(/\{\w+\}/g, '[A-Za-z0-9_.-]+')}$`), topic] as const,
);
function topicOf(topic: string): Topic {
  const found = PATTERNS.find(([pattern]) => pattern.test(topic))?.[1];
  assert.ok(found, `the description has no topic ${topic}`);
  return found;
}

/** Keys that need what does not happen here: a boot without a clock, windows of time, a doubtful reading, a very long resend, a signed configuration. */
const NOT_HERE: Partial<Record<MessageName, readonly string[]>> = {
  batch: ['.clock', '.every', '.as', '.records[].uncertain'],
  resent: ['.clock', '.records[].uncertain'],
  result: ['.result.next', '.result.next.log', '.result.next.seq', '.result.version'],
  status: ['.configuration.trial', '.configuration.version'],
  command: ['.signature', '.version', '.yaml'],
};

test('each topic and message of a gateway is described, and each described key is met', { timeout: 400_000 }, async (t) => {
  const [broker, device] = [await Mosquitto.start(t, { persistence: true }), await SettableDevice.start(t)];
  const sub = broker && (await Subscriber.start(t, broker.port, [`${ROOT}/#`]));
  if (broker === undefined || device === undefined || sub === undefined) return;
  const gateway = makeGateway(
    t,
    (g) => `
${g.section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, timeout: 300ms, retries: 0}}
devices:
  pump:
    bus: plant
    unit: 1
    timeout: 10s
    interval: 200ms
    points:
      speed: {table: holding, address: 10, type: uint16, unit: Hz, write: {min: 0, max: 60, every: 0ms}}
      ghost: {table: holding, address: 60000, type: uint16}
      count: {table: holding, address: 20, type: uint64}
  dead: {bus: plant, unit: 9, interval: 1s, points: {x: {table: holding, address: 0, type: uint16}}}
  room: {bus: plant, unit: 2, timeout: 10s, interval: 1s, profile: xy-md02}
rules:
  fast: {point: pump.speed, above: 55, severity: warning, acknowledge: required, group: pumps, do: [{publish: siren}, {publish: siren, to: cloud}]}
  quiet: {point: dead.x, stale: 1s, severity: info}
buffer: {commitEvery: 200ms}
broker: {listen: {port: 0}}
forwarders:
  cloud: {type: mqtt, url: '${broker.url}', batch: {maxAge: 50ms}, filter: {devices: [pump, dead, room]},
    commands: {write: ["*"], read: ["*"], ack: ["*"], shelve: ["*"], reload: true, resend: true, restartFlows: true}}
`,
  );
  await gateway.up();
  const own = await Peek.start(t, await gateway.brokerPort(), `${ROOT}/#`);
  const client = mqtt.connect({ host: '127.0.0.1', port: broker.port, reconnectPeriod: 0 });
  t.after(() => client.end(true));
  const say = async (message: object) => void (await client.publishAsync(`${ROOT}/command`, JSON.stringify(message), { qos: 1 }));
  const got = (topic: string) => sub.messages().filter((m) => m.topic === `${ROOT}/${topic}`);
  const ask = async (message: { readonly id: string; readonly [key: string]: unknown }) => {
    await say(message);
    return waitFor(
      () => `the answer to ${message.id}; the log:\n${gateway.tail(8)}`,
      () => got(`result/${message.id}`)[0]?.payload,
    );
  };
  await gateway.waitForLog(/Connected to the upstream broker/);
  await device.set(10, 58);
  await waitFor('both alarms', () => got('alarm/fast').length > 0 && got('alarm/quiet').length > 0);
  await waitFor('the message of the rule', () => got('action/fast/siren').length > 0);
  await waitFor('a batch', () => got('data').length > 2);
  await ask({ id: 'w1', do: 'write', target: 'pump.speed', value: 59, expires: Date.now() + 60_000 });
  await ask({ id: 'w2', do: 'write', target: 'pump.speed', value: 61 });
  await ask({ id: 'n1', do: 'nothing' });
  await ask({ id: 'r1', do: 'read', target: 'pump' });
  await ask({ id: 'r2', do: 'read', target: 'dead' });
  await ask({ id: 'a1', do: 'ack', target: 'fast', occurrence: 1 });
  await ask({ id: 's1', do: 'shelve', target: 'fast', for: '1h', reason: 'repair' });
  await ask({ id: 'l1', do: 'reload' });
  await ask({ id: 'f1', do: 'restart-flows' });
  await ask({ id: 't1', do: 'resend', from: 1, to: Date.now() + 3_600_000, points: ['pump'] });
  const { log, first, last } = JSON.parse(got('data')[0]?.payload ?? '') as { log: string; first: number; last: number };
  await ask({ v: 1, id: 't2', do: 'resend', log, first, last });
  await waitFor('the parts', () => got('resend/t1').length > 0 && got('resend/t2').length > 0);

  // An outage brings history; a stop says goodbye; a rule and a point that go are cleared.
  await broker.stop();
  await gateway.waitForLog(/readings from now on go to history/);
  await broker.start();
  await waitFor('the history', () => got('history').length > 0);
  const before = readFileSync(gateway.config, 'utf8');
  gateway.write(before.replace(/^ {2}fast: .*\n/m, '').replace(/^ {6}count: .*\n/m, ''));
  gateway.signal('SIGHUP');
  await waitFor('the topics to be cleared', () => {
    const empty = (topic: string) => own.messages.some((m) => m.topic === `${ROOT}/${topic}` && m.text === '');
    return empty('alarm/fast') && empty('value/pump/count');
  });
  await gateway.stop();
  await waitFor('the goodbye', () => got('status').some(({ payload }) => payload.includes('stopped')));

  const described = new Described();
  const take = (at: 'embedded' | 'upstream', topic: string, payload: string) => {
    const found = topicOf(topic);
    assert.ok((found.brokers as readonly string[]).includes(at), `${topic} at the ${at} broker`);
    if (payload === '') assert.ok((found.messages as readonly string[]).includes('cleared'), topic);
    else if (found.messages[0] === 'action') assert.ok(payload.length > 0, 'a text of a rule');
    else if (!payload.includes('"do":"nothing"')) described.holds(found.messages[0], payload, `${at} ${topic}`);
    return found;
  };
  for (const { topic, payload, qos } of sub.messages()) {
    const found = take('upstream', topic, payload);
    if (payload !== '') assert.equal(qos, found.qos, topic);
  }
  for (const { topic, text } of own.messages) take('embedded', topic, text);
  // A subscriber that comes later gets what is retained, and nothing else.
  const late = await Peek.start(t, broker.port, `${ROOT}/#`);
  await waitFor('what is retained', () => late.last(/alarm\/quiet$/));
  for (const { topic, retained } of late.messages) assert.equal(retained && topicOf(topic).retain, true, topic);

  for (const name of ['status', 'inventory', 'batch', 'value', 'alarm', 'event', 'command', 'result', 'resent'] as const)
    assert.deepEqual(
      described.unseen(name).filter((key) => !(NOT_HERE[name] ?? []).includes(key)),
      [],
      name,
    );
});
