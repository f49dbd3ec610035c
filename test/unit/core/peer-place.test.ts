/** The key of an address for every limit of an address: random addresses in every form in which they can be written. */
import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import test from 'node:test';
import fc from 'fast-check';
import { isOfThisBoard, placeOf } from '../../../src/core/peer-place.ts';

const four = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
const group = fc.oneof(fc.constant(0), fc.nat(0xffff));
const eight = fc.array(group, { minLength: 8, maxLength: 8 });
/** How a text is written: leading zeros, capitals, where zeros are left out, and the end as IPv4. */
const style = fc.record({
  zeros: fc.boolean(),
  capitals: fc.boolean(),
  from: fc.nat(7),
  dotted: fc.boolean(),
  zone: fc.boolean(),
});
type Style = typeof style extends fc.Arbitrary<infer S> ? S : never;

function written(groups: readonly number[], { zeros, capitals, from, dotted, zone }: Style): string {
  const parts = groups.map((one) => one.toString(16).padStart(zeros ? 4 : 1, '0'));
  const [high = 0, low = 0] = groups.slice(6);
  if (dotted) parts.splice(6, 2, [high >> 8, high & 255, low >> 8, low & 255].join('.'));
  let end = from;
  while (groups[end] === 0 && end < (dotted ? 6 : 8)) end++;
  const text = end > from ? `${parts.slice(0, from).join(':')}::${parts.slice(end).join(':')}` : parts.join(':');
  return (capitals ? text.toUpperCase() : text) + (zone ? '%eth0' : '');
}

const isMapped = (groups: readonly number[]): boolean => groups.slice(0, 5).every((one) => one === 0) && groups[5] === 0xffff;

test('property: an IPv6 network counts as one in every form, and another network as another', () => {
  fc.assert(
    fc.property(eight, eight, style, style, (a, b, one, other) => {
      fc.pre(!isMapped(a) && !isMapped(b));
      const neighbour = [...a.slice(0, 4), ...b.slice(4)];
      fc.pre(!isMapped(neighbour));
      const [text, beside] = [written(a, one), written(neighbour, other)];
      assert.ok(isIPv6(text) && isIPv6(beside), `${text} ${beside}`);
      const local = (groups: readonly number[]) => groups.every((g, i) => g === (i === 7 ? 1 : 0));
      if (local(a) || local(neighbour)) return;
      assert.equal(placeOf(text), placeOf(beside), `${text} ${beside}`);
      const same = a.slice(0, 4).every((g, i) => g === b[i]);
      if (!local(b)) assert.equal(placeOf(written(b, other)) === placeOf(text), same);
      assert.equal(isOfThisBoard(text), false);
    }),
    { numRuns: 2000 },
  );
});

test('property: an IPv4 address is the same one inside IPv6, and differs from each other one', () => {
  fc.assert(
    fc.property(four, four, style, ([a, b, c, d], other, how) => {
      const plain = [a, b, c, d].join('.');
      const groups = [0, 0, 0, 0, 0, 0xffff, a * 256 + b, c * 256 + d];
      assert.equal(placeOf(plain), plain);
      assert.equal(placeOf(written(groups, how)), plain);
      assert.equal(placeOf(other.join('.')) === plain, other.join('.') === plain);
      for (const text of [plain, written(groups, how)]) assert.equal(isOfThisBoard(text), a === 127);
    }),
    { numRuns: 2000 },
  );
});

test('clients of this board are recognised, and no other machine is taken for one', () => {
  for (const own of [undefined, '127.0.0.1', '127.3.4.5', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '::FFFF:7f00:1'])
    assert.equal(isOfThisBoard(own), true, own);
  for (const other of ['10.0.0.1', '::2', '::1:1', 'fe80::1', '::127.0.0.1', '127.0.0.1.example', ''])
    assert.equal(isOfThisBoard(other), false, other);
});

test('property: whatever a text holds, its key is short', () => {
  fc.assert(fc.property(fc.string({ maxLength: 500 }), (text) => placeOf(text).length <= 100));
  fc.assert(fc.property(fc.stringMatching(/^[0-9a-f:.%]{0,80}$/), (text) => placeOf(text).length <= 100));
});
