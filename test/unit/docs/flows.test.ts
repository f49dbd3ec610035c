/** The flows that come with Sluice: what an import into Node-RED takes, and topics that the gateway really has. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { en } from '../../../src/admin/pages/words/en.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { matches } from '../../../src/core/topic-filter.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { examples } from '../../../src/node-red/revisions/examples.ts';
import { functionOf } from '../../harness/flow-function.ts';

const root = path.join(import.meta.dirname, '..', '..', '..');
/** Node-RED's own, without a package. */
const CORE = [
  'tab',
  'comment',
  'debug',
  'function',
  'switch',
  'change',
  'inject',
  'mqtt in',
  'mqtt-broker',
  'http request',
  'mqtt out',
  'catch',
  'file',
];
/** Nodes of our palette. */
const OWN = ['alarm in', 'history', 'reading out', 'status', 'write'].map((name) => `sluice ${name}`);
const CONFIGS = ['mqtt-broker', 'sluice-gateway'];
const OUTPUTS: Readonly<Record<string, number>> = {
  'mqtt in': 1,
  inject: 1,
  'http request': 1,
  catch: 1,
  file: 1,
  'sluice alarm in': 1,
  'sluice history': 1,
  'sluice status': 1,
  'sluice write': 1,
};

interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly z?: string;
  readonly name?: string;
  readonly wires?: readonly (readonly string[])[];
  readonly outputs?: number;
  readonly topic?: string;
  readonly broker?: string;
  readonly port?: string;
  readonly protocolVersion?: string;
  readonly func?: string;
  readonly [key: string]: unknown;
}

function documentedSite() {
  const file = path.join(root, 'examples/water-point/gateway.yaml');
  const { config } = loadConfigText(readFileSync(file, 'utf8'), file, kinds, { profileDirs: [], env: {}, readSecrets: false });
  assert.ok(config?.broker !== undefined);
  return { id: config.gateway.id, broker: config.broker, devices: config.devices, rules: config.rules };
}

test('each flow has its first sentence in the catalogue of the status page', async () => {
  const all = await examples();
  assert.ok(all.length > 0);
  for (const { name, title } of all) {
    assert.match(title, /^[A-Z][^\n]{20,150}\.$/, `the first sentence of ${name}`);
    assert.equal((en as Readonly<Record<string, string>>)[`flows.example.${name}`], title);
  }
});

const files = globSync('flows/*/flow.json', { cwd: root });
test('there is a flow', () => assert.ok(files.length > 0));

for (const file of files) {
  const nodes = JSON.parse(readFileSync(path.join(root, file), 'utf8')) as FlowNode[];
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const ofType = (type: string) => nodes.filter((node) => node.type === type);

  test(`${file}: ids, tabs, wires and types are what Node-RED imports`, () => {
    assert.equal(byId.size, nodes.length, 'each id once');
    const [tab] = ofType('tab');
    for (const node of nodes) {
      assert.match(node.id, /^[0-9a-f]{16}$/);
      assert.ok([...CORE, ...OWN, ...CONFIGS].includes(node.type), `${node.type} needs no package`);
      if (node.type === 'tab' || CONFIGS.includes(node.type)) continue;
      assert.equal(node.z, tab?.id, `${node.name} is on the tab`);
      const outputs = node.type === 'function' ? node.outputs : (OUTPUTS[node.type] ?? 0);
      assert.equal(node.wires?.length, outputs, `outputs of ${node.name}`);
      for (const to of node.wires?.flat() ?? []) assert.equal(byId.get(to)?.z, tab?.id, `${node.name} leads to ${to}`);
    }
    const reached = new Set(nodes.flatMap((node) => node.wires?.flat() ?? []));
    for (const node of nodes)
      if (node.type === 'function' || node.type === 'debug') assert.ok(reached.has(node.id), `something leads to ${node.name}`);
  });

  // The others have a test of their own with the real Node-RED: test/integration/node-red/shipped-flows.test.ts.
  if (!file.includes('water-point')) continue;
  test(`${file}: listens to topics of the gateway, publishes nothing`, () => {
    const { id, broker, devices, rules } = documentedSite();
    const topics = [
      ...Array.from(devices.values(), (d) => [...d.points.keys()].map((p) => `sluice/${id}/value/${d.name}/${p}`)).flat(),
      ...Array.from(rules.keys(), (rule) => `sluice/${id}/alarm/${rule}`),
      ...['status', 'inventory', 'data', 'event'].map((last) => `sluice/${id}/${last}`),
    ];
    const [server, ...others] = ofType('mqtt-broker');
    const [listen] = broker.listen;
    assert.deepEqual(others, []);
    assert.deepEqual([server?.broker, server?.port, server?.protocolVersion], [listen?.host, `${listen?.port}`, '4']);
    for (const key of ['birthTopic', 'closeTopic', 'willTopic']) assert.equal(server?.[key], '', key);
    assert.equal(ofType('mqtt in').length, 2);
    for (const { topic = '', broker, name } of ofType('mqtt in')) {
      assert.equal(broker, server?.id);
      assert.ok(
        topics.some((t) => matches(topic, t)),
        `${name} listens to ${topic}`,
      );
    }
  });
}

/** A function of the flow `water-point`. */
const run = (name: string, msg: Record<string, unknown>): unknown => functionOf(name, 'water-point')(msg);

test('the function of the flow passes values on, and bad readings leave apart', () => {
  const topic = 'sluice/ghat-1/value/pump/pressure';
  const reading = { time: 5, value: 3.04, unit: 'bar', quality: 'good' };
  const passed = { topic, payload: 3.04, point: 'pump.pressure', unit: 'bar', time: 5 };
  assert.deepEqual(run('good readings only', { topic, payload: reading }), [passed, null]);
  const uncertain = { ...reading, quality: 'uncertain', reason: 'out-of-range' };
  assert.deepEqual(run('good readings only', { topic, payload: uncertain }), [passed, null]);
  const bad = { time: 5, value: null, unit: 'bar', quality: 'bad', reason: 'timeout' };
  assert.deepEqual(run('good readings only', { topic, payload: bad }), [
    null,
    { topic, point: 'pump.pressure', payload: 'pump.pressure is bad: timeout' },
  ]);
  assert.equal(run('good readings only', { topic, payload: '' }), null);
});

test('a command from upstream is judged by the clock of the gateway, whatever the system says', () => {
  const kept = new Map<string, unknown>();
  const flow = { get: (key: string) => kept.get(key), set: (key: string, value: unknown) => kept.set(key, value) };
  const env = { get: () => 'pump.speed' };
  const expires = 1_795_600_000_000;
  for (const now of [0, expires + 1e12]) {
    const check = functionOf('check', 'upstream-command', { flow, env, Date: { now: () => now } });
    const payload = JSON.stringify({ id: `c-${now}`, point: 'pump.speed', value: 4, expires });
    assert.deepEqual(check({ payload }), [{ commandId: `c-${now}`, point: 'pump.speed', payload: 4, expires }, null]);
  }
  const check = functionOf('check', 'upstream-command', { flow, env });
  for (const wrong of [undefined, '1795600000000', 1.5, -1, null]) {
    const payload = JSON.stringify({ id: 'c-9', point: 'pump.speed', value: 4, expires: wrong });
    assert.match(JSON.stringify(check({ payload })), /expires is missing/);
  }
});

test('the function of the flow says an alarm in words', () => {
  const payload = { rule: 'overpressure', state: 'normal', severity: 'critical', message: 'back to normal' };
  const topic = 'sluice/ghat-1/alarm/overpressure';
  assert.deepEqual(run('alarm in words', { topic, payload }), {
    topic,
    payload: 'overpressure is normal (critical): back to normal',
  });
  assert.equal(run('alarm in words', { topic, payload: '' }), null);
});
