/** Requests and the form of their replies: the examples of the MODBUS Application Protocol V1.1b3, byte by byte, and properties. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  decodeIdentification,
  encodeRequest,
  exceptionOf,
  fitReply,
  lengthOfReply,
  type ModbusRequest,
  payloadOf,
} from '../../../src/codecs/modbus-pdu.ts';

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const fit = (request: ModbusRequest, reply: Uint8Array) => fitReply(reply, 0, reply.length, encodeRequest(request).expected);
const refused = { code: 'request-invalid' };

/** Request and reply as the standard prints them; its examples count coils and registers from 1 in words, from 0 on the wire. */
const EXAMPLES: readonly [section: string, request: ModbusRequest, out: string, back: string][] = [
  ['6.1 coils 20 to 38', { kind: 'read', table: 'coil', start: 0x13, count: 19 }, '01 0013 0013', '01 03 CD6B05'],
  ['6.2 discrete inputs 197 to 218', { kind: 'read', table: 'discrete', start: 0xc4, count: 22 }, '02 00C4 0016', '02 03 ACDB35'],
  ['6.3 holding 108 to 110', { kind: 'read', table: 'holding', start: 0x6b, count: 3 }, '03 006B 0003', '03 06 022B 0000 0064'],
  ['6.4 input register 9', { kind: 'read', table: 'input', start: 8, count: 1 }, '04 0008 0001', '04 02 000A'],
  ['6.5 coil 173 on', { kind: 'write', table: 'coil', start: 0xac, values: [1] }, '05 00AC FF00', '05 00AC FF00'],
  ['6.6 register 2 = 3', { kind: 'write', table: 'holding', start: 1, values: [3] }, '06 0001 0003', '06 0001 0003'],
  [
    '6.11 ten coils from 20 on',
    { kind: 'write', table: 'coil', start: 0x13, values: [1, 0, 1, 1, 0, 0, 1, 1, 1, 0] },
    '0F 0013 000A 02 CD01',
    '0F 0013 000A',
  ],
  [
    '6.12 two registers from 2 on',
    { kind: 'write', table: 'holding', start: 1, values: [0x000a, 0x0102] },
    '10 0001 0002 04 000A 0102',
    '10 0001 0002',
  ],
  [
    '6.21 basic identification',
    { kind: 'identify', code: 1, object: 0 },
    '2B 0E 01 00',
    `2B 0E 01 01 00 00 03 00 16 ${Buffer.from('Company identification').toString('hex')} 01 0F ${Buffer.from('Product code XX').toString('hex')} 02 05 ${Buffer.from('V2.11').toString('hex')}`,
  ],
];
for (const [section, request, out, back] of EXAMPLES)
  test(`the example of section ${section}`, () => {
    assert.deepEqual(encodeRequest(request).bytes, bytes(out));
    const reply = bytes(back);
    assert.equal(fit(request, reply), reply.length);
    assert.equal(lengthOfReply(reply, 0, reply.length), reply.length);
    assert.equal(exceptionOf(reply), undefined);
    const exception = Uint8Array.of((reply[0] as number) | 0x80, 2);
    assert.equal(fit(request, exception), 2);
    assert.equal(exceptionOf(exception), 2);
  });

test('one register or coil with the function for many, for devices that know no other', () => {
  const one = { kind: 'write', start: 1, multiple: true } as const;
  assert.deepEqual(encodeRequest({ ...one, table: 'holding', values: [0x0304] }).bytes, bytes('10 0001 0001 02 0304'));
  assert.deepEqual(encodeRequest({ ...one, table: 'coil', values: [1] }).bytes, bytes('0F 0001 0001 01 01'));
  assert.deepEqual(encodeRequest({ ...one, table: 'coil', values: [0], multiple: false }).bytes, bytes('05 0001 0000'));
});

test('an exception with code 0 is an exception, however odd', () => {
  assert.equal(exceptionOf(Uint8Array.of(0x83, 0)), 0);
});

test('the payload of a read, and identification in several parts', () => {
  assert.deepEqual(payloadOf(bytes('03 06 022B 0000 0064')), bytes('022B 0000 0064'));
  const first = decodeIdentification(bytes('2B 0E 02 82 FF 02 02 00 01 41 01 02 4243'));
  assert.deepEqual(
    [...first.objects],
    [
      [0, bytes('41')],
      [1, bytes('4243')],
    ],
  );
  assert.equal(first.next, 2);
  assert.equal(decodeIdentification(bytes('2B 0E 01 01 00 00 00')).next, undefined);
});

test('what the protocol does not carry is refused', () => {
  const read = (table: 'holding' | 'coil', start: number, count: number) => () =>
    encodeRequest({ kind: 'read', table, start, count });
  const write = (table: 'holding' | 'coil', start: number, values: number[]) => () =>
    encodeRequest({ kind: 'write', table, start, values });
  for (const wrong of [
    read('holding', 0, 126),
    read('holding', 0, 0),
    read('coil', 0, 2001),
    read('holding', 65_535, 2),
    read('holding', -1, 1),
    write('holding', 0, []),
    write('holding', 0, Array<number>(124).fill(0)),
    write('coil', 0, Array<number>(1969).fill(0)),
    write('holding', 0, [65_536]),
    write('holding', 0, [-1]),
    write('holding', 0, [1.5]),
    write('coil', 0, [2]),
    write('holding', 65_535, [1, 2]),
  ])
    assert.throws(wrong, refused);
  assert.equal(read('holding', 65_535, 1)().bytes.length, 5);
  assert.equal(write('coil', 0, Array<number>(1968).fill(1))().bytes.length, 252);
});

const requests: fc.Arbitrary<ModbusRequest> = fc.oneof(
  fc.record({
    kind: fc.constant('read' as const),
    table: fc.constantFrom('holding' as const, 'input' as const),
    start: fc.nat(65_000),
    count: fc.integer({ min: 1, max: 125 }),
  }),
  fc.record({
    kind: fc.constant('read' as const),
    table: fc.constantFrom('coil' as const, 'discrete' as const),
    start: fc.nat(60_000),
    count: fc.integer({ min: 1, max: 2000 }),
  }),
  fc.record({
    kind: fc.constant('write' as const),
    table: fc.constant('holding' as const),
    start: fc.nat(65_000),
    values: fc.array(fc.nat(65_535), { minLength: 1, maxLength: 123 }),
  }),
  fc.record({
    kind: fc.constant('write' as const),
    table: fc.constant('coil' as const),
    start: fc.nat(60_000),
    values: fc.array(fc.nat(1), { minLength: 1, maxLength: 1968 }),
  }),
);

/** A right reply, with any data, made from the text of the standard. */
function rightReply(request: ModbusRequest, fill: number): Uint8Array {
  const { bytes: out } = encodeRequest(request);
  if (request.kind !== 'read') return out.subarray(0, 5);
  const data = request.table === 'coil' || request.table === 'discrete' ? Math.ceil(request.count / 8) : 2 * request.count;
  return Uint8Array.of(out[0] as number, data, ...new Uint8Array(data).fill(fill));
}

test('a right reply always fits, as soon as it is whole and not before, wherever it stands', () => {
  fc.assert(
    fc.property(requests, fc.nat(255), fc.nat(20), fc.uint8Array({ maxLength: 5 }), (request, fill, before, behind) => {
      const { expected } = encodeRequest(request);
      const reply = rightReply(request, fill);
      const stream = Uint8Array.of(...new Uint8Array(before), ...reply, ...behind);
      for (let have = 0; have < reply.length; have++) assert.equal(fitReply(stream, before, before + have, expected), 'more');
      assert.equal(fitReply(stream, before, stream.length, expected), reply.length);
    }),
    { numRuns: 200 },
  );
});

test('a reply with another head, length or function does not fit; nothing grows or throws', () => {
  fc.assert(
    fc.property(requests, fc.nat(255), fc.nat(), fc.integer({ min: 1, max: 255 }), (request, fill, where, change) => {
      const { expected } = encodeRequest(request);
      const reply = Uint8Array.from(rightReply(request, fill));
      const at = where % expected.head.length;
      reply[at] = (reply[at] as number) ^ change;
      const verdict = fitReply(reply, 0, reply.length, expected);
      const isException = reply[0] === (expected.code | 0x80);
      assert.equal(verdict, isException ? 2 : 'no');
    }),
  );
  fc.assert(
    fc.property(requests, fc.uint8Array({ maxLength: 300 }), (request, noise) => {
      const { expected } = encodeRequest(request);
      const verdict = fitReply(noise, 0, noise.length, expected);
      assert.ok(verdict === 'no' || verdict === 'more' || verdict <= Math.max(2, expected.length ?? 253));
      const length = lengthOfReply(noise, 0, noise.length);
      assert.ok(length === undefined || length <= 257);
    }),
  );
});

test('identification: whatever lengths it gives, the verdict stays within 253 bytes', () => {
  const { expected } = encodeRequest({ kind: 'identify', code: 1, object: 0 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (tail) => {
      const reply = Uint8Array.of(0x2b, 0x0e, 1, ...tail);
      const verdict = fitReply(reply, 0, reply.length, expected);
      if (typeof verdict !== 'number') return;
      assert.ok(verdict <= 253);
      const { objects } = decodeIdentification(reply.subarray(0, verdict));
      let sum = 7;
      for (const object of objects.values()) sum += 2 + object.length;
      // Two objects with one id are one of them.
      assert.ok(sum <= verdict);
    }),
  );
});
