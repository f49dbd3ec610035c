/** The decoders understand what the simulator says. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { encodeFrames } from '../../../src/codecs/serial/encode.ts';
import { toHex } from '../../../src/codecs/serial/hex.ts';
import { Talker } from '../../../src/codecs/serial/talker.ts';
import type { DecodeConfig, FrameConfig, PointConfig } from '../../../src/codecs/serial/types.ts';
import type { Value } from '../../../src/core/point.ts';

const NOW = Date.UTC(2026, 0, 5, 10, 30, 15, 250);
const LINE: FrameConfig = { type: 'line', maxLength: 1024 };
const STX: FrameConfig = {
  type: 'bytes',
  start: '02',
  stop: '03 0A',
  length: { offset: 1, type: 'uint8', endian: 'big', add: 0 },
  maxLength: 255,
  checksum: { type: 'xor8', from: 1 },
  gap: 500,
};
const POINTS: Readonly<Record<string, PointConfig>> = {
  level: { type: 'float64', scale: 0.01, offset: -5 },
  count: { type: 'int64' },
  pump: { type: 'bool' },
  word: { type: 'string' },
};
const BINARY: DecodeConfig = {
  type: 'binary',
  endian: 'little',
  fields: {
    level: { offset: 2, type: 'int32', endian: 'big' },
    count: { offset: 6, type: 'int64' },
    pump: { offset: 14, type: 'bool', bit: 5 },
    word: { offset: 15, type: 'string', length: 8 },
  },
};
const csv = (more: object): DecodeConfig => ({ type: 'csv', separator: ',', header: false, ...more });
const BYTES: FrameConfig = {
  type: 'bytes',
  start: '7E',
  stop: '7F',
  length: 28,
  maxLength: 256,
  checksum: { type: 'sum16be', from: 1 },
  gap: 500,
};

const CASES: readonly (readonly [string, FrameConfig, DecodeConfig])[] = [
  [
    'regex',
    LINE,
    {
      type: 'regex',
      pattern: 'L=(?<level>\\S+) N=(?<count>\\S+) (?<pump>\\w+) (?<word>\\w+)',
      template: 'L={level} N={count} {pump} {word}',
    },
  ],
  ['csv by name', LINE, csv({ columns: ['x', 'word', 'pump', 'count', 'level'] })],
  ['csv with a header', LINE, csv({ separator: ';', header: true })],
  ['json', { type: 'line', terminator: '\r', maxLength: 500 }, { type: 'json' }],
  ['key=value', LINE, { type: 'key-value', assign: '=' }],
  ['key: value | …', LINE, { type: 'key-value', assign: ':', separator: '|' }],
  ['json between STX and ETX', STX, { type: 'json' }],
  ['binary', BYTES, BINARY],
  ['binary with a length field', { ...BYTES, start: 'A5', length: { offset: 1, type: 'uint8', endian: 'big', add: 2 } }, BINARY],
  ['binary of fixed length', { type: 'length', start: 'A5 5A', length: 24 }, BINARY],
  ['binary after a pause', { type: 'length', gap: 20, length: 24 }, BINARY],
];

function readBack(
  frame: FrameConfig,
  decode: DecodeConfig,
  points: Readonly<Record<string, PointConfig>>,
  values: ReadonlyMap<string, Value>,
) {
  const config = { frame, decode, points: new Map(Object.entries(points)) };
  const talker = new Talker({ ...config, device: 'x' });
  const samples = encodeFrames(config, values, NOW).flatMap((bytes, i) => talker.push(bytes, i * 1000));
  return samples.map((sample) =>
    Object.fromEntries(
      sample.shape.points.map(({ name }, i) => [name, { value: sample.values[i], reason: sample.reasons?.[i] ?? 0 }]),
    ),
  );
}

for (const [name, frame, decode] of CASES) {
  test(`simulated ${name} is read back`, () => {
    const values = fc.record({
      // In hundredths, as the scale has them.
      level: fc.integer({ min: -1_000_000, max: 1_000_000 }).map((n) => n / 100),
      count: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      pump: fc.boolean(),
      word: fc.stringMatching(/^[a-z]{1,8}$/).filter((word) => !(word in POINTS)),
    });
    fc.assert(
      fc.property(values, (record) => {
        const [sample, ...more] = readBack(frame, decode, POINTS, new Map(Object.entries(record)));
        assert.deepEqual(more, []);
        assert.deepEqual(sample, Object.fromEntries(Object.entries(record).map(([key, value]) => [key, { value, reason: 0 }])));
      }),
    );
  });
}

test('the SDS011 says what its specification shows', () => {
  const points = { pm2_5: { type: 'float64', scale: 0.1 }, pm10: { type: 'float64', scale: 0.1 } } as const;
  const frame: FrameConfig = {
    type: 'bytes',
    start: 'AA C0',
    stop: 'AB',
    length: 10,
    maxLength: 256,
    checksum: { type: 'sum8', from: 2, to: 7 },
    gap: 500,
  };
  const decode: DecodeConfig = {
    type: 'binary',
    endian: 'little',
    fields: { pm2_5: { offset: 2, type: 'uint16' }, pm10: { offset: 4, type: 'uint16' } },
  };
  const config = { frame, decode, points: new Map(Object.entries(points)) };
  const [bytes] = encodeFrames(
    config,
    new Map([
      ['pm2_5', 123.6],
      ['pm10', 131],
    ]),
    NOW,
  );
  // D4 + 04 + 1E + 05 + 00 + 00 = FB
  assert.equal(toHex(bytes as Uint8Array), 'AA C0 D4 04 1E 05 00 00 FB AB');
});

test('simulated NMEA sentences are read back, positions to 1e-8 degrees', () => {
  const points = {
    latitude: { type: 'float64', from: 'GGA.latitude' },
    longitude: { type: 'float64', from: 'GGA.longitude' },
    altitude: { type: 'float64', from: 'GGA.altitude' },
    satellites: { type: 'int64', from: 'GGA.satellites' },
    speed: { type: 'float64', from: 'RMC.speed' },
    when: { type: 'string', from: 'RMC.dateTime' },
    valid: { type: 'bool', from: 'RMC.valid' },
    kmh: { type: 'float64', from: 'VTG.speedKmh' },
  } as const;
  const angle = (limit: number) => fc.integer({ min: -limit * 1e8, max: limit * 1e8 }).map((n) => n / 1e8);
  fc.assert(
    fc.property(
      angle(90),
      angle(180),
      fc.integer({ min: 0, max: 24 }),
      fc.boolean(),
      (latitude, longitude, satellites, valid) => {
        const values = new Map<string, Value>(
          Object.entries({ latitude, longitude, altitude: 12.5, satellites, speed: 3.25, when: '', valid, kmh: 6 }),
        );
        const [gga, rmc, vtg] = readBack(LINE, { type: 'nmea' }, points, values);
        assert.ok(Math.abs((gga?.latitude?.value as number) - latitude) <= 1.01e-8);
        assert.ok(Math.abs((gga?.longitude?.value as number) - longitude) <= 1.01e-8);
        assert.deepEqual([gga?.altitude?.value, gga?.satellites?.value], [12.5, BigInt(satellites)]);
        assert.deepEqual([rmc?.when?.value, rmc?.valid?.value], ['2026-01-05T10:30:15.25Z', valid]);
        // 7 is `invalid`: speed says nothing without a fix.
        assert.deepEqual(rmc?.speed, valid ? { value: 3.25, reason: 0 } : { value: 0, reason: 7 });
        assert.equal(vtg?.kmh?.value, 6);
      },
    ),
  );
});

test('a regular expression without a template cannot be simulated, and says so', () => {
  const decode: DecodeConfig = { type: 'regex', pattern: '(?<a>x)' };
  assert.throws(() => encodeFrames({ frame: LINE, decode, points: new Map() }, new Map(), NOW), /add `template:`/);
});
