import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { crc16 } from '../../../src/codecs/modbus-checksums.ts';
import type { ChecksumKind } from '../../../src/codecs/serial/checksum.ts';
import { CHECKSUM_KINDS, CHECKSUMS } from '../../../src/codecs/serial/checksum.ts';
import { createFramer } from '../../../src/codecs/serial/framer.ts';
import { parseHex, toHex } from '../../../src/codecs/serial/hex.ts';
import type { Frame, FrameConfig } from '../../../src/codecs/serial/types.ts';
import { MAX_FRAME } from '../../../src/codecs/serial/types.ts';

const SDS011: FrameConfig = {
  type: 'bytes',
  start: 'AA C0',
  stop: 'AB',
  length: 10,
  maxLength: 256,
  checksum: { type: 'sum8', from: 2, to: 7 },
  gap: 500,
};
const VARIABLE: FrameConfig = {
  type: 'bytes',
  start: '42',
  length: { offset: 1, type: 'uint8', endian: 'big', add: 4 },
  maxLength: 24,
  checksum: { type: 'crc16-modbus', from: 0 },
  gap: 500,
};
const KINDS: Readonly<Record<string, FrameConfig>> = {
  'a line': { type: 'line', maxLength: 12 },
  'a line ended by CR LF': { type: 'line', terminator: '\r\n', maxLength: 8 },
  'a line ended by a long terminator': { type: 'line', terminator: 'ABAB', maxLength: 8 },
  'a line that starts at $': { type: 'line', start: '$', maxLength: 10 },
  'a block with a start': { type: 'length', length: 5, start: 'AA' },
  'a block after a pause': { type: 'length', length: 5, gap: 10 },
  'SDS011 bytes': SDS011,
  'bytes with a length field': VARIABLE,
};

/** Few different bytes, so that starts, stops and terminators are frequent. */
const someByte = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0xaa, 0xc0, 0xab, 0x42, 0x24, 0x0d, 0x0a, 0x41, 0x00, 0x03) },
  { weight: 1, arbitrary: fc.nat(255) },
);
const bytesOf = (maxLength: number) => fc.array(someByte, { maxLength }).map((bytes) => Uint8Array.from(bytes));

function sds011(a: number, b: number): Uint8Array {
  const body = [a & 255, a >> 8, b & 255, b >> 8, 0xa1, 0x60];
  return Uint8Array.from([0xaa, 0xc0, ...body, body.reduce((x, y) => x + y) & 255, 0xab]);
}
function variable(body: Uint8Array): Uint8Array {
  const frame = Uint8Array.from([0x42, body.length, ...body]);
  const crc = crc16(frame, 0, frame.length);
  return Uint8Array.from([...frame, crc & 255, crc >> 8]);
}
const join = (parts: readonly Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
const hex = (frames: readonly Frame[]) => frames.map((frame) => toHex(frame.bytes));

/** The plain way: try a frame at every place, go on after it, else one byte further. */
function model(data: Uint8Array, frameAt: (rest: Uint8Array) => number): string[] {
  const found: string[] = [];
  for (let i = 0; i < data.length; ) {
    const length = frameAt(data.subarray(i));
    if (length > 0) found.push(toHex(data.subarray(i, i + length)));
    i += Math.max(length, 1);
  }
  return found;
}
function sds011At(rest: Uint8Array): number {
  const sum = rest.subarray(2, 8).reduce((a, b) => a + b, 0) & 255;
  return rest.length >= 10 && rest[0] === 0xaa && rest[1] === 0xc0 && rest[8] === sum && rest[9] === 0xab ? 10 : 0;
}
function variableAt(rest: Uint8Array): number {
  const length = (rest[1] ?? 255) + 4;
  if (rest[0] !== 0x42 || length > 24 || rest.length < length) return 0;
  const crc = crc16(rest, 0, length - 2);
  return rest[length - 2] === (crc & 255) && rest[length - 1] === crc >> 8 ? length : 0;
}

for (const [name, config] of Object.entries(KINDS)) {
  test(`${name}: any chunking gives the same frames and counters`, () => {
    fc.assert(
      fc.property(bytesOf(200), fc.array(fc.nat(200), { maxLength: 30 }), (data, cuts) => {
        const whole = createFramer(config);
        const expected = whole.push(data, 0);
        const framer = createFramer(config);
        const places = [0, ...cuts.filter((cut) => cut < data.length).sort((a, b) => a - b), data.length];
        const frames = places.slice(1).flatMap((end, i) => framer.push(data.subarray(places[i], end), 0));
        assert.deepEqual(hex(frames), hex(expected));
        assert.deepEqual(framer.skipped, whole.skipped);
        assert.equal(framer.crcErrors, whole.crcErrors);
      }),
    );
  });

  test(`${name}: a flood of garbage is skipped, not kept`, () => {
    const framer = createFramer(config);
    let inFrames = 0;
    const chunk = new Uint8Array(64 * 1024);
    // Without a terminator or a start, and with half starts everywhere.
    for (const fill of [0x00, 0xaa, 0x42, 0x41]) {
      chunk.fill(fill);
      for (let i = 0; i < 8; i++) inFrames += framer.push(chunk, i).reduce((sum, frame) => sum + frame.bytes.length, 0);
    }
    const waiting = 32 * chunk.length - inFrames - framer.skipped.bytes;
    assert.ok(waiting >= 0 && waiting <= 2 * MAX_FRAME, `${waiting} bytes wait`);
  });
}

test('noise between SDS011 frames loses none that follows and invents none', () => {
  const part = fc.record({ noise: bytesOf(25), pm2: fc.nat(9999), pm10: fc.nat(9999) });
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 20 }), (parts, size) => {
      const clean = parts.map(({ pm2, pm10 }) => sds011(pm2, pm10));
      const data = join(parts.flatMap(({ noise }, i) => [noise, clean[i] as Uint8Array]));
      const framer = createFramer(SDS011);
      const frames: Frame[] = [];
      for (let i = 0; i < data.length; i += size) frames.push(...framer.push(data.subarray(i, i + size), i));
      const expected = model(data, sds011At);
      assert.deepEqual(hex(frames), expected);
      // Noise that forms a right frame together with the head of a clean one cannot be told from a frame.
      if (expected.length === clean.length) assert.deepEqual(hex(frames), clean.map(toHex));
      assert.equal(data.length - 10 * frames.length, framer.skipped.bytes);
    }),
  );
});

test('a false start with its own length swallows no frame: order and times stay right', () => {
  const part = fc.record({ noise: bytesOf(15), body: fc.uint8Array({ maxLength: 20 }) });
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
      const data = join(parts.flatMap(({ noise, body }) => [noise, variable(body)]));
      const framer = createFramer(VARIABLE);
      const frames = Array.from(data, (byte, i) => framer.push(Uint8Array.of(byte), i)).flat();
      // Silence ends what still waits at a false start.
      frames.push(...framer.push(new Uint8Array(0), data.length + 1000));
      assert.deepEqual(hex(frames), model(data, variableAt));
      const ends = frames.map((frame) => frame.at);
      for (const [i, frame] of frames.entries())
        assert.deepEqual(data.slice((ends[i] as number) - frame.bytes.length + 1, (ends[i] as number) + 1), frame.bytes);
    }),
  );
});

test('the checksums are those of their descriptions', () => {
  const over = (kind: ChecksumKind, data: Uint8Array) => toHex(CHECKSUMS[kind].compute(data, 0, data.length));
  const check = (kind: ChecksumKind) => over(kind, new TextEncoder().encode('123456789'));
  // 31 + 32 + … + 39 hexadecimal is 1DD; the CRCs are the check values of the RevEng catalogue.
  const expected: Record<ChecksumKind, string> = {
    none: '',
    sum8: 'DD',
    'sum8-complement': '22',
    'sum8-negated': '23',
    xor8: '31',
    sum16be: '01 DD',
    sum16le: 'DD 01',
    fletcher16: '1E DE',
    crc8: 'F4',
    'crc8-maxim': 'A1',
    'crc16-modbus': '37 4B',
    'crc16-ccitt': '29 B1',
    'crc16-xmodem': '31 C3',
  };
  assert.deepEqual(Object.fromEntries(CHECKSUM_KINDS.map((kind) => [kind, check(kind)])), expected);
  // "Modbus over serial line" gives 01 04 02 FF FF -> B8 80.
  assert.equal(over('crc16-modbus', parseHex('01 04 02 FF FF')), 'B8 80');
  // The request and the reply in the manual of the MH-Z19: the sum leaves out the first byte.
  assert.equal(over('sum8-negated', parseHex('01 86 00 00 00 00 00')), '79');
  assert.equal(over('sum8-negated', parseHex('86 02 20 00 00 00 00')), '58');
  // Fletcher (1982), as the usual examples have it: abcde -> C8F0, abcdef -> 2057, abcdefgh -> 0627.
  const words = ['abcde', 'abcdef', 'abcdefgh'].map((word) => over('fletcher16', new TextEncoder().encode(word)));
  assert.deepEqual(words, ['C8 F0', '20 57', '06 27']);
  for (const kind of CHECKSUM_KINDS)
    assert.equal(CHECKSUMS[kind].compute(Uint8Array.of(1, 2), 0, 2).length, CHECKSUMS[kind].bytes);
});

test('the line under way when the port opens is thrown away, a line after a pause is kept', () => {
  const text = new TextEncoder();
  const framer = createFramer({ type: 'line', maxLength: 100 });
  framer.reset(1000);
  assert.deepEqual(hex(framer.push(text.encode('21.5\n121.6\n'), 1003)), [toHex(text.encode('121.6'))]);
  assert.equal(framer.skipped.bytes, 5);
  framer.push(text.encode('12'), 1004);
  framer.reset(2000);
  assert.equal(framer.skipped.bytes, 7);
  assert.deepEqual(hex(framer.push(text.encode('33\n'), 2500)), [toHex(text.encode('33'))]);
});

test('noise is counted by its bytes and by its stretches', () => {
  const text = new TextEncoder();
  const framer = createFramer({ type: 'line', start: '$', maxLength: 20 });
  framer.push(text.encode('~~$A\n$B\n'), 0);
  assert.deepEqual([framer.skipped.bytes, framer.skipped.stretches], [2, 1]);
  // Two lines of noise in a row are one stretch, the noise before another frame is the next.
  framer.push(text.encode('xx\nyy\n$C\nz$D\n'), 0);
  assert.deepEqual([framer.skipped.bytes, framer.skipped.stretches], [2 + 3 + 3 + 1, 3]);
});

test('a line that is too long is skipped to its end, and the next one is whole', () => {
  const framer = createFramer({ type: 'line', maxLength: 5 });
  const frames = framer.push(new TextEncoder().encode('12345\r\n123456\n123456789012345\r\nabc\n'), 0);
  assert.deepEqual(
    frames.map((frame) => new TextDecoder().decode(frame.bytes)),
    ['12345', 'abc'],
  );
  assert.equal(framer.skipped.bytes, 7 + 17);
});

test('wherever the terminator falls, a long line ends at it', () => {
  for (let length = 1; length < 60; length++) {
    const framer = createFramer({ type: 'line', terminator: '<>;', maxLength: 8 });
    const frames = framer.push(new TextEncoder().encode(`${'x'.repeat(length)}<>;ok<>;`), 0);
    assert.equal(frames.length, length <= 8 ? 2 : 1, `${length} bytes`);
    assert.equal(new TextDecoder().decode(frames.at(-1)?.bytes), 'ok');
    assert.equal(framer.skipped.bytes, length <= 8 ? 0 : length + 3);
  }
});

test('half frames are no noise: cut by a pause, the next frame or the port, or missed at first', () => {
  const whole = sds011(400, 500);
  const half = whole.subarray(0, 6);
  const noise = Uint8Array.of(0x01, 0xaa, 0x02, 0x03);
  const halvesOf = (
    config: FrameConfig,
    ...chunks: readonly (readonly [at: number, bytes: Uint8Array] | 'opened' | 'asked')[]
  ) => {
    const framer = createFramer(config);
    let frames = 0;
    let now = 0;
    for (const chunk of chunks)
      if (chunk === 'opened') framer.reset(now);
      else if (chunk === 'asked') framer.restart(now);
      else {
        now = chunk[0];
        frames += framer.push(chunk[1], now).length;
      }
    return [frames, framer.skipped.halves];
  };
  assert.deepEqual(halvesOf(SDS011, [0, noise], [10, whole], [20, noise], [30, whole]), [2, 0]);
  assert.deepEqual(halvesOf(SDS011, [0, half], [600, whole]), [1, 1], 'a pause');
  assert.deepEqual(halvesOf(SDS011, [0, half], [1, whole], [2, whole]), [2, 1], 'the next frame');
  assert.deepEqual(halvesOf(SDS011, [0, half], 'opened', [5, whole]), [1, 1], 'the port');
  assert.deepEqual(halvesOf(SDS011, [0, whole], [1, half], 'asked', [2, whole]), [2, 1], 'a request');
  assert.deepEqual(halvesOf(SDS011, [0, Uint8Array.of(0xaa)], [600, whole]), [1, 0], 'half a start may be noise');
  const pause: FrameConfig = { type: 'length', length: 5, gap: 10 };
  const block = Uint8Array.of(1, 2, 3, 4, 5);
  assert.deepEqual(halvesOf(pause, [0, block], [20, block.subarray(2)], [40, block]), [2, 1]);
  const line: FrameConfig = { type: 'line', start: '$', maxLength: 10 };
  const text = (words: string) => new TextEncoder().encode(words);
  assert.deepEqual(halvesOf(line, 'opened', [5, text('12\n$34\n')]), [1, 1], 'its beginning was missed');
  assert.deepEqual(halvesOf(line, [0, text('$12$34\n??$56\n')]), [2, 1], 'one began in the line of another');
  assert.deepEqual(halvesOf(line, [0, text(`${'x'.repeat(40)}\n$34\n`)]), [1, 0], 'too long is noise');
  assert.deepEqual(halvesOf(line, [0, text('$1')], 'opened', [300, text('$34\n')]), [1, 1]);
});
