import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { LinearRegExp } from '../../../src/codecs/serial/linear-regexp.ts';
import { NMEA_FIELDS } from '../../../src/codecs/serial/nmea.ts';
import { nmeaChecksum } from '../../../src/codecs/serial/nmea-sentence.ts';
import { Talker } from '../../../src/codecs/serial/talker.ts';
import { cleanText, MAX_STRING } from '../../../src/codecs/serial/text.ts';
import type { DecodeConfig, FrameConfig, PointConfig } from '../../../src/codecs/serial/types.ts';
import { toReading } from '../../../src/codecs/serial/values.ts';
import type { Sample } from '../../../src/core/point.ts';
import { hasValue, reasonAt } from '../../../src/core/point.ts';
import { reasonName } from '../../../src/core/reasons.ts';

const LINE: FrameConfig = { type: 'line', maxLength: 4096 };
const utf8 = new TextEncoder();
const points = (record: Record<string, PointConfig>) => new Map(Object.entries(record));
const allTypes = points({
  a: { type: 'float64', scale: 0.1, offset: 3, range: { min: 0, max: 10 } },
  b: { type: 'int64' },
  c: { type: 'bool' },
  d: { type: 'string' },
});
const nmeaPoints = new Map(
  [...NMEA_FIELDS].flatMap(([sentence, fields]) =>
    fields.map(
      (field) => [`${sentence}.${field}`, { type: field === 'latitude' ? 'float64' : 'string' } as PointConfig] as const,
    ),
  ),
);
const DECODERS: Readonly<Record<string, { decode: DecodeConfig; seeds: readonly string[]; points?: Map<string, PointConfig> }>> =
  {
    regex: {
      decode: { type: 'regex', pattern: '(?<a>[\\d.]+)\\W*(?<b>-?\\d+)?(?<c>on|off)?(?<d>.*)' },
      seeds: ['12.5', '-3', 'on', ' '],
    },
    csv: {
      decode: { type: 'csv', separator: ',', columns: ['a', 'b', 'c', 'd'], header: false },
      seeds: [',', '"', '""', '1.5', 'nan'],
    },
    'csv with a header': { decode: { type: 'csv', separator: ';', header: true }, seeds: ['a;b;c;d\n', ';', '"', '7'] },
    json: {
      decode: { type: 'json' },
      seeds: ['{"a":', '{"b":1e99', ',"c":true', ',"d":"\\u0000', '"', '}', '[', '123456789012345678'],
    },
    'key=value': { decode: { type: 'key-value', assign: '=' }, seeds: ['a=', 'b = ', 'c=on', ' ', ';', '1.5', 'd=\u001b[1m'] },
    nmea: {
      decode: { type: 'nmea' },
      seeds: ['$', ',', '*', '1', 'A', 'N', '-', '.', '4807.038', '123519', '230394'],
      points: nmeaPoints,
    },
    binary: {
      decode: {
        type: 'binary',
        endian: 'big',
        fields: {
          a: { offset: 0, type: 'float32' },
          b: { offset: 4, type: 'int64' },
          c: { offset: 12, type: 'bool', bit: 7 },
          d: { offset: 13, type: 'string', length: 40 },
        },
      },
      seeds: ['\0\0\0\0', 'ÿ', '\u007f\u0080\0\0'],
    },
  };

function wellFormed(sample: Sample): void {
  sample.shape.points.forEach((point, i) => {
    const reason = reasonAt(sample, i);
    const value = sample.values[i];
    if (!hasValue(reason)) return;
    assert.equal(typeof value, { number: 'number', boolean: 'boolean', string: 'string', integer64: 'bigint' }[point.storage]);
    if (typeof value === 'number') assert.ok(Number.isFinite(value));
    if (typeof value === 'bigint') assert.equal(BigInt.asIntN(64, value), value);
    if (typeof value === 'string') assert.equal(cleanText(value), value);
  });
}

/** Lines of the decoder's own words and rubbish; NMEA bodies get a right checksum, so that what is in them is looked at. */
function wireOf(name: string, seeds: readonly string[]) {
  const word = fc.oneof(fc.constantFrom(...seeds), fc.string({ unit: 'binary', maxLength: 6 }), fc.double().map(String));
  const text = fc.array(word, { maxLength: 20 }).map((words) => words.join(''));
  const sentence = fc
    .tuple(
      fc.constantFrom(...NMEA_FIELDS.keys()),
      fc.array(fc.oneof(fc.constantFrom('', ...seeds), fc.string({ maxLength: 5 })), { maxLength: 19 }),
    )
    .map(([id, parts]) => [`GP${id}`, ...parts].join(','))
    .map((body) => `$${body}*${nmeaChecksum(body)}`);
  const bytes = fc.oneof(name === 'nmea' ? sentence : text, text).map((line) => utf8.encode(line));
  return fc.array(fc.oneof({ weight: 5, arbitrary: bytes }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 80 }) }), {
    maxLength: 10,
  });
}

for (const [name, { decode, seeds, points: own }] of Object.entries(DECODERS)) {
  test(`${name}: never throws, and what it gives is well formed`, () => {
    fc.assert(
      fc.property(wireOf(name, seeds), (lines) => {
        const talker = new Talker({ device: 'x', frame: LINE, decode, points: own ?? allTypes });
        for (const line of lines) for (const sample of talker.push(Uint8Array.from([...line, 10]), 0)) wellFormed(sample);
      }),
      { numRuns: 300 },
    );
  });
}

test('a JSON frame as deep as a frame can be is refused or read, not a crash', () => {
  const talker = new Talker({ device: 'x', frame: LINE, decode: { type: 'json' }, points: allTypes });
  for (const line of ['['.repeat(4000), `${'{"a":'.repeat(600)}1${'}'.repeat(600)}`, `${'['.repeat(2000)}${']'.repeat(2000)}`])
    for (const sample of talker.push(utf8.encode(`${line}\n`), 0)) wellFormed(sample);
  assert.equal(talker.counters.badFrames + talker.counters.otherFrames + talker.counters.frames, 3);
});

test('numbers are read as a person would, and told apart from what is none', () => {
  const read = (text: string, type: PointConfig['type'] = 'float64') => {
    const { value, reason } = toReading(text, { type });
    return reason === 0 ? value : reason === 255 ? 'absent' : reasonName(reason);
  };
  assert.deepEqual(
    ['12.5', '+ 12.5', '-.5', '1e3', ' 7 ', '5.'].map((text) => read(text)),
    [12.5, 12.5, -0.5, 1000, 7, 5],
  );
  assert.deepEqual(
    ['', '  '].map((text) => read(text)),
    ['absent', 'absent'],
  );
  assert.deepEqual(
    ['NaN', '-nan', 'inf', '1e999'].map((text) => read(text)),
    Array(4).fill('not-a-number'),
  );
  assert.deepEqual(
    ['12,5', '0x10', '1 2', '--', '1e', '12kg', '1'.repeat(70)].map((text) => read(text)),
    Array(7).fill('unparsable'),
  );
  assert.deepEqual(
    ['9223372036854775807', '9223372036854775808', '-12', '3.0', '3.5'].map((text) => read(text, 'int64')),
    [9223372036854775807n, 'unparsable', -12n, 3n, 'unparsable'],
  );
  assert.deepEqual(
    ['ON', 'no', '0', '2', 'maybe'].map((text) => read(text, 'bool')),
    [true, false, false, true, 'unparsable'],
  );
});

test('strings of the field lose control characters, terminal codes and their excess', () => {
  assert.equal(cleanText('\u001b]0;title\u0007a\u001b[31;1mb\u009b2Jc\u202edcb\u0000\r\n'), 'abcdcb');
  assert.equal(cleanText('x'.repeat(1000)).length, MAX_STRING);
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      const clean = cleanText(text);
      assert.doesNotMatch(clean, /\p{Cc}/u);
      assert.ok(clean.isWellFormed() && Array.from(clean).length <= MAX_STRING);
    }),
  );
});

/** Patterns from parts that cannot be empty where they are repeated, as the engine demands. */
const patternArb = fc.letrec<{ node: string; solid: string }>((tie) => ({
  solid: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom('a', 'b', '[ab]', '[^a]', '\\d', '\\w', '.', 'é', '\\x61'),
    fc.tuple(tie('solid'), tie('node')).map(([x, y]) => `(?:${x}${y})`),
    fc.tuple(tie('solid'), tie('solid')).map(([x, y]) => `(${x}|${y})`),
    tie('solid').map((x) => `(${x})`),
    tie('solid').map((x) => `(?:${x})+`),
  ),
  node: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom('', '\\b', '^', '$', '\\B'),
    tie('solid'),
    fc
      .tuple(tie('solid'), fc.constantFrom('*', '+', '?', '*?', '+?', '??', '{2}', '{1,2}', '{0,2}?', '{1,}'))
      .map(([x, q]) => `(?:${x})${q}`),
    fc.tuple(tie('node'), tie('node')).map(([x, y]) => `(?:${x}|${y})`),
    fc.tuple(tie('node'), tie('node')).map(([x, y]) => `${x}${y}`),
  ),
})).node;

test('the linear expressions match what JavaScript matches, group by group', () => {
  let matches = 0;
  fc.assert(
    fc.property(patternArb, fc.array(fc.constantFrom('a', 'b', '1', ' ', 'é', '€'), { maxLength: 8 }), (source, chars) => {
      // Every group gets a name, since only named ones can be seen.
      let n = 0;
      const pattern = `(?<all>${source.replaceAll(/\((?!\?)/g, () => `(?<g${n++}>`)})`;
      const text = chars.join('');
      const native = new RegExp(pattern, 'u').exec(text);
      const own = new LinearRegExp(pattern).exec(text);
      if (native !== null) matches++;
      assert.deepEqual(
        own && Object.fromEntries(own),
        native === null
          ? undefined
          : Object.fromEntries(Object.entries(native.groups ?? {}).filter(([, value]) => value !== undefined)),
        `/${pattern}/ on ${JSON.stringify(text)}`,
      );
    }),
    { numRuns: 2000 },
  );
  assert.ok(matches > 200, `${matches} matches`);
});

test('a character is a code point', () => {
  assert.deepEqual(Object.fromEntries(new LinearRegExp('^(?<a>.)(?<b>[^x])$').exec('😀°') ?? []), { a: '😀', b: '°' });
});

test('patterns that would run for ever elsewhere take their bounded number of steps', () => {
  for (const [pattern, text] of [
    ['(?<q>(?:\\d+,?)+)x', '1'.repeat(1024)],
    ['(?<q>(?:a|a)+)$', `${'a'.repeat(1023)}b`],
    ['^(?<q>.*.*.*.*.*.*)x$', 'a'.repeat(1024)],
  ] as const)
    assert.equal(new LinearRegExp(pattern).exec(text), undefined, pattern);
});

test('what the linear expressions cannot do is refused in words', () => {
  for (const [pattern, words] of [
    ['(?<a>x', /not a regular expression/],
    ['(?<a>x)(?=y)', /look-around/],
    ['(?<=y)(?<a>x)', /look-around/],
    ['(?<a>x)\\1', /back-reference/],
    ['(?<a>x)\\k<a>', /back-reference/],
    ['(?<a>(?:x*)*)', /can be empty/],
    ['(?<a>(?:x{100}){100})', /too large/],
  ] as const)
    assert.throws(() => new LinearRegExp(pattern), words);
});

const readingsOf = (decode: DecodeConfig, record: Record<string, PointConfig>, bytes: Uint8Array) => {
  const frame: FrameConfig = decode.type === 'binary' ? { type: 'length', length: bytes.length, start: '01' } : LINE;
  const [sample] = new Talker({ device: 'd', frame, decode, points: points(record) }).push(bytes, 0);
  assert.ok(sample);
  return sample.shape.points.map(({ name }, i) => {
    const reason = reasonAt(sample, i);
    return hasValue(reason) ? `${name}=${String(sample.values[i])}` : `${name}!${reason === 255 ? 'absent' : reasonName(reason)}`;
  });
};

test('a whole number in a float32 of a frame keeps its digits', () => {
  const bytes = new Uint8Array(9);
  bytes[0] = 1;
  const view = new DataView(bytes.buffer);
  view.setFloat32(1, 67_108_872);
  view.setFloat32(5, 21.4);
  const field = (offset: number) => ({ offset, type: 'float32' as const });
  const decode: DecodeConfig = { type: 'binary', endian: 'big', fields: { pulses: field(1), warm: field(5) } };
  const float: PointConfig = { type: 'float64' };
  assert.deepEqual(readingsOf(decode, { pulses: float, warm: float }, bytes), ['pulses=67108872', 'warm=21.4']);
});

test('an empty value of key=value leaves the next pair alone', () => {
  const decode = (assign: string): DecodeConfig => ({ type: 'key-value', assign });
  const record: Record<string, PointConfig> = { h: { type: 'float64' }, t: { type: 'float64' }, at: { type: 'string' } };
  const read = (text: string, assign = '=') => readingsOf(decode(assign), record, utf8.encode(`${text}\n`));
  assert.deepEqual(read('h= t=20 at=now'), ['h!absent', 't=20', 'at=now']);
  assert.deepEqual(read('h = 50 t = 20'), ['h=50', 't=20', 'at!absent']);
  assert.deepEqual(read('h=50, t=, at= 5'), ['h=50', 't!absent', 'at=5']);
  assert.deepEqual(read('at: 12:30:05 t: 20', ':'), ['h!absent', 't=20', 'at=12:30:05']);
});
