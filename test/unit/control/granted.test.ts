/** What each role may ask for by message. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { grantOf } from '../../../src/control/remote/granted.ts';

test('a role commands what its grant and those of the roles before it name', () => {
  const grants = {
    operator: { write: ['pump.speed'], ack: ['*'], restartFlows: true },
    administrator: { write: ['tank.*'], reload: true },
  };
  const none = {
    write: [],
    read: [],
    ack: [],
    shelve: [],
    reset: [],
    outOfService: [],
    reload: false,
    resend: false,
    configure: false,
    restartFlows: false,
  };
  assert.deepEqual(grantOf(grants, 'viewer'), none);
  assert.deepEqual(grantOf(grants, 'operator'), { ...none, write: ['pump.speed'], ack: ['*'], restartFlows: true });
  assert.deepEqual(grantOf(grants, 'administrator'), {
    ...{ ...none, write: ['pump.speed', 'tank.*'], ack: ['*'] },
    ...{ reload: true, restartFlows: true },
  });
});
