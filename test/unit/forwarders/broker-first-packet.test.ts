/** The answer to a client of another MQTT version, byte by byte as the standards have it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { otherVersion, REASON } from '../../../src/forwarders/broker/first-packet.ts';
import { remaining, text } from '../../harness/embedded-broker.ts';

function connect(level: number, rest: readonly Buffer[], name = 'MQTT'): Buffer {
  const body = Buffer.concat([text(name), Buffer.from([level, 2, 0, 60]), ...rest]);
  return Buffer.concat([Buffer.from([0x10]), remaining(body.length), body]);
}
const five = (properties: Buffer, id = 'me') => connect(5, [remaining(properties.length), properties, text(id)]);
const none = Buffer.alloc(0);
const FULL = Buffer.concat([
  Buffer.from([0x20, REASON.length + 6, 0, 0x84, REASON.length + 3, 0x1f, 0, REASON.length]),
  Buffer.from(REASON),
]);
const BARE = Buffer.from([0x20, 3, 0, 0x84, 0]);

test('a client of MQTT 5 is answered in the form of MQTT 5, with the reason', () => {
  assert.ok(FULL.length < 128, 'one byte of length');
  assert.deepEqual(otherVersion(five(none)), { level: 5, clientId: 'me', answer: FULL });
  assert.deepEqual(otherVersion(connect(6, [remaining(0), text('later')])), { level: 6, clientId: 'later', answer: FULL });
});

test('a client that takes only short packets gets the reason code alone', () => {
  const longest = (bytes: number) => {
    const size = Buffer.alloc(5);
    size[0] = 0x27;
    size.writeUInt32BE(bytes, 1);
    // Properties of every kind before it: numbers, texts, a pair of texts, bytes.
    const before = Buffer.concat([
      Buffer.from([0x11, 0, 0, 0, 9, 0x21, 0, 7, 0x17, 0, 0x19, 1, 0x22, 0, 3, 0x26]),
      ...[text('key'), text('value'), Buffer.from([0x15]), text('SCRAM'), Buffer.from([0x16]), text('\0')],
    ]);
    return otherVersion(five(Buffer.concat([before, size])))?.answer;
  };
  assert.deepEqual(longest(FULL.length), FULL);
  assert.deepEqual(longest(FULL.length - 1), BARE);
  assert.deepEqual(longest(1), BARE);
});

test('versions that the broker speaks go to the broker, bridges as well', () => {
  for (const level of [3, 4, 128 + 3, 128 + 4]) assert.equal(otherVersion(connect(level, [text('me')])), undefined, `${level}`);
  assert.equal(otherVersion(connect(3, [text('me')], 'MQIsdp')), undefined);
  assert.equal(otherVersion(connect(5, [text('me')], 'HTTP')), undefined);
});

test('a version before 3.1 gets the return code of MQTT 3.1.1', () => {
  const old = otherVersion(connect(2, [text('me')], 'MQIsdp'));
  assert.deepEqual(old, { level: 2, clientId: 'me', answer: Buffer.from([0x20, 2, 0, 1]) });
});

test('properties that end too early, or that nobody knows, change nothing but the name', () => {
  for (const [what, packet, clientId] of [
    ['a length of 256 MB', connect(5, [Buffer.from([0xff, 0xff, 0xff, 0x7f]), text('me')]), undefined],
    ['a length of five bytes', connect(5, [Buffer.from([0xff, 0xff, 0xff, 0xff, 1]), text('me')]), undefined],
    ['no properties', connect(5, []), undefined],
    ['a text that is longer than the properties', five(Buffer.from([0x26, 0xff, 0xff, 0x61])), 'me'],
    ['an unknown property', five(Buffer.from([0x7e, 0x27, 0, 0, 0, 1])), 'me'],
    ['half a size', five(Buffer.from([0x27, 0, 0])), 'me'],
  ] as const)
    assert.deepEqual(otherVersion(packet), { level: 5, clientId, answer: FULL }, what);
});

test('any bytes are read without a fault', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, headed) => {
      const packet = headed ? connect(5, [Buffer.from(bytes)]) : Buffer.from([0x10, ...bytes]);
      const found = otherVersion(packet);
      if (headed) assert.equal(found?.level, 5);
      assert.ok(found === undefined || found.answer.length <= FULL.length);
    }),
    { numRuns: 2000 },
  );
});
