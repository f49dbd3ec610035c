import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { comparable } from '../../../src/config/compare.ts';
import { inFileOrder, pathText } from '../../../src/config/fault.ts';
import { duration, name, size } from '../../../src/config/schema-parts.ts';
import { distance, nearest } from '../../../src/config/suggest.ts';
import { SecretText } from '../../../src/core/secret.ts';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../../src/core/units.ts';

test('every whole number of a duration unit is read exactly, and what is formatted reads back', () => {
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 100_000 }), fc.constantFrom(...(['ms', 's', 'm', 'h', 'd'] as const)), (n, u) => {
      assert.equal(parseDuration(`${n}${u}`), n * unit[u]);
      assert.equal(duration().parse(`${n}${u}`), n * unit[u]);
      assert.equal(
        parseDuration(formatDuration(n * unit[u])),
        n * unit[u] >= 1000 && (n * unit[u]) % 1000 !== 0 ? Math.round((n * unit[u]) / 100) * 100 : n * unit[u],
      );
    }),
  );
  assert.equal(parseDuration('1.5s'), 1500);
});

test('durations and sizes: everything else is refused', () => {
  for (const text of ['', '5', 's', '-5s', '5 s', '5S', '5sec', '1h30m', ' 5s', '5s ', '1e3s', '.5s', '5.s', 'Infinitys']) {
    assert.equal(parseDuration(text), undefined, text);
    assert.equal(duration().safeParse(text).success, false, text);
  }
  for (const text of ['', '5', 'MB', '-5MB', '5 MB', '5mb', '5TB', '1e3MB']) {
    assert.equal(parseSize(text), undefined, text);
    assert.equal(size().safeParse(text).success, false, text);
  }
  fc.assert(
    fc.property(fc.string(), (text) => assert.equal(duration().safeParse(text).success, parseDuration(text) !== undefined)),
  );
});

test('bounds of a duration are told in units', () => {
  const result = duration({ min: 1000, max: 60_000 }).safeParse('2m');
  assert.match(result.error?.issues[0]?.message ?? '', /too long: at most 1m/);
  assert.equal(duration({ min: 1000 }).safeParse('999ms').success, false);
  assert.equal(duration({ min: 1000 }).safeParse('1s').success, true);
});

test('sizes are binary, and formatted as they are written', () => {
  assert.equal(parseSize('64MB'), 64 * 1024 * 1024);
  assert.equal(parseSize('1.5kB'), 1536);
  assert.equal(formatSize(256 * 1024 ** 2), '256MB');
  assert.equal(formatSize(1536), '1.5kB');
  assert.equal(formatSize(12), '12B');
});

test('names', () => {
  for (const good of ['a', '0', 'fridge-1', 'pm2_5', 'x'.repeat(64)]) assert.equal(name().safeParse(good).success, true, good);
  for (const bad of ['', 'A', '-a', '_a', 'a.b', 'a b', 'ä', 'a/b', 'a+', '#', 'x'.repeat(65), 'a\n'])
    assert.equal(name().safeParse(bad).success, false, bad);
});

test('suggestions: one slip is found, another word is not forced', () => {
  assert.equal(distance('abc', 'acb'), 1);
  assert.equal(distance('kitten', 'sitting'), 3);
  assert.equal(nearest('baudrate', ['baudRate', 'parity']), 'baudRate');
  assert.equal(nearest('intreval', ['unit', 'interval']), 'interval');
  assert.equal(nearest('colour', ['port', 'parity', 'timeout']), undefined);
  assert.equal(nearest('x'.repeat(100_000), ['x']), undefined);
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), fc.string({ maxLength: 20 }), (a, b) => {
      assert.equal(distance(a, b), distance(b, a));
      assert.equal(distance(a, a), 0);
      assert.ok(distance(a, b) <= Math.max(a.toLowerCase().length, b.toLowerCase().length));
    }),
  );
});

test('a secret shows itself to nobody, and a changed one is noticed', () => {
  const secret = new SecretText('hunter2');
  const holder = { password: secret, list: [secret] };
  for (const text of [
    JSON.stringify(holder),
    inspect(holder, { depth: 9, showHidden: true }),
    `${secret}`,
    String(secret),
    Object.values(secret).join(),
  ])
    assert.doesNotMatch(text, /hunter2/);
  assert.match(inspect(holder), /\[secret\]/);
  assert.match(JSON.stringify(secret), /^"\[secret #[0-9a-f]{8}\]"$/);
  assert.equal(secret.reveal(), 'hunter2');
  assert.equal(comparable({ a: secret }), comparable({ a: new SecretText('hunter2') }));
  assert.notEqual(comparable({ a: secret }), comparable({ a: new SecretText('hunter3') }));
  assert.notEqual(comparable(new Map([['a', 1]])), comparable(new Map([['a', 2]])));
});

test('faults stand in file order, each once', () => {
  const fault = (file: string, line: number, message = 'm') => ({ file, line, column: 1, path: 'p', message });
  const faults = [fault('b', 1), fault('a', 9), fault('a', 2), fault('a', 2), fault('a', 2, 'other')];
  assert.deepEqual(
    inFileOrder(faults, ['a', 'b']).map((f) => `${f.file}${f.line}${f.message}`),
    ['a2m', 'a2other', 'a9m', 'b1m'],
  );
  assert.equal(pathText(['a', 'b', 0, 'c']), 'a.b[0].c');
});
