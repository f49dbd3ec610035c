/**
 * Every dialect speaks and hears without a connection, and every message is held against the description: it has one channel, and it
 * fits the payload schema of this channel. Golden files and the parts of the embedded broker do the same. In the end each channel of the
 * description has met each of its messages.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { OWN_MESSAGES } from '../../../src/admin/asyncapi/dialects.ts';
import type { Message } from '../../../src/admin/asyncapi/parts.ts';
import { DATA_TYPES } from '../../../src/codecs/sparkplug.ts';
import { SystemTopics } from '../../../src/forwarders/broker/system-topics.ts';
import { encodeValue } from '../../../src/forwarders/broker/value-json.ts';
import { HOUR, summaryWithin } from '../../../src/forwarders/mqtt/budget/summary.ts';
import type { OutMessage } from '../../../src/forwarders/mqtt/dialect.ts';
import { encoded, payloadOf, REBIRTH } from '../../../src/forwarders/mqtt/dialects/sparkplug-b/births.ts';
import { RuleMessages } from '../../../src/forwarders/mqtt/rule-messages.ts';
import { DIALECTS } from '../../../src/gateway/registry.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { GATEWAY, type Incoming, type WalkOf, walk } from '../../harness/dialect-walk.ts';
import { formatCases } from '../../harness/format-case.ts';
import { Described, type DescribedName } from '../../oracles/described.ts';
import { DescribedTopics } from '../../oracles/described-topics.ts';

const CASES = path.join(import.meta.dirname, '../../cases');
const PAGES = path.join(import.meta.dirname, '../../../docs/reference/formats');
const KEY = Buffer.from('a key of a device in a hub').toString('base64');

const command = (body: object): string => JSON.stringify({ id: 'a1', ...body });
const own: Incoming = [`sluice/${GATEWAY}/command`, command({ do: 'write', target: 'pump.speed', value: 40 })];
const resend: Incoming = [`sluice/${GATEWAY}/command`, command({ do: 'resend', from: 1, to: 2 })];
const call = (data: object): Incoming => ['v1/gateway/rpc', JSON.stringify({ device: 'pump', data })];
const method = (name: string, body: object | undefined): Incoming => [
  `$iothub/methods/POST/${name}/?$rid=1`,
  body === undefined ? '' : JSON.stringify(body),
];
const metric = (
  topic: string,
  name: string,
  datatype: (typeof DATA_TYPES)['Boolean' | 'UInt16'],
  value: number | boolean,
): Incoming => [
  `spBv1.0/plant/${topic}`,
  payloadOf(1, undefined, [{ name, timestamp: 1, datatype, value: encoded(value, datatype) }]),
];

const WALKS: Readonly<Record<string, Omit<WalkOf, 'dialect'>>> = {
  json: { incoming: [own, resend] },
  'line-protocol': {},
  senml: {},
  columns: {},
  thingsboard: {
    incoming: [
      call({ id: 1, method: 'write', params: { point: 'speed', value: 40 } }),
      call({ id: 2, method: 'set:speed', params: 40 }),
      call({ id: 3, method: 'read' }),
      call({ id: 4, method: 'ack', params: { rule: 'high', occurrence: 2 } }),
      call({ id: 5, method: 'out-of-service', params: { rule: 'high', reason: 'a repair' } }),
    ],
  },
  'aws-iot': { options: { basicIngest: 'sluice_rule' }, incoming: [own], morePoints: 3000 },
  'azure-iot-hub': {
    ...{ options: { device: 'g1', key: KEY }, morePoints: 6000 },
    incoming: [
      method('write', { target: 'pump.speed', value: 40 }),
      method('reload', undefined),
      method('ack', { target: 'high', occurrence: 2 }),
      ['devices/g1/messages/devicebound/%24.to=x', command({ do: 'read', target: 'pump' })],
      ['devices/g1/messages/devicebound/%24.to=x', command({ do: 'resend', from: 1, to: 2 })],
    ],
  },
  'sparkplug-b': {
    options: { group: 'plant', primaryHost: 'scada' },
    first: ['spBv1.0/STATE/scada', '{"online":true,"timestamp":1}'],
    incoming: [
      metric(`NCMD/${GATEWAY}`, REBIRTH, DATA_TYPES.Boolean, true),
      metric(`NCMD/${GATEWAY}`, 'Alarm/high/Acknowledge', DATA_TYPES.Boolean, true),
      metric(`DCMD/${GATEWAY}/pump`, 'speed', DATA_TYPES.UInt16, 40),
    ],
  },
  homeassistant: {
    incoming: [
      [`homeassistant/sluice/${GATEWAY}/set/room/setpoint`, '22.5'],
      [`homeassistant/sluice/${GATEWAY}/set/room/fan`, 'ON'],
      ['homeassistant/status', 'online'],
    ],
  },
};

const formatsOf = (name: string): string[] => (/^a(?:ws|zure)-/.test(name) ? [name, 'json'] : [name]);
/** In a golden file as it stands, or bytes as hexadecimal digits. */
const FILES: Readonly<Record<string, readonly string[]>> = {
  json: ['expected.json'],
  'line-protocol': ['expected.txt'],
  senml: ['expected.json', 'expected.hex'],
  columns: ['payload.hex'],
  thingsboard: ['expected.txt'],
  // Payloads without a head, which only the dialect makes.
  'sparkplug-b': [],
};

function dialects(topics: DescribedTopics): void {
  for (const dialect of DIALECTS) {
    const formats = formatsOf(dialect.name);
    walk(
      { dialect, ...(WALKS[dialect.name] ?? assert.fail(`${dialect.name} has no walk`)) },
      {
        sent: (message) => void topics.take('sends', message, formats),
        came: (topic, payload) =>
          // No payload of a method is that of an empty object.
          void topics.take(
            'receives',
            { topic, payload: topic.startsWith('$iothub') && payload === '' ? '{}' : payload },
            formats,
          ),
        commanded: (text) => topics.described.holds('command', text, dialect.name),
      },
    );
  }
}

function goldens(topics: DescribedTopics): void {
  assert.deepEqual(readdirSync(path.join(CASES, 'formats')).sort(), Object.keys(FILES).sort());
  for (const [format, files] of Object.entries(FILES))
    for (const { name, read, file } of formatCases(format)) {
      const there = files.filter((one) => readdirSync(path.dirname(file(one))).includes(one));
      assert.equal(there.length, Math.min(1, files.length), name);
      for (const one of there) {
        const text = read(one);
        const take = (topic: string, payload: string | Uint8Array) => topics.take('sends', { topic, payload }, [format]);
        if (format === 'thingsboard')
          for (const line of text.split('\n').filter(Boolean)) take('v1/gateway/telemetry', line.split('\t')[1] as string);
        else take(`sluice/${GATEWAY}/data`, one.endsWith('.hex') ? Buffer.from(text.replace(/\s/g, ''), 'hex') : text);
      }
    }
  for (const file of readdirSync(path.join(CASES, 'homeassistant')).filter((one) => one.endsWith('.txt')))
    for (const line of readFileSync(path.join(CASES, 'homeassistant', file), 'utf8')
      .split('\n')
      .filter(Boolean)) {
      const [topic = '', how = '', payload = ''] = line.split('\t');
      topics.take('sends', { topic, payload, qos: how.startsWith('1') ? 1 : 0, retain: how.endsWith('retained') }, [
        'homeassistant',
      ]);
    }
}

/** Messages that no dialect makes. */
async function others(topics: DescribedTopics): Promise<void> {
  const clock = new ManualClock();
  const root = `sluice/${GATEWAY}`;
  const take = (message: Pick<OutMessage, 'topic' | 'payload'> & Partial<OutMessage>) => topics.take('sends', message, ['json']);
  const summary = summaryWithin(
    {
      ...{ gateway: GATEWAY, from: 0, to: 2 * HOUR, estimated: true },
      points: [{ name: 'tank.level', hours: [{ count: 2, min: 1, mean: 1.5, max: 2 }, undefined] }],
    },
    1000,
  );
  take({ topic: `${root}/summary`, payload: summary ?? assert.fail('no summary'), qos: 1 });
  for (const reading of [
    { value: 40, unit: 'Hz', reason: 0 },
    { value: null, reason: 1 },
  ])
    take({
      topic: `${root}/value/pump/speed`,
      payload: encodeValue({ device: 'pump', point: 'speed', type: 'uint16', time: 1, ...reading }),
    });
  take({ topic: `${root}/value/pump/speed`, payload: '', qos: 0, retain: true });
  const rules = new RuleMessages(clock, GATEWAY);
  const said: OutMessage[] = [];
  rules.begin({
    deliver: (message) => {
      said.push(message);
      return Promise.resolve('accept');
    },
    ...{ calm: () => Promise.resolve(), admit: () => true, settled: () => {} },
  });
  assert.deepEqual(await rules.deliver({ topic: 'action/high/siren/one', payload: 'on', due: 1000 }), { result: 'acknowledged' });
  for (const message of said) take(message);
  const counts = { connected: 1, away: 2, received: 3, sent: 4, subscriptions: 5, retained: 6 };
  const system = new SystemTopics({ clock, counts: () => counts, wanted: () => true, publish: () => {} });
  for (const { topic, payload } of system.matching(['$SYS/#']))
    take({ topic, payload: payload.toString(), qos: 0, retain: true });
}

test('each message of each dialect fits its channel, and each channel meets all its messages', async () => {
  const topics = new DescribedTopics(GATEWAY);
  assert.deepEqual(Object.keys(WALKS).sort(), DIALECTS.map(({ name }) => name).sort());
  dialects(topics);
  goldens(topics);
  await others(topics);
  assert.deepEqual(topics.unseen(), []);
  for (const [name, { schema, foreign, closed }] of Object.entries<Message>(OWN_MESSAGES)) {
    // What comes from outside may have keys that nobody uses here.
    if (schema === undefined || foreign === true || closed === true) continue;
    // Results of commands have a test of their own (topics-described.test.ts).
    const unseen = topics.described.unseen(name as DescribedName).filter((key) => !key.startsWith('.data.result.'));
    assert.deepEqual([name, unseen], [name, []]);
  }
});

test('what the golden wires of both cloud presets publish and ask for has a channel', () => {
  const counts: Record<string, number> = {};
  for (const preset of ['aws-iot', 'azure-iot-hub']) {
    const topics = new DescribedTopics('ghat-1');
    for (const name of readdirSync(path.join(CASES, preset)))
      for (const line of readFileSync(path.join(CASES, preset, name, 'wire.txt'), 'utf8').split('\n')) {
        const [word = '', how = '', topic = ''] = line.trim().split('\t');
        if (word === 'SUBSCRIBE') topics.asks(topic, [preset, 'json']);
        if (word !== 'PUBLISH' && word !== 'will') continue;
        // The payloads of these cases are short ones that no gateway would send.
        const message = { topic, qos: how.startsWith('qos 1') ? 1 : 0, retain: how.endsWith('retained') } as const;
        topics.channel('sends', message, [preset, 'json']);
        counts[preset] = (counts[preset] ?? 0) + 1;
      }
    assert.throws(() => topics.asks('sluice/other/#', [preset]), assert.AssertionError);
  }
  assert.deepEqual(counts, { 'aws-iot': 27, 'azure-iot-hub': 32 });
});

test('a topic, a direction, a format or a payload that is not described is found', () => {
  const topics = new DescribedTopics(GATEWAY);
  const status = { topic: `sluice/${GATEWAY}/status`, payload: '{"v":1,"online":false}' };
  assert.equal(topics.take('sends', { ...status, qos: 1, retain: true }, ['json']), 'status');
  const wrong: readonly (() => unknown)[] = [
    () => topics.take('sends', { ...status, topic: 'sluice/other/status' }, ['json']),
    () => topics.take('sends', { ...status, topic: `${status.topic}/x` }, ['json']),
    () => topics.take('receives', status, ['json']),
    () => topics.take('sends', { ...status, qos: 0 }, ['json']),
    () => topics.take('sends', { ...status, payload: '{"v":1,"online":false,"more":1}' }, ['json']),
    () => topics.take('sends', { ...status, payload: '' }, ['json']),
    () => topics.take('sends', { topic: 'v1/gateway/connect', payload: '{"device":"a"}' }, ['json']),
    () => topics.take('sends', { topic: 'v1/gateway/connect', payload: '{"name":"a"}' }, ['thingsboard']),
    () => topics.take('sends', { topic: `sluice/${GATEWAY}/data`, payload: 'a b=1' }, ['json']),
    () => topics.take('sends', { topic: `sluice/${GATEWAY}/event`, payload: '{}', retain: true }, ['json']),
  ];
  for (const one of wrong) assert.throws(one, assert.AssertionError, String(one));
  assert.equal(
    topics.take('sends', { topic: 'v1/gateway/connect', payload: '{"device":"a"}' }, ['thingsboard']),
    'thingsboardConnect',
  );
});

test('every example of the pages of the formats fits a message of its format', () => {
  const described = new Described();
  const found = new Map<string, number>();
  for (const page of ['senml', 'thingsboard', 'homeassistant'])
    for (const [, text = ''] of readFileSync(path.join(PAGES, `${page}.md`), 'utf8').matchAll(/^```json\n(.*?)^```/gms)) {
      const names =
        page === 'senml' ? ['batchSenml'] : Object.keys(OWN_MESSAGES).filter((one) => one.startsWith(page.slice(0, 4)));
      const which = names.filter((name) => {
        try {
          described.holds(name as DescribedName, text, page);
          return true;
        } catch {
          return false;
        }
      });
      assert.ok(which.length > 0, `${page}: ${text}`);
      found.set(page, (found.get(page) ?? 0) + 1);
    }
  assert.deepEqual(
    [...found],
    [
      ['senml', 1],
      ['thingsboard', 2],
      ['homeassistant', 3],
    ],
  );
});
