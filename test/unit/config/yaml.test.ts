import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { parseYamlBytes, parseYamlText, readYamlFile } from '../../../src/config/yaml-source.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'sluice-yaml-'));
after(() => rmSync(dir, { recursive: true }));

const plain = (text: string): unknown => {
  const source = parseYamlText('x.yaml', text);
  assert.deepEqual(source.faults, []);
  return JSON.parse(JSON.stringify(source.value));
};
const firstFault = (text: string | Uint8Array) => {
  const source = typeof text === 'string' ? parseYamlText('x.yaml', text) : parseYamlBytes('x.yaml', text);
  assert.equal(source.value, undefined);
  const fault = source.faults[0];
  assert.ok(fault !== undefined);
  return fault;
};

test('BOM, CRLF and tabs between tokens change nothing', () => {
  const expected = { a: 1, b: { c: 'x', d: [1, 2] } };
  assert.deepEqual(plain('a: 1\nb:\n  c: x\n  d: [1, 2]\n'), expected);
  assert.deepEqual(plain('\ufeffa:\t1 \t# tab\r\nb:\r\n  c: x\r\n  d: [1,\t2]\r\n'), expected);
  const bytes = parseYamlBytes('x.yaml', Buffer.from('\ufeffa: 1\r\nb: 2\r\n'));
  assert.deepEqual({ ...(bytes.value as object) }, { a: 1, b: 2 });
  assert.deepEqual(bytes.position(['b']), { line: 2, column: 4 });
});

test('anchors, aliases and merge keys are followed, and their values keep their own place', () => {
  const text = 'base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: *b\nthree: {<<: [*b, {z: 4}]}\n';
  assert.deepEqual(plain(text), {
    base: { x: 1, y: 2 },
    one: { y: 3, x: 1 },
    two: { x: 1, y: 2 },
    three: { x: 1, y: 2, z: 4 },
  });
  const source = parseYamlText('x.yaml', text);
  assert.deepEqual(source.position(['one', 'x']), { line: 1, column: 14 });
  assert.deepEqual(source.position(['one', 'y']), { line: 2, column: 18 });
  assert.deepEqual(source.position(['two', 'y']), { line: 1, column: 20 });
});

test('a file that calls itself YAML 1.1 has the meaning of every other file', () => {
  const text = '%YAML 1.1\n---\na: no\nb: 010\nc: 12:30:00\nd: 2026-11-27\n';
  assert.deepEqual(plain(text), { a: 'no', b: 10, c: '12:30:00', d: '2026-11-27' });
});

test('a wrong indent is named by its own line, not by a comment above it', () => {
  const source = parseYamlText('x.yaml', 'site: Ghat 1\ntimezone: Asia/Dhaka\n\n# The destination.\n upstream:\n   url: x\n');
  assert.deepEqual(
    source.faults.map(({ line, column, message }) => [line, column, message]),
    [[5, 2, 'this line is indented deeper than line 2; begin both in the same column (1)']],
  );
});

test('one mistake is one fault: an unknown merge, brackets without an end, line ends of CR', () => {
  const words = (text: string) => parseYamlText('x.yaml', text).faults.map(({ message }) => message.split(/[;(]/)[0]?.trim());
  assert.deepEqual(words('a: {<<: *gone}\n'), ['there is no anchor']);
  assert.deepEqual(words('['.repeat(5000)), ['the brackets or indents are nested too deeply to be read']);
  assert.deepEqual(words('# gateway\rgateway: {id: g}\r'), ['each line ends with a CR alone, which begins no new line']);
});

test('an anchor that is defined again holds from there on', () => {
  assert.deepEqual(plain('a: &x 1\nb: *x\nc: &x 2\nd: *x\n'), { a: 1, b: 1, c: 2, d: 2 });
});

test('positions: value, key, empty value, list entry, and the nearest parent of a missing one', () => {
  const source = parseYamlText('x.yaml', 'a:\n  b: 1\n  c:\n  d: [5, {e: 6}]\n');
  assert.deepEqual(source.position(['a', 'b']), { line: 2, column: 6 });
  assert.deepEqual(source.position(['a', 'b'], 'key'), { line: 2, column: 3 });
  assert.deepEqual(source.position(['a', 'c']), { line: 3, column: 3 });
  assert.deepEqual(source.position(['a', 'd', 1, 'e']), { line: 4, column: 14 });
  assert.deepEqual(source.position(['a', 'missing', 'deeper']), { line: 1, column: 1 });
});

test('keys that mean something to JavaScript are nothing but keys', () => {
  const source = parseYamlText('x.yaml', '__proto__: {polluted: yes}\nconstructor: 1\n');
  assert.deepEqual(Object.keys(source.value as object), ['__proto__', 'constructor']);
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

test('damaged texts are refused in words, with the line', () => {
  assert.match(firstFault('').message, /empty/);
  assert.match(firstFault('---\n').message, /empty/);
  assert.deepEqual([firstFault('a: 1\nb: 2\na: 3\n').line, /twice/.test(firstFault('a: 1\nb: 2\na: 3\n').message)], [3, true]);
  assert.match(firstFault(Buffer.from('a: 1\nb: \xff\xfe\n', 'latin1')).message, /UTF-8/);
  assert.equal(firstFault(Buffer.from('a: 1\nb: \xe9\n', 'latin1')).line, 2);
  assert.match(firstFault(Buffer.from('a: 1', 'utf16le')).message, /NUL/);
  assert.match(firstFault('a: x\0y\n').message, /NUL/);
});

test('nesting and expansion are bounded', () => {
  assert.match(firstFault('['.repeat(30_000)).message, /nested|closing/);
  // Files for which the parser would need more memory than a gateway has.
  for (const text of ['[', '- ', '1,', ': ', '#\n', '{a: '])
    assert.match(firstFault(`x: [${text.repeat(100_000)}`).message, /more than 40,000/, text);
  assert.match(firstFault(`${'['.repeat(60)}${']'.repeat(60)}`).message, /nested/);
  const bomb = `a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n${Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i}, `.repeat(10)}]\n`).join('')}`;
  assert.match(firstFault(bomb).message, /too many values/);
  assert.match(firstFault('a: &a [*a]\n').message, /nested/);
  // One anchor used by many is no bomb.
  const many = `base: &b {x: 1}\n${Array.from({ length: 500 }, (_, i) => `k${i}: *b\n`).join('')}`;
  assert.equal(Object.keys(plain(many) as object).length, 501);
});

test('a 20 MB file is refused without being read', () => {
  const file = path.join(dir, 'big.yaml');
  writeFileSync(file, 'gateway: {id: g}\n');
  truncateSync(file, 20 * 1024 * 1024);
  const source = readYamlFile(file);
  assert.equal(source.value, undefined);
  assert.match(source.faults[0]?.message ?? '', /20\.0 MB and was not read; at most 1 MB/);
});

test('what is no file is refused in words, without waiting for it', () => {
  assert.match(readYamlFile(path.join(dir, 'none.yaml')).faults[0]?.message ?? '', /no such file/);
  assert.match(readYamlFile(dir).faults[0]?.message ?? '', /folder/);
  assert.match(readYamlFile('/dev/zero').faults[0]?.message ?? '', /not an ordinary file/);
  const fifo = path.join(dir, 'fifo');
  execFileSync('mkfifo', [fifo]);
  assert.match(readYamlFile(fifo).faults[0]?.message ?? '', /not an ordinary file/);
  assert.equal(readYamlFile(path.join(dir, 'none.yaml')).faults[0]?.message, 'there is no such file', 'a profile or a case');
});

test('no bytes and no text throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void parseYamlBytes('x', bytes)),
    { numRuns: 300 },
  );
  const token = fc.constantFrom(
    ...[
      'a',
      'b: ',
      '- ',
      '\n',
      '\n  ',
      '\t',
      '{',
      '}',
      '[',
      ']',
      ',',
      '"',
      "'",
      '&a ',
      '*a',
      '<<: ',
      '!t ',
      '|',
      '>',
      '#',
      '%',
      '---\n',
      '? ',
      '1',
      '~',
      '\0',
      '\r\n',
      '...',
    ],
  );
  fc.assert(
    fc.property(fc.array(token, { maxLength: 40 }), (tokens) => {
      const source = parseYamlText('x', tokens.join(''));
      for (const fault of source.faults) {
        assert.ok(fault.line >= 1 && fault.column >= 1);
        assert.ok(fault.message.length > 0);
      }
      assert.equal(source.value === undefined, source.faults.length > 0);
    }),
    { numRuns: 2000 },
  );
});
