import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { packed, qosOf, sizeOf, unpacked } from '../../../src/forwarders/broker/packed-message.ts';

test('a packed message has every byte and its QoS, and none of the memory that it came in', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.constantFrom(0, 1, 2), (bytes, qos) => {
      const payload = Buffer.from(bytes);
      const message = packed(payload, qos);
      payload.fill(0x2a);
      assert.deepEqual([...unpacked(message)], [...bytes]);
      assert.deepEqual([qosOf(message), sizeOf(message)], [qos, bytes.length]);
    }),
  );
  assert.equal(unpacked(packed('Kühlraum 4 °C', 1)).toString(), 'Kühlraum 4 °C');
});
