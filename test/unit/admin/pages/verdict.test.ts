/** What the overview calls for attention about configurations from upstream. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { liveState } from '../../../../src/admin/live/live-state.ts';
import { verdictOf } from '../../../../src/admin/pages/gateway/verdict.ts';
import type { GatewayStatus } from '../../../../src/admin/target.ts';
import { statusOf } from '../../../fakes/admin-target.ts';
import { QUIET_STATE } from '../../../fakes/live-source.ts';
import { NOW, onTrial, rolledBack } from '../../../fakes/page-sites.ts';

const about = (inForce: GatewayStatus['inForce'] | undefined, now = NOW) => {
  const { rolledBack, upstream } = verdictOf({ ...QUIET_STATE, inForce }, now);
  return { rolledBack, upstream };
};

test('a roll-back needs attention for a day, a configuration that was kept never', () => {
  const { inForce } = rolledBack().nowState;
  const { time = 0 } = inForce?.last ?? {};
  const none = { rolledBack: undefined, upstream: false };
  assert.deepEqual(about(inForce), { ...none, rolledBack: 8 });
  assert.deepEqual(about(inForce, time + 86_399_999), { ...none, rolledBack: 8 });
  assert.deepEqual(about(inForce, time + 86_400_000), none);
  assert.deepEqual(about(undefined), none, 'a gateway of an earlier version');
  assert.ok(inForce?.last !== undefined);
  for (const outcome of ['confirmed', 'replaced'] as const)
    assert.deepEqual(about({ ...inForce, last: { ...inForce.last, outcome } }), none, outcome);
  assert.deepEqual(about({ origin: 'file', fault: 'the record is damaged' }), { ...none, upstream: true });
});

test('pages get the configuration in force as the status has it', () => {
  const { inForce } = onTrial().nowState;
  assert.ok(inForce !== undefined);
  const status = { ...statusOf(), inForce };
  assert.deepEqual(liveState(status, QUIET_STATE.machine).inForce, inForce);
});
