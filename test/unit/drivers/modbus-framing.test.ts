/** Frames are found in what a line says, however it is cut and whatever noise is around them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { encodeRequest } from '../../../src/codecs/modbus-pdu.ts';
import { type Awaited, ascii, type Framing, rtu } from '../../../src/drivers/modbus/framing.ts';
import { FRAMES } from '../../fakes/modbus-world.ts';

const read = (unit: number, start: number, count: number): Awaited => ({
  unitId: unit,
  expected: encodeRequest({ kind: 'read', table: 'holding', start, count }).expected,
});
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('an RTU frame, and an ASCII frame, as the standard prints them', () => {
  // MODBUS over Serial Line V1.02, 2.5.1.2: the CRC low byte first. Slave 2, function 7: CRC 0x1241 (Modicon PI-MBUS-300, appendix C).
  assert.deepEqual(Buffer.from(rtu.encode(2, Uint8Array.of(7))), hex('02 07 41 12'));
  // Slave 0xF7, function 3, 0x1389, 0x000A: LRC 0x60, the example of many manuals.
  assert.equal(Buffer.from(ascii.encode(0xf7, hex('03 1389 000A'))).toString('latin1'), ':F7031389000A60\r\n');
  assert.equal(rtu.size(5), 8);
  assert.equal(ascii.size(5), 17);
});

const FRAMINGS: readonly [name: 'rtu' | 'ascii', framing: Framing][] = [
  ['rtu', rtu],
  ['ascii', ascii],
];
for (const [name, framing] of FRAMINGS) {
  const replyTo = (unit: number, words: readonly number[]) =>
    FRAMES[name].frame(Buffer.from([unit, 3, words.length * 2, ...words.flatMap((w) => [w >> 8, w & 255])]), 0);

  test(`${name}: what is sent is what the other side reads`, () => {
    fc.assert(
      fc.property(fc.nat(255), fc.uint8Array({ minLength: 1, maxLength: 253 }), (unit, pdu) => {
        const frame = Buffer.from(framing.encode(unit, pdu));
        assert.deepEqual(frame, FRAMES[name].frame(Buffer.from([unit, ...pdu]), 0));
        assert.equal(frame.length, framing.size(pdu.length));
      }),
    );
  });

  // Noise that cannot itself be taken for the begin of the frame: not the unit, no colon, no end of line.
  const noise = fc
    .uint8Array({ maxLength: 12 })
    .map((bytes) => bytes.map((b) => (b === 9 || b === 0x3a || b === 0x0a ? 0x55 : b)));
  test(`${name}: a frame cut anywhere, behind noise, is found once it is whole`, () => {
    fc.assert(
      fc.property(
        noise,
        fc.array(fc.nat(65_535), { minLength: 1, maxLength: 20 }),
        fc.uint8Array({ maxLength: 8 }),
        (before, words, behind) => {
          const frame = replyTo(9, words);
          const stream = Buffer.concat([before, frame, behind]);
          const awaited = [read(9, 0, words.length)];
          for (let have = 0; have < before.length + frame.length; have++)
            assert.equal(framing.find(stream.subarray(0, have), 0, awaited, true).kind, 'more');
          const found = framing.find(stream, 0, awaited, true);
          assert.ok(found.kind === 'frame');
          assert.deepEqual([found.start, found.end, found.fits], [before.length, before.length + frame.length, 0]);
          assert.deepEqual(Buffer.from(found.pdu.subarray(2)), Buffer.from(words.flatMap((w) => [w >> 8, w & 255])));
        },
      ),
    );
  });

  test(`${name}: one damaged bit anywhere and it is not the reply`, () => {
    fc.assert(
      fc.property(fc.array(fc.nat(65_535), { minLength: 1, maxLength: 10 }), fc.nat(), fc.nat(7), (words, where, bit) => {
        const frame = replyTo(9, words);
        const at = where % frame.length;
        frame[at] = (frame[at] as number) ^ (1 << bit);
        // Digits of an ASCII frame may be small letters, and its CR is not needed to see the end.
        if (name === 'ascii' && (/^:[0-9A-Fa-f]+\r?\n$/.test(frame.toString('latin1')) || at === frame.length - 2)) return;
        const found = framing.find(frame, 0, [read(9, 0, words.length)], true);
        assert.ok(found.kind !== 'frame' || found.fits < 0);
      }),
    );
  });

  test(`${name}: replies of others are passed over, a wrong one is reported, late ones known`, () => {
    const asked = read(9, 0, 1);
    const both = Buffer.concat([replyTo(7, [1]), replyTo(9, [2])]);
    const found = framing.find(both, 0, [asked], true);
    assert.ok(found.kind === 'frame' && found.fits === 0 && found.pdu[3] === 2);
    const wrong = framing.find(replyTo(9, [1, 2]), 0, [asked], true);
    assert.ok(wrong.kind === 'frame' && wrong.fits === -1);
    const late = framing.find(replyTo(9, [1, 2]), 0, [asked, read(9, 50, 2)], true);
    assert.ok(late.kind === 'frame' && late.fits === 1);
    assert.equal(framing.find(replyTo(9, [1]), 0, [], false).kind, 'more', 'nobody asked');
    assert.equal(framing.foreign(replyTo(7, [1])), 7);
    assert.equal(framing.foreign(replyTo(7, [1]).subarray(1)), undefined);
    const exception = framing.find(FRAMES[name].frame(Buffer.from([9, 0x83, 2]), 0), 0, [asked], true);
    assert.ok(exception.kind === 'frame' && exception.fits === 0);
    assert.deepEqual([...exception.pdu], [0x83, 2]);
  });

  test(`${name}: a whole damaged reply is known before the time-out; noise is not taken for one`, () => {
    const frame = replyTo(9, [1, 2, 3]);
    const at = name === 'rtu' ? 5 : 11;
    frame[at] = (frame[at] as number) ^ 1;
    assert.equal(framing.find(frame, 0, [read(9, 0, 3)], true).kind, 'damaged');
    assert.equal(framing.find(Buffer.from('garbage\r\n:zz\r\n:08\n', 'latin1'), 0, [read(9, 0, 3)], true).kind, 'more');
  });
}
