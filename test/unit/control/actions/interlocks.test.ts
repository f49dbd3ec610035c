/** A point that a rule locks: who may not write it, and what the refusal says to do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Interlocks, rulePrincipal } from '../../../../src/control/actions/interlocks.ts';
import type { AlarmState } from '../../../../src/core/alarm.ts';
import type { Principal } from '../../../../src/core/commands.ts';
import { ruleOf } from '../../../fakes/actions-bench.ts';

const ANNA: Principal = { who: 'anna', door: 'https', role: 'operator' };

function refusal(state: AlarmState, holds: boolean, owesReset = false, by = ANNA): string | undefined {
  const rule = ruleOf('dry', { interlock: ['pump.run'], latch: true });
  const interlocks = new Interlocks({
    rules: () => new Map([['dry', rule]]),
    look: () => ({ state, holds, owesReset, message: 'the pump runs dry' }),
  });
  try {
    interlocks.assertFree('pump.run', by);
    return undefined;
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

test('the refusal of a locked point says what comes first: the end of the cause, or a reset', () => {
  const active =
    'pump.run is locked by the rule dry while its alarm is active (the pump runs dry); write it when the cause is gone';
  assert.equal(refusal('active-unacknowledged', true), active);
  assert.equal(refusal('shelved', true), active);
  assert.equal(
    refusal('latched', false, true),
    'pump.run is locked by the rule dry until its alarm is reset (the pump runs dry); reset the alarm first',
  );
});

test('a trip that waits for its reset locks the point also where its alarm is shelved', () => {
  const until = 'pump.run is locked by the rule dry until its alarm is reset (the pump runs dry); ';
  assert.equal(refusal('shelved', false, true), `${until}end its shelving and reset it first`);
  assert.equal(refusal('returned-unacknowledged', false, true), `${until}acknowledge it and reset it first`);
  assert.equal(refusal('shelved', false), undefined);
});

test('a point is free when the alarm is over or out of service, and for the rule itself', () => {
  assert.equal(refusal('normal', false), undefined);
  assert.equal(refusal('out-of-service', true), undefined);
  assert.equal(refusal('latched', false, true, rulePrincipal('dry')), undefined);
});
