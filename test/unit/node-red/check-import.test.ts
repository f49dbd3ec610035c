/** Imports of flows: what every version of Node-RED exports is taken, and what would harm Node-RED is refused with words. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { MOST_FLOWS, MOST_NODES } from '../../../src/core/flow-revisions.ts';
import { importedFlows } from '../../../src/node-red/revisions/check-import.ts';
import { MOST_DEEP } from '../../../src/node-red/revisions/nesting.ts';

const tab = { id: 't1', type: 'tab', label: 'Tab' };
const node = { id: 'n1', type: 'debug', z: 't1', x: 10, y: 20, wires: [] };
const refused = (given: unknown, words: RegExp): void =>
  assert.throws(
    () => importedFlows(given),
    (thrown: Error) => {
      assert.match(thrown.message, /^these flows cannot be imported: /);
      assert.match(thrown.message, words);
      assert.ok(thrown.message.length < 400, thrown.message);
      return true;
    },
  );

test('exports of all versions of Node-RED are taken', () => {
  const list = JSON.stringify([tab, node]);
  assert.equal(importedFlows([tab, node]), list);
  assert.equal(importedFlows({ flows: [tab, node], rev: 'abc' }), list, 'as the API of version 2 gives them');
  const one = JSON.parse(importedFlows({ id: 't1', label: 'Tab', nodes: [node], configs: [{ id: 'c', type: 'mqtt-broker' }] }));
  assert.deepEqual(
    one.map((entry: { id: string }) => entry.id),
    ['t1', 'n1', 'c'],
    'one flow, as /flow/ID gives it',
  );
  // Node-RED 1 and older: ids with a dot, and nodes without their tab.
  const old = [{ id: '1f2e3d.c4b5a', type: 'inject', z: '9a8b7c.6d5e4', x: 1, y: 1, wires: [['2b.3c']] }];
  assert.equal(importedFlows(old), JSON.stringify(old));
});

test('names that every object has are refused as ids, types and keys', () => {
  for (const id of ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'global', 'a b', '', 'x'.repeat(65), 7, null])
    refused([{ ...tab, id }], /entry 1 has no id that Node-RED can use/);
  for (const type of ['__proto__', 'valueOf', '', 7, 'x'.repeat(201)]) refused([{ ...node, type }], /n1 has no type/);
  refused(JSON.parse('[{"id":"a","type":"debug","__proto__":{"polluted":1}}]'), /has the key __proto__/);
  refused(
    JSON.parse('[{"id":"a","type":"debug","rules":[{"deep":{"constructor":{"prototype":{}}}}]}]'),
    /has the key constructor/,
  );
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

test('what is no list of nodes, has nodes twice, or has no type left is refused', () => {
  for (const given of [null, 7, 'text', {}, { flows: {} }, { nodes: 5 }]) refused(given, /is not an export of Node-RED/);
  refused([], /there are no nodes in it/);
  refused([tab, 5], /entry 2 is not a node/);
  refused([tab, [node]], /entry 2 is not a node/);
  refused([tab, node, { ...node }], /two of its nodes have the id n1/);
  refused([{ ...node, type: 'unknown' }], /n1 has no type any more/);
  refused([{ ...node, wires: {} }], /wires of the node n1/);
  refused([{ ...node, wires: [null] }], /wires of the node n1/);
  refused([{ ...node, wires: [['n1'], 5] }], /wires of the node n1/);
  refused([{ ...node, x: 'left' }], /x is not a number/);
});

test('an import that is deep, long or large is refused before it is written out', () => {
  let deep: unknown = 1;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  refused([{ ...node, deep }], /more than 30 lists and objects/);
  refused(
    Array.from({ length: 100_000 }, (_, i) => ({ id: `n${i}`, type: 'debug' })),
    new RegExp(`at most ${MOST_NODES} can`),
  );
  refused([{ ...node, name: 'x'.repeat(MOST_FLOWS) }], /more than 5000000 bytes/);
  const most = Array.from({ length: MOST_NODES }, (_, i) => ({ id: `n${i}`, type: 'debug' }));
  assert.ok(importedFlows(most).length > 0);
});

const group = (id: string, g?: string) => ({ id, type: 'group', z: 't1', nodes: [], ...(g === undefined ? {} : { g }) });
const subflow = (id: string) => ({ id, type: 'subflow', name: id, in: [], out: [] });
const use = (id: string, of: string, z: string) => ({ id, type: `subflow:${of}`, z, x: 1, y: 1, wires: [] });

test('groups and subflows that hold themselves are refused: Node-RED would hang with them', () => {
  refused([tab, group('g1', 'g1')], /the group g1 is inside of itself/);
  refused(
    [tab, group('g1', 'g3'), group('g2', 'g1'), group('g3', 'g2'), group('g4', 'g1')],
    /the group g[123] is inside of itself/,
  );
  refused([tab, subflow('s1'), use('u1', 's1', 's1'), use('u2', 's1', 't1')], /the subflow s1 is inside of itself/);
  const both = [subflow('s1'), subflow('s2'), subflow('s3')];
  refused(
    [...both, use('u1', 's2', 's1'), use('u2', 's1', 's2'), use('u3', 's3', 's2')],
    /the subflow s[12] is inside of itself/,
  );
  const nested = [
    tab,
    group('g1'),
    group('g2', 'g1'),
    group('g3', 'gone'),
    ...both,
    use('u1', 's1', 't1'),
    use('u2', 's2', 's1'),
  ];
  assert.equal(importedFlows([...nested, use('u3', 's2', 's1'), use('u4', 's3', 's2')]).length > 0, true);
});

test('a few subflows that multiply to millions of nodes are refused', () => {
  const chain = (deep: number, wide: number) => [
    ...[tab, use('u', 's0', 't1'), { ...node, z: `s${deep}` }],
    ...Array.from({ length: deep + 1 }, (_, i) => subflow(`s${i}`)),
    ...Array.from({ length: deep }, (_, i) =>
      Array.from({ length: wide }, (__, k) => use(`s${i}u${k}`, `s${i + 1}`, `s${i}`)),
    ).flat(),
  ];
  refused(chain(11, 6), /its subflows make more than 100000 nodes/);
  refused(chain(1500, 4), /its subflows make more than 100000 nodes/);
  assert.ok(importedFlows(chain(5, 6)).length > 0, 'some ten thousand are taken');
  assert.ok(importedFlows(chain(MOST_DEEP - 1, 1)).length > 0);
  refused(chain(MOST_DEEP, 1), /more than 100 subflows or groups are inside each other/);
});

test('any JSON is taken or refused, and nothing else happens', () => {
  const entry = fc.oneof(
    fc.jsonValue(),
    fc.record({ id: fc.string(), type: fc.string(), wires: fc.jsonValue() }, { requiredKeys: [] }),
  );
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.array(entry), fc.record({ flows: fc.array(entry) })), (given) => {
      try {
        assert.ok(Array.isArray(JSON.parse(importedFlows(given))));
      } catch (thrown) {
        assert.match(String(thrown), /these flows cannot be imported: /);
      }
    }),
    { numRuns: 500 },
  );
});
