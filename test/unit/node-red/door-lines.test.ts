/** What comes from clients of the socket for flows is checked before anything uses it; and where the socket may lie. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import * as limits from '../../../src/node-red/door/limits.ts';
import { parseLine } from '../../../src/node-red/door/lines.ts';
import { isMeant, parsePattern, parsePoint } from '../../../src/node-red/door/patterns.ts';
import { letIn, prepare, socketOf } from '../../../src/node-red/door/place.ts';
import { readingIn } from '../../../src/node-red/door/puts.ts';
import { parseAccepted } from '../../../src/pipeline/accepted-points.ts';
import { scratch } from '../../harness/scratch.ts';

const SAYS = ['hello', 'subscribe', 'credit', 'unsubscribe', 'call', 'other'];
const DOES = ['latest', 'history', 'write', 'acknowledge', 'shelve', 'put', 'alarms', 'status', '__proto__'];
const KEYS = [
  'points',
  'alarms',
  'mode',
  'every',
  'quality',
  'credit',
  'n',
  'point',
  'value',
  'from',
  'to',
  'most',
  'rule',
  'for',
  'readings',
  'v',
  'token',
  'initial',
  'expires',
  'occurrence',
  'reason',
];

test('door lines: any text gives a line within its bounds or a fault in words', () => {
  const value = fc.oneof(
    fc.anything({ maxDepth: 2 }),
    fc.constantFrom<unknown>('d.a', ['d.*'], ['*'], 5, 1e300, -1, null, 'every', true),
  );
  const line = fc
    .tuple(
      fc.constantFrom(...SAYS),
      fc.constantFrom(...DOES),
      fc.string({ maxLength: 80 }),
      fc.dictionary(fc.constantFrom(...KEYS), value),
    )
    .map(([type, does, id, keys]) => ({ type, do: does, id, ...keys }));
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    line.map((one) => JSON.stringify(one, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v))),
  );
  fc.assert(
    fc.property(text, (given) => {
      const parsed = parseLine(given);
      if ('fault' in parsed) {
        assert.match(parsed.fault, /\w/);
        return;
      }
      if (parsed.type === 'credit') assert.ok(parsed.n >= 1 && parsed.n <= limits.MOST_CREDIT);
      if (parsed.type === 'subscribe') assert.ok(parsed.credit >= 1 && parsed.credit <= limits.MOST_CREDIT);
      if (parsed.type !== 'call') return;
      const { call } = parsed;
      if (call.do === 'history')
        assert.ok(call.from <= call.to && call.most <= limits.MOST_HISTORY && (call.every ?? 1000) >= 1000);
      if (call.do === 'put') assert.ok(call.readings.length <= limits.MOST_PUT);
      if (call.do === 'latest') assert.ok(call.points.length <= limits.MOST_LATEST);
    }),
    { numRuns: 3000 },
  );
});

test('door lines: any reading is one within its bounds or a refusal', () => {
  const now = 1.8e12;
  const source = { now: () => now, offset: () => now - 5000 };
  const value = fc.oneof(fc.anything({ maxDepth: 1 }), fc.double(), fc.string({ maxLength: 400 }));
  const reading = fc.record(
    {
      point: fc.oneof(fc.constantFrom('d.a', 'D.a', '__proto__.x', 'a.b.c', '.'), fc.string()),
      value,
      unit: value,
      bad: value,
      time: fc.oneof(fc.double(), fc.integer({ min: now - 100_000, max: now + 100_000 })),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(reading, fc.anything()), (given) => {
      const got = readingIn(given, source);
      if ('message' in got) return;
      assert.match(`${got.device}.${got.point}`, /^[a-z0-9][a-z0-9_-]*\.[a-z0-9][a-z0-9_-]*$/);
      assert.ok(got.at <= 5000 && got.at >= 5000 - limits.OLDEST_PUT);
      if (typeof got.value === 'number') assert.ok(Number.isFinite(got.value));
      else if (typeof got.value === 'string') assert.ok(got.value.length <= 250);
      else assert.ok(got.value === null || typeof got.value === 'boolean');
    }),
    { numRuns: 3000 },
  );
});

test('door lines: patterns have a star for all names of a part, and nothing else', () => {
  const means = (pattern: string, device: string, point: string): boolean => {
    const parsed = parsePattern(pattern);
    return parsed !== undefined && isMeant([parsed], device, point);
  };
  assert.deepEqual(
    ['*', '*.*', 'd', 'd.*', '*.a', 'd.a'].map((p) => means(p, 'd', 'a')),
    [true, true, true, true, true, true],
  );
  assert.deepEqual(
    ['e.*', '*.b', 'd.b', 'e.a', 'dd.a'].map((p) => means(p, 'd', 'a')),
    [false, false, false, false, false],
  );
  for (const none of [
    '',
    '.',
    'd.',
    '.a',
    'd*',
    'd.a*',
    'd.a.b',
    'D.a',
    '**',
    ' d.a',
    '__proto__',
    'é.a',
    'x'.repeat(300),
    5,
    null,
  ])
    assert.equal(parsePattern(none), undefined, String(none));
  assert.equal(parsePoint('*.a'), undefined);
});

test('accepted points: what the log has and is none is left out', () => {
  const good = { name: 'room-1', type: 'float64', unit: 'Cel' };
  const points = [good, null, 5, {}, { name: 'x' }, { name: 'x', type: 'int64' }, { name: 'x'.repeat(65), type: 'bool' }];
  assert.deepEqual(parseAccepted({ points }), [good]);
  assert.equal(parseAccepted({ points: new Array(5000).fill(good) }).length, 1000);
  for (const state of [undefined, null, 7, {}, { points: 'x' }]) assert.deepEqual(parseAccepted(state), []);
});

test('door place: what an earlier gateway left is replaced, and what is foreign is refused', async (t) => {
  const folder = path.join(scratch(t, 'place'), 'flows');
  const place = { folder, folderMode: 0o711, mode: 0o600 };
  prepare(place);
  assert.equal(lstatSync(folder).mode & 0o777, 0o711);
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(socketOf(place), resolve));
  letIn(place);
  assert.equal(lstatSync(socketOf(place)).mode & 0o777, 0o600);
  chmodSync(folder, 0o777);
  prepare(place);
  assert.deepEqual([readdirSync(folder), lstatSync(folder).mode & 0o777], [[], 0o711]);
  server.close();
  const outside = path.join(folder, '..', 'outside');
  writeFileSync(outside, 'mine');
  symlinkSync(outside, socketOf(place));
  assert.throws(() => prepare(place), /flows\.sock is no socket.*move it away/);
  assert.ok(lstatSync(socketOf(place)).isSymbolicLink(), 'it stays');
});

test('door place: a link, a file or a foreign folder in place of the folder is refused', (t) => {
  const root = scratch(t, 'place');
  const target = path.join(root, 'target');
  mkdirSync(target);
  symlinkSync(target, path.join(root, 'link'));
  writeFileSync(path.join(root, 'file'), '');
  for (const name of ['link', 'file'])
    assert.throws(() => prepare({ folder: path.join(root, name), folderMode: 0o711, mode: 0o600 }), /is no folder/);
  assert.throws(() => prepare({ folder: path.join(root, 'none'), mode: 0o600 }), /is missing/);
  assert.throws(
    () => prepare({ folder: path.join(root, 'x'.repeat(100)), folderMode: 0o711, mode: 0o600 }),
    /too long for a socket/,
  );
  assert.throws(() => prepare({ folder: '/proc/1/flows', folderMode: 0o711, mode: 0o600 }), /cannot be made|is missing/);
  assert.deepEqual(readdirSync(target), []);
  if (process.getuid?.() !== 0) return;
  chownSync(target, 65_534, 65_534);
  assert.throws(() => prepare({ folder: target, folderMode: 0o711, mode: 0o600 }), /belongs to another user \(uid 65534\)/);
});

test('a call for out of service has an end where it says so', () => {
  const parse = (more: object) =>
    parseLine(JSON.stringify({ type: 'call', id: 'a', do: 'out-of-service', rule: 'warm', reason: 'repair', ...more }));
  const call = { do: 'out-of-service', rule: 'warm', reason: 'repair' } as const;
  assert.deepEqual(parse({}), { type: 'call', id: 'a', call });
  assert.deepEqual(parse({ for: null }), { type: 'call', id: 'a', call });
  assert.deepEqual(parse({ for: 28_800_000 }), { type: 'call', id: 'a', call: { ...call, for: 28_800_000 } });
  for (const wrong of [0, -1, 1.5, '8h', 1e300, true])
    assert.match((parse({ for: wrong }) as { fault: string }).fault, /^for is a whole number/, String(wrong));
});
