/** What a visit begins with: only what this broker does not have yet. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { thrifty } from '../../../src/forwarders/mqtt/budget/thrifty.ts';
import type { LogSpeaker, OutMessage } from '../../../src/forwarders/mqtt/dialect.ts';

test('a broker gets what it retains once a day, and another broker gets it at once', () => {
  const state = { bulk: true, broker: 'mqtt://a:1883', now: 0 };
  const message: OutMessage = { topic: 'site/inventory', payload: '{}', qos: 1, retain: true };
  const speaker = { greet: () => [message], will: () => undefined, farewell: () => [] } as unknown as LogSpeaker;
  const own = thrifty(speaker, { isBulk: () => state.bulk, broker: () => state.broker, now: () => state.now });
  const visit = (): number => {
    const sent = [...own.greet()];
    for (const { taken } of sent) taken?.();
    return sent.length;
  };
  assert.deepEqual([visit(), visit()], [1, 0]);
  state.broker = 'mqtt://b:1883';
  assert.deepEqual([visit(), visit()], [1, 0]);
  state.broker = 'mqtt://a:1883';
  assert.equal(visit(), 1, 'it may have lost it meanwhile');
  state.now = 86_400_000;
  state.bulk = false;
  assert.equal(visit(), 0);
  state.bulk = true;
  assert.deepEqual([visit(), visit()], [1, 0]);
});
