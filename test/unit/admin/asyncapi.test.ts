/** The description of the topics: its file is up to date, a schema of others finds it valid, and real messages fit. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import test from 'node:test';
import { Ajv, type AnySchema } from 'ajv';
import fc from 'fast-check';
import { MESSAGES, type MessageName, TOPICS, topicsDescription } from '../../../src/admin/asyncapi/description.ts';
import { OWN_TOPICS } from '../../../src/admin/asyncapi/dialects.ts';
import { EVENTS } from '../../../src/admin/asyncapi/messages.ts';
import type { Message, OwnTopic } from '../../../src/admin/asyncapi/parts.ts';
import { KEYS, parseMessage, WORDS } from '../../../src/control/remote/message.ts';
import { BIRTH } from '../../../src/forwarders/mqtt/dialects/homeassistant/places.ts';
import { formatCases } from '../../harness/format-case.ts';
import { Described } from '../../oracles/described.ts';

const root = path.join(import.meta.dirname, '../../..');
const read = (file: string) => readFileSync(path.join(root, 'docs/reference', file), 'utf8');
const published = createRequire(import.meta.url)('@asyncapi/specs/schemas/3.0.0-without-$id.json') as AnySchema;
const examples = (page: string) => [...read(page).matchAll(/^```json\n(.*?)^```/gms)].map(([, text = '']) => text);
/** The message that an example of the pages is. */
const nameOf = (m: Readonly<Record<string, unknown>>): MessageName => {
  const marks: readonly (readonly [key: string, name: MessageName])[] = [
    ...([
      ['part', 'resent'],
      ['records', 'batch'],
      ['rule', 'alarm'],
      ['event', 'event'],
      ['ok', 'result'],
    ] as const),
    ...([
      ['do', 'command'],
      ['online', 'status'],
      ['revision', 'inventory'],
      ['quality', 'value'],
      ['step', 'summary'],
    ] as const),
  ];
  const found = marks.find(([key]) => key in m);
  assert.ok(found, JSON.stringify(m));
  return found[1];
};

test('docs/reference/asyncapi.json is up to date', () => {
  assert.equal(read('asyncapi.json'), `${JSON.stringify(topicsDescription(), null, 2)}\n`, 'run node scripts/generate-docs.ts');
});

test('the published schema of AsyncAPI 3.0.0 finds it valid, and damaged ones not', () => {
  const valid = new Ajv({ strict: false, validateFormats: false, allErrors: false }).compile(published);
  const document = JSON.parse(read('asyncapi.json')) as Record<string, Record<string, Record<string, object>>>;
  assert.ok(valid(document), JSON.stringify(valid.errors));
  const damage: readonly ((d: typeof document) => unknown)[] = [
    (d) => Object.assign(d, { asyncapi: '2.6.0' }),
    (d) => Object.assign(d, { topics: {} }),
    (d) => delete d.info?.title,
    (d) => Object.assign(d.channels?.data ?? {}, { topic: 'x' }),
    (d) => Object.assign(d.operations?.sendData ?? {}, { action: 'publish' }),
    (d) => Object.assign(d.operations?.sendData?.bindings ?? {}, { mqtt: { qos: 3 } }),
    (d) => Object.assign(d.components?.schemas?.batch ?? {}, { type: 'list' }),
  ];
  for (const change of damage) {
    const other = structuredClone(document);
    change(other);
    assert.equal(valid(other), false, String(change));
  }
});

test('every reference of the description leads somewhere', () => {
  const document = JSON.parse(read('asyncapi.json')) as unknown;
  const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, ref = '']) => ref);
  assert.ok(refs.length > 40);
  for (const ref of refs) {
    const found = ref.split('/').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document);
    assert.notEqual(found, undefined, ref);
  }
});

test('the page of the topics has the same topics, with QoS, retain flag and brokers', () => {
  const rows = [...read('topics.md').matchAll(/^\| `…\/([^`]+)` \| [^|]+ \| (\d)(, retained)? \| (yes|no) \| (yes|no) \|$/gm)];
  const written = rows.map(([, topic = '', qos, retained, embedded, upstream]) => ({
    ...{ topic: topic.replace(/<(\w+)>/g, '{$1}'), qos: Number(qos), retain: retained !== undefined },
    brokers: [...(embedded === 'yes' ? ['embedded'] : []), ...(upstream === 'yes' ? ['upstream'] : [])],
  }));
  const { command, result, resend, ...others } = TOPICS;
  assert.deepEqual(
    Object.values(others).map(({ topic, qos, retain, brokers }) => ({ topic, qos, retain, brokers: [...brokers] })),
    written.map(({ topic, qos, retain, brokers }) => ({ topic, qos, retain, brokers })),
  );
  for (const { topic } of [command, result, resend])
    assert.ok(read('topics.md').includes(`\`…/${topic.replace(/\{(\w+)\}/g, '<$1>')}\``), topic);
});

test('the topics of homeassistant are those of its page', () => {
  const described = Object.values<OwnTopic>(OWN_TOPICS).filter(({ format }) => format === 'homeassistant');
  const written = [...read('formats/homeassistant.md').matchAll(/^\| `(homeassistant\/[^`]+)` \|/gm)];
  assert.deepEqual(
    described.map(({ address }) => address),
    [...written.map(([, topic = '']) => topic.replace(/<(\w+)>/g, '{$1}')), BIRTH],
  );
});

test('the kinds of azure-iot-hub and their properties are those of its page', () => {
  const addresses = Object.values<OwnTopic>(OWN_TOPICS).flatMap(({ address }) => {
    const [, kind, more] = /&kind=(\w+)(?:&(\w+)=\{\w+\})?$/.exec(address) ?? [];
    return kind === undefined ? [] : [`${kind} ${more ?? ''}`];
  });
  const rows = [...read('formats/azure-iot-hub.md').matchAll(/^\| [^|]+ \| `(\w+)` \|(?: `(\w+)`[^|]*)? \|/gm)];
  assert.deepEqual(addresses.sort(), rows.map(([, kind, more]) => `${kind} ${more ?? ''}`).sort());
});

test('the topics of aws-iot are on its page', () => {
  const page = read('formats/aws-iot.md');
  for (const { format, address } of Object.values<OwnTopic>(OWN_TOPICS)) {
    if (format !== 'aws-iot') continue;
    const [, rule, lane] = /^\$aws\/rules\/(\{awsRule\})\/sluice\/\{gateway\}\/(\w+)$/.exec(address) ?? [];
    const words =
      rule === undefined ? ['`…/inventory/1`', '`…/2`'] : ['`$aws/rules/RULE/sluice/<gateway>/data`', `\`…/${lane}\``];
    assert.ok(
      words.some((one) => page.includes(one)),
      address,
    );
  }
});

test('the topics of thingsboard are those of its page', () => {
  const described = Object.values<OwnTopic>(OWN_TOPICS).filter(({ format }) => format === 'thingsboard');
  const written = new Set([...read('formats/thingsboard.md').matchAll(/`(v1\/[a-z/]+)`/g)].map(([, topic]) => topic));
  assert.deepEqual(new Set(described.map(({ address }) => address)), written);
});

test('the topics of sparkplug-b are those of its page', () => {
  const page = read('formats/sparkplug-b.md').replace(/<(\w+)>/g, '{$1}');
  const described = Object.values<OwnTopic>(OWN_TOPICS).filter(({ format }) => format === 'sparkplug-b');
  const words = new Set([...page.matchAll(/\b[ND](?:BIRTH|DATA|DEATH|CMD)\b/g)].map(([word]) => word));
  assert.deepEqual(new Set(described.map(({ address }) => address.split('/')[2] as string)), new Set([...words, '{host}']));
  for (const { address } of described)
    if (address.includes('CMD')) assert.ok(page.includes(`\`…/${address.split('/').slice(2).join('/')}\``), address);
});

test('the events of the schema are those of the page', () => {
  const section = read('topics.md').split('## event')[1] ?? '';
  const written = [...section.matchAll(/^\| `([a-z-]+)` \| (?:info|warning|critical)\b/gm)].map(([, event]) => event);
  assert.deepEqual([...EVENTS].sort(), written.sort());
});

test('the golden batches fit, and with another key anywhere they do not', () => {
  const described = new Described();
  const cases = formatCases('json');
  for (const { name, read: file } of cases) described.holds('batch', file('expected.json'), name);
  assert.ok(cases.length >= 4);
  assert.deepEqual(described.unseen('batch'), []);
});

test('every example of the pages fits', () => {
  const described = new Described();
  const found = new Set<MessageName>();
  for (const page of ['topics.md', 'commands-over-mqtt.md'])
    for (const line of examples(page).flatMap((text) => text.trim().split('\n'))) {
      const name = nameOf(JSON.parse(line) as Record<string, unknown>);
      found.add(name);
      described.holds(name, line, page);
    }
  // The payloads of other formats are on pages of their own (asyncapi-walk.test.ts).
  const all = Object.entries<Message>(MESSAGES).filter(
    ([, { schema, format = 'json' }]) => schema !== undefined && format === 'json',
  );
  assert.deepEqual([...found].sort(), all.map(([name]) => name).sort());
});

/** Values that a key of a command may have, right and wrong ones. */
const POOLS: Readonly<Record<string, readonly unknown[]>> = {
  v: [1, 2],
  id: ['a81f', 'A-1_.', '', 'a b', 'x'.repeat(64), 'x'.repeat(65), 7],
  do: [...WORDS, 'stop', 1],
  expires: [1, 1_795_603_402_389, 8.64e15, 0, -1, '1'],
  target: ['pump', 'pump.speed', 'Pump', 'pump.', 'a.b.c', `p${'x'.repeat(64)}`, 3, null],
  value: [40, true, 'x', 'x'.repeat(250), 'x'.repeat(251), null, {}],
  occurrence: [1, 0, 1.5, '1'],
  for: ['30m', '8h', '365d', '366d', '0s', '1w', '-1m', null, 30],
  reason: ['repair', 'x'.repeat(200), 'x'.repeat(201), 1],
  log: ['d42fdf5aac', 's42fdf5aac', 'D42FDF5AAC', 'd42', 1],
  first: [1, 5, 0, '1', 2 ** 53],
  last: [1, 5, 0, null],
  from: [1, 10, 0, 9e15],
  to: [1, 10, 'now'],
  points: [['pump'], ['pump.speed', 'tank'], [], ['Pump'], Array(100).fill('p'), Array(101).fill('p'), 'pump'],
  version: [1, 2 ** 31 - 1, 2 ** 31, 0, '1'],
  yaml: ['gateway: {id: g1}', '', 1],
  signature: ['A'.repeat(86), `${'/'.repeat(86)}==`, 'A'.repeat(85), 1],
  other: [1],
};

test('the gateway takes every command that the schema takes', () => {
  const oneOf = (key: string) => fc.constantFrom(...(POOLS[key] ?? []));
  const any = fc.constantFrom(...Object.keys(POOLS)).chain((key) => oneOf(key).map((value) => ({ [key]: value })));
  const message = fc
    .constantFrom(...WORDS)
    .chain((word) =>
      fc
        .tuple(
          fc.record(Object.fromEntries(KEYS[word].map((key) => [key, oneOf(key)])), { requiredKeys: [] }),
          fc.option(any, { freq: 2, nil: {} }),
        )
        .map(([own, further]) => ({ id: 'a1', do: word, ...own, ...further })),
    );
  const taken = new Map<string, number>();
  fc.assert(
    fc.property(message, (one) => {
      if (!MESSAGES.command.schema.safeParse(one).success) return;
      const asked = parseMessage(Buffer.from(JSON.stringify(one)));
      taken.set(asked.do, (taken.get(asked.do) ?? 0) + 1);
    }),
    { numRuns: 20_000, seed: 11 },
  );
  assert.deepEqual([...taken.keys()].sort(), [...WORDS].sort());
});
