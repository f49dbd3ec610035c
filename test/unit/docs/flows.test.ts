/** The flows that come with Sluice: what an import into Node-RED takes, and topics that the gateway really has. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import vm from 'node:vm';
import { loadConfigText } from '../../../src/config/load.ts';
import { matches } from '../../../src/core/topic-filter.ts';
import { kinds } from '../../../src/gateway/registry.ts';

const root = path.join(import.meta.dirname, '..', '..', '..');
/** Node-RED's own, without a package. */
const CORE = ['tab', 'comment', 'debug', 'function', 'switch', 'change', 'inject', 'mqtt in', 'mqtt-broker'];

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

function site() {
  const file = path.join(root, 'examples/water-point/gateway.yaml');
  const { config } = loadConfigText(readFileSync(file, 'utf8'), file, kinds, { profileDirs: [], env: {}, readSecrets: false });
  assert.ok(config?.broker !== undefined);
  return { id: config.gateway.id, broker: config.broker, devices: config.devices, rules: config.rules };
}

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
      assert.ok(CORE.includes(node.type), `${node.type} needs no package`);
      if (node.type === 'tab' || node.type === 'mqtt-broker') continue;
      assert.equal(node.z, tab?.id, `${node.name} is on the tab`);
      const outputs = node.type === 'function' ? node.outputs : node.type === 'mqtt in' ? 1 : 0;
      assert.equal(node.wires?.length, outputs, `outputs of ${node.name}`);
      for (const to of node.wires?.flat() ?? []) assert.equal(byId.get(to)?.z, tab?.id, `${node.name} leads to ${to}`);
    }
    const reached = new Set(nodes.flatMap((node) => node.wires?.flat() ?? []));
    for (const node of nodes)
      if (node.type === 'function' || node.type === 'debug') assert.ok(reached.has(node.id), `something leads to ${node.name}`);
  });

  test(`${file}: it listens to topics that the gateway has, on its broker, and publishes nothing`, () => {
    const { id, broker, devices, rules } = site();
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

/** Runs a function node as Node-RED does. */
function run(name: string, msg: Record<string, unknown>): unknown {
  const nodes = JSON.parse(readFileSync(path.join(root, 'flows/water-point/flow.json'), 'utf8')) as FlowNode[];
  const func = nodes.find((node) => node.name === name)?.func ?? assert.fail(`no ${name}`);
  const result: unknown = vm.runInNewContext(`(function (msg) {${func}\n})`)(msg);
  return JSON.parse(JSON.stringify(result ?? null));
}

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

test('the function of the flow says an alarm in words', () => {
  const payload = { rule: 'overpressure', state: 'normal', severity: 'critical', message: 'back to normal' };
  const topic = 'sluice/ghat-1/alarm/overpressure';
  assert.deepEqual(run('alarm in words', { topic, payload }), {
    topic,
    payload: 'overpressure is normal (critical): back to normal',
  });
  assert.equal(run('alarm in words', { topic, payload: '' }), null);
});
