/** What a process that may run any code sends: nothing of it is believed, and everything is bounded. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { GRANTS, LONGEST_LINE, LONGEST_TEXT, parseFromChild, parseToChild } from '../../../src/node-red/messages.ts';

const parse = (message: unknown) => parseFromChild(JSON.stringify(message));

test('messages as the process sends them', () => {
  assert.deepEqual(parse({ type: 'hello', pid: 12, allows: ['files', 'exec'] }), {
    ...{ type: 'hello', pid: 12, allows: ['exec', 'files'] },
  });
  assert.deepEqual(parse({ type: 'ready', version: '5.0.7' }), { type: 'ready', version: '5.0.7' });
  assert.deepEqual(parse({ type: 'checked', n: 1, flows: 'started', resident: 5e7 }), {
    ...{ type: 'checked', n: 1, flows: 'started', resident: 5e7, proportional: undefined, disk: undefined },
  });
  const measured = (disk: unknown) => parse({ type: 'checked', n: 1, flows: 'started', resident: 1, disk });
  assert.deepEqual(
    [4096, -1, '4096', 1e300].map((disk) => (measured(disk) as { disk?: number }).disk),
    [4096, undefined, undefined, undefined],
  );
  assert.deepEqual(parse({ type: 'deployed', flows: 'safe' }), { type: 'deployed', flows: 'safe' });
  assert.deepEqual(parse({ type: 'failed', text: 'boom' }), { type: 'failed', text: 'boom' });
  assert.deepEqual(parse({ type: 'held', why: 'x'.repeat(600) }), { type: 'held', why: 'x'.repeat(500) });
  assert.deepEqual(parse({ type: 'held', why: 'x', lost: true }), { type: 'held', why: 'x', lost: true });
  assert.deepEqual(parse({ type: 'held', why: 'x', lost: 1 }), { type: 'held', why: 'x' });
  assert.equal(parse({ type: 'log', level: 'warn', text: 'hot', node: 'n1', suppressed: 3 })?.type, 'log');
});

test('what is no message is none: other types, other forms, numbers that are no counts', () => {
  const wrong: unknown[] = [
    ...[null, 1, 'hello', [], {}, { type: 'stop' }, { type: 'constructor' }, { type: ['hello'], pid: 1 }],
    ...[{ type: 'hello' }, { type: 'hello', pid: -1 }, { type: 'hello', pid: 1.5 }, { type: 'hello', pid: '7' }],
    ...[{ type: 'ready' }, { type: 'ready', version: 5 }],
    ...[
      { type: 'checked', n: 1, flows: 'other', resident: 1 },
      { type: 'checked', n: 1e300, flows: 'started', resident: 1 },
    ],
    ...[
      { type: 'deployed' },
      { type: 'deployed', flows: 1 },
      { type: 'failed', text: {} },
      { type: 'held' },
      { type: 'held', why: '' },
    ],
    ...[
      { type: 'log', level: 'fatal', text: 'x' },
      { type: 'log', level: 'info', text: 1 },
    ],
  ];
  for (const message of wrong) assert.equal(parse(message), undefined, JSON.stringify(message));
  for (const line of ['', '{', 'undefined', '{"type":"ready","version":"5"', '\u0000'])
    assert.equal(parseFromChild(line), undefined);
});

test('grants that it claims are those that exist', () => {
  const hello = parse({ type: 'hello', pid: 1, allows: ['root', 'exec', 'exec', { exec: true }, '__proto__'] });
  assert.deepEqual(hello, { type: 'hello', pid: 1, allows: ['exec'] });
  assert.deepEqual(parse({ type: 'hello', pid: 1, allows: { length: 1e9 } }), { type: 'hello', pid: 1, allows: [] });
  assert.ok(GRANTS.includes('exec'));
});

test('for any line the result is bounded, and nothing is thrown', () => {
  const long = fc.string({ maxLength: 4 * LONGEST_TEXT });
  const message = fc.record(
    {
      type: fc.constantFrom('hello', 'ready', 'checked', 'deployed', 'blocked', 'failed', 'held', 'log'),
      ...{ pid: fc.anything(), n: fc.nat(), resident: fc.nat(), flows: fc.constantFrom('started', 'safe', 'x') },
      ...{ version: long, text: long, level: fc.constantFrom('info', 'error', 'x'), node: long, nodeName: long, nodeType: long },
      ...{ names: fc.array(fc.oneof(long, fc.anything()), { maxLength: 40 }), allows: fc.anything(), suppressed: fc.anything() },
    },
    { requiredKeys: ['type'] },
  );
  fc.assert(
    fc.property(fc.oneof(message, fc.anything()), (value) => {
      const text = JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v));
      const parsed = parseFromChild(text ?? '');
      if (parsed !== undefined) assert.ok(JSON.stringify(parsed).length <= LONGEST_LINE);
    }),
  );
});

test('orders of the gateway', () => {
  assert.deepEqual(parseToChild('{"type":"check","n":3}'), { type: 'check', n: 3 });
  assert.deepEqual(parseToChild('{"type":"stop"}'), { type: 'stop' });
  for (const line of ['', '[]', '{"type":"hello"}', '{']) assert.equal(parseToChild(line), undefined);
});
