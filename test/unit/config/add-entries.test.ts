/** Entries added to a file of a person: what was there stays as it is. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { addEntries } from '../../../src/config/add-entries.ts';

const FILE = `# My site
gateway: {id: clinic-1}   # the name

buses:
    field: {protocol: modbus-tcp, host: 10.0.0.5}

rules:
    # The first one.
    warm:
        point: a.b   # the fridge
        above: 8
# The end of the rules.

broker: {listen: {port: 1883}}
`;

test('comments, spaces and the order of the file stay, and the entries stand in their sections', () => {
  const made = addEntries(FILE, { rules: { cold: { point: 'a.b', below: 0 } }, devices: { d: { bus: 'x' } } }, 'rule pack p');
  assert.equal(
    made,
    FILE.replace(
      '        above: 8\n',
      '        above: 8\n    # rule pack p\n    cold:\n      point: a.b\n      below: 0\n',
    ).concat('\ndevices:\n  # rule pack p\n  d:\n    bus: x\n'),
  );
});

test('an empty section, a missing one and an empty file take entries', () => {
  const entry = { rules: { a: { point: 'd.p', above: 1 } } };
  for (const text of ['', 'rules:\n', 'rules:', 'gateway: {id: g}\nrules:   # none yet\nbroker: {}\n'])
    assert.deepEqual(parse(addEntries(text, entry, 'c')).rules, entry.rules, JSON.stringify(text));
});

test('a section in braces, a name that is taken and a broken file are refused in words', () => {
  const entry = { rules: { a: { point: 'd.p', above: 1 } } };
  assert.throws(() => addEntries('rules: {b: {point: x.y, above: 1}}\n', entry, 'c'), /is written in braces/);
  assert.throws(() => addEntries('rules:\n  a: {point: x.y, above: 1}\n', entry, 'c'), /rules has a already/);
  assert.throws(() => addEntries('rules: [\n', entry, 'c'), /that can be read/);
  assert.throws(() => addEntries('- a\n', entry, 'c'), /that can be read/);
});

test('sections at the end of a file and sections that are not there yet take their own entries', () => {
  const entries = {
    buses: { derived: { protocol: 'derived' } },
    devices: { air: { bus: 'derived' } },
    rules: { r: { above: 1 } },
  };
  for (const text of [
    'buses:\n  a: 1\ndevices:\n  x: 1\n',
    'devices:\n  x: 1\nbuses:\n  a: 1',
    'rules:\n  z: 1\n',
    'gateway: {id: g}\n',
  ]) {
    const before = parse(text);
    const made = parse(addEntries(text, entries, 'p'));
    for (const [name, added] of Object.entries(entries)) assert.deepEqual(made[name], { ...before[name], ...added }, text);
    assert.deepEqual(made.gateway, before.gateway);
  }
});

test('each file keeps its data and gains exactly the entries', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
  const value = fc.oneof(fc.integer(), fc.string({ maxLength: 12 }), fc.boolean(), fc.array(fc.integer(), { maxLength: 3 }));
  const entries = fc.dictionary(name, fc.dictionary(name, value, { minKeys: 1, maxKeys: 4, noNullPrototype: true }), {
    minKeys: 1,
    maxKeys: 5,
    noNullPrototype: true,
  });
  const line = (data: object, indent: number) =>
    Object.entries(data)
      .map(([key, part]) => `${' '.repeat(indent)}${key}: ${JSON.stringify(part)}\n`)
      .join('');
  fc.assert(
    fc.property(entries, entries, fc.integer({ min: 1, max: 6 }), fc.boolean(), (old, added, indent, last) => {
      const fresh = Object.fromEntries(Object.entries(added).map(([key, part]) => [`n-${key}`, part]));
      const before = Object.fromEntries(Object.entries(old).filter(([key]) => !(key in fresh)));
      fc.pre(Object.keys(before).length > 0);
      const text = `# top\nrules:\n${line(before, indent)}${last ? '' : '\n# tail\nbroker: {}\n'}`;
      const made = addEntries(text, { rules: fresh }, 'pack');
      assert.deepEqual(parse(made).rules, { ...before, ...fresh });
      assert.ok(made.includes('# top\n') && (last || made.includes('# tail\n')));
    }),
  );
});

test('line ends of Windows stay one kind, and a comment of the last entry stays with it', () => {
  const text = 'rules:\r\n  warm:\r\n    point: a.b\r\n    # of warm\r\n  # of the section\r\nbroker: {}\r\n';
  assert.equal(
    addEntries(text, { rules: { cold: { point: 'a.b', below: 0 } } }, 'rule pack p'),
    text.replace('of warm\r\n', 'of warm\r\n  # rule pack p\r\n  cold:\r\n    point: a.b\r\n    below: 0\r\n'),
  );
});
