/** Flows that come beside others: nothing that is there changes, and what comes fits together again under fresh ids. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { addFlows, type FlowNode } from '../../../src/node-red/child/add-flows.ts';

let made = 0;
const fresh = (): string => (0x1000000000000000n + BigInt(++made)).toString(16);
const broker = { id: 'b', type: 'mqtt-broker', name: 'Mine', broker: 'localhost', port: '1883' };
const present: FlowNode[] = [
  { id: 'a', type: 'tab', label: 'Pump' },
  { ...broker, id: 'kept' },
  { id: 'n', type: 'debug', z: 'a', x: 1, y: 1, wires: [] },
];

test('wires, links, groups, subflows and shared nodes fit together under fresh ids', () => {
  const added: FlowNode[] = [
    { id: 'a', type: 'tab', label: 'Pump' },
    { id: 'g', type: 'group', z: 'a', nodes: ['n', 'm'], x: 1, y: 1 },
    { id: 'n', type: 'mqtt in', z: 'a', g: 'g', broker: 'b', name: 'b', topic: 'b', x: 1, y: 1, wires: [['m', 's'], []] },
    { id: 'm', type: 'link out', z: 'a', g: 'g', links: ['l'], x: 1, y: 1, wires: [] },
    { id: 'l', type: 'link in', z: 'a', links: ['m'], x: 1, y: 1, wires: [['s']] },
    { id: 'sub', type: 'subflow', name: 'Sub', in: [{ wires: [{ id: 'i' }] }], out: [{ wires: [{ id: 'i', port: 0 }] }] },
    { id: 'i', type: 'catch', z: 'sub', scope: ['i'], x: 1, y: 1, wires: [[]] },
    { id: 's', type: 'subflow:sub', z: 'a', env: [{ name: 'B', type: 'conf-type', value: 't' }], x: 1, y: 1, wires: [[]] },
    { id: 't', type: 'tls-config', cert: 'x' },
    { ...broker, name: 'Another name' },
  ];
  const { flows, labels } = addFlows(present, added, fresh);
  assert.deepEqual(flows.slice(0, 3), present, 'what was there is as it was');
  assert.deepEqual(labels, ['Pump (2)']);
  const came = flows.slice(3);
  assert.equal(came.length, 9, 'the same broker is there already');
  const of = (type: string): FlowNode => came.find((node) => node.type.startsWith(type)) ?? assert.fail(type);
  const [tab, group, mqtt, out, into, sub, inner, tls] = [
    'tab',
    'group',
    'mqtt in',
    'link out',
    'link in',
    'subflow',
    'catch',
    'tls',
  ].map(of);
  const instance = of(`subflow:${sub?.id}`);
  assert.deepEqual([mqtt?.z, mqtt?.g, mqtt?.broker], [tab?.id, group?.id, 'kept']);
  assert.deepEqual([mqtt?.name, mqtt?.topic], ['b', 'b'], 'texts for people stay');
  assert.deepEqual(mqtt?.wires, [[out?.id, instance.id], []]);
  assert.deepEqual([out?.links, into?.links, into?.wires], [[into?.id], [out?.id], [[instance.id]]]);
  assert.deepEqual(group?.nodes, [mqtt?.id, out?.id]);
  assert.deepEqual(sub?.in, [{ wires: [{ id: inner?.id }] }]);
  assert.deepEqual(sub?.out, [{ wires: [{ id: inner?.id, port: 0 }] }]);
  assert.deepEqual([inner?.z, inner?.scope], [sub?.id, [inner?.id]]);
  assert.deepEqual(instance.env, [{ name: 'B', type: 'conf-type', value: tls?.id }]);
  for (const node of came) assert.match(node.id, /^[0-9a-f]{16}$/);
});

test('a configuration node with other settings, or a disabled one, is not used by what comes', () => {
  const other = addFlows(present, [{ ...broker, port: '1884' }], fresh);
  assert.equal(other.flows.length, 4);
  const disabled = addFlows([{ ...broker, id: 'kept', d: true }], [broker], fresh);
  assert.equal(disabled.flows.length, 2);
});

test('nodes without their tab get one tab of their own', () => {
  const { flows, labels } = addFlows(
    present,
    [{ id: 'x', type: 'debug', z: 'elsewhere', g: 'gone', x: 1, y: 1, wires: [] }],
    fresh,
  );
  assert.deepEqual(labels, ['Imported']);
  const [tab, node] = flows.slice(3);
  assert.deepEqual([tab?.type, node?.z, node?.g], ['tab', tab?.id, undefined]);
});

test('what is loaded many times is there many times, and no id stands twice', () => {
  const ids = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}$/), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(ids, fc.integer({ min: 1, max: 6 }), (names, times) => {
      const set: FlowNode[] = [
        { id: '0', type: 'tab', label: 'T' },
        ...names.map((id, i) => ({ id, type: 'debug', z: '0', x: 1, y: 1, wires: [[names[(i + 1) % names.length] ?? id]] })),
      ];
      let flows: readonly FlowNode[] = set;
      for (let i = 0; i < times; i++) flows = addFlows(flows, set, fresh).flows;
      assert.equal(flows.length, set.length * (times + 1));
      const all = new Map(flows.map((node) => [node.id, node]));
      assert.equal(all.size, flows.length);
      assert.equal(new Set(flows.filter(({ type }) => type === 'tab').map(({ label }) => label)).size, times + 1);
      for (const node of flows)
        for (const wire of (node.wires as string[][] | undefined)?.flat() ?? [])
          assert.equal(all.get(wire)?.z, node.z, 'wires stay on their tab');
    }),
  );
});
