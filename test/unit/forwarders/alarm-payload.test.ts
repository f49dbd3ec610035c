/** An alarm upstream has its words once. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { payloadOf } from '../../../src/forwarders/mqtt/dialects/own-topics.ts';

test('an alarm goes upstream without the same words as data; all else is as it was logged', () => {
  const json = '{"v":1,"rule":"hot","value":3.055,"message":"said \\"x\\"","said":{"say":"back"},"cause":"reading"}';
  assert.equal(
    payloadOf({ kind: 'alarm', json }),
    '{"v":1,"rule":"hot","value":3.055,"message":"said \\"x\\"","cause":"reading"}',
  );
  const plain = '{"v":1,"value":1e3}';
  assert.equal(payloadOf({ kind: 'alarm', json: plain }), plain);
  assert.equal(payloadOf({ kind: 'event', json }), json);
});
