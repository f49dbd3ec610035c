/** Loops and contradictions between the actions of rules. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { actionConflicts } from '../../../src/config/action-conflicts.ts';
import type { ResolvedAction } from '../../../src/config/actions.ts';
import type { ResolvedRule } from '../../../src/config/kinds.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { kinds } from '../../../src/gateway/registry.ts';

const root = path.join(import.meta.dirname, '../../..');

function warningsOf(rules: string): string[] {
  const text = `
gateway: {id: g1}
buses: {field: {protocol: modbus-tcp, host: 127.0.0.1, port: 502}}
devices:
  pump:
    bus: field
    unit: 1
    points:
      level: {table: input, address: 0, type: uint16}
      heat: {table: input, address: 1, type: uint16}
      run: {table: coil, address: 0, type: bool, write: {}}
      lamp: {table: coil, address: 1, type: bool, write: {}}
      valve: {table: coil, address: 2, type: bool, write: {safe: {value: false, offline: 10m}}}
forwarders: {cloud: {type: mqtt, url: 'mqtt://127.0.0.1:1', password: x, username: y}}
rules:
${rules}`;
  const { faults, warnings } = loadConfigText(text, 'gateway.yaml', kinds, {
    profileDirs: [path.join(root, 'hardware-profiles/devices')],
    env: {},
  });
  assert.deepEqual(faults, []);
  return warnings.map(({ path: at, message }) => `${at}: ${message}`).filter((text) => text.startsWith('rules.'));
}

const rule = (name: string, point: string, actions: ResolvedAction[] = [], inputs: string[] = []): ResolvedRule => ({
  ...{ name, device: point.split('.')[0] ?? '', point: point.split('.')[1] ?? '', kind: 'above', setting: 1 },
  ...{ deadband: 0, onDelay: 0, offDelay: 0, severity: 'warning', actions, inputs },
});
const write = (point: string, value: number): ResolvedAction => ({ kind: 'write', on: ['active'], point, value, retries: 0 });
const rulesOf = (rules: ResolvedRule[], derived: [string, string[]][] = []) => ({
  ...{ rules: new Map(rules.map((one) => [one.name, one])), derived: new Map(derived), safe: new Map() },
});

test('two rules that write different values to one point are warned about', () => {
  const rules = (interlock = '') => `
  dry: {point: pump.level, below: 3, do: [{write: pump.run, value: false}, {on: [normal], write: pump.run, value: true}]${interlock}}
  hot: {point: pump.heat, above: 90, do: [{write: pump.run, value: false}]}`;
  assert.deepEqual(warningsOf(rules()), [
    'rules.hot: pump.run is written by the rule dry (true) and by this rule (false): the last one to act wins; write interlock: [pump.run] in the rule that must win',
  ]);
  assert.deepEqual(warningsOf(rules(', interlock: [pump.run]')), [], 'the interlock says who wins');
});

test('rules may share an output and a value', () => {
  assert.deepEqual(
    warningsOf(`
  dry: {point: pump.level, below: 3, do: [{output: pump.lamp}, {write: pump.run, value: false}]}
  hot: {point: pump.heat, above: 90, do: [{output: pump.lamp, while: unacknowledged}, {write: pump.run, value: false}]}`),
    [],
  );
});

test('a safe value and an interlocked output are warned about', () => {
  assert.deepEqual(
    warningsOf(`
  dry: {point: pump.level, below: 3, do: [{write: pump.valve, value: true}], interlock: [pump.lamp]}
  hot: {point: pump.heat, above: 90, do: [{output: pump.lamp}]}`),
    [
      'rules.dry: pump.valve has the safe value false for an outage (write.safe.offline), and this rule writes true: the last one to act wins',
      'rules.hot: the output pump.lamp is refused while the interlock of the rule dry holds',
    ],
  );
});

test('a loop by way of a derived point and a second input is a fault with the whole way', () => {
  const rules = [rule('a', 'd.x', [write('d.y', 1)]), rule('b', 'd.other', [write('d.x', 1)], ['d.sum'])];
  assert.deepEqual(actionConflicts(rulesOf(rules)), [], 'nothing leads back');
  const [loop, ...more] = actionConflicts(rulesOf(rules, [['d.sum', ['d.y', 'd.z']]]));
  assert.deepEqual(more, []);
  assert.equal(loop?.severity, 'fault');
  assert.match(
    loop?.message ?? '',
    /it writes d\.y; d\.sum follows from d\.y; the rule b watches d\.sum and writes d\.x; and it watches d\.x itself|it writes d\.x; the rule a watches d\.x and writes d\.y; d\.sum follows from d\.y; and it watches d\.sum itself/,
  );
});

test('a loop is found exactly where one is, in any graph of rules', () => {
  const pair = fc.tuple(fc.nat(7), fc.nat(7));
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 12 }), (edges) => {
      // Rule i watches the point of its first number and writes that of its second.
      const rules = edges.map(([from, to], i) => rule(`r${i}`, `d.p${from}`, [write(`d.p${to}`, 1)]));
      const reach = (from: number, seen = new Set<number>()): Set<number> => {
        for (const [a, b] of edges) if (a === from && !seen.has(b)) reach(b, seen.add(b));
        return seen;
      };
      const loops = edges.some(([from]) => reach(from).has(from));
      assert.equal(
        actionConflicts(rulesOf(rules)).some(({ severity }) => severity === 'fault'),
        loops,
      );
    }),
  );
});

test('ten thousand rules in a row are looked through', () => {
  const rules = Array.from({ length: 10_000 }, (_, i) => rule(`r${i}`, `d.p${i}`, [write(`d.p${i + 1}`, 1)]));
  assert.deepEqual(actionConflicts(rulesOf(rules)), []);
  const [loop] = actionConflicts(rulesOf([...rules, rule('last', 'd.p10000', [write('d.p0', 1)])]));
  assert.match(loop?.message ?? '', /; …; and it watches/);
});
