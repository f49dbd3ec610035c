/** The table of permissions: every action of every door is in it, and the page shows it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { assertMay, may, PEOPLE_ROLES, PERMISSIONS } from '../../../src/access/roles.ts';
import { type Action, ROLES } from '../../../src/core/commands.ts';

const actions = Object.keys(PERMISSIONS) as Action[];

test('docs/reference/access.md has every permission with its least role', () => {
  const page = readFileSync(path.join(import.meta.dirname, '../../../docs/reference/access.md'), 'utf8');
  const section = page.split('## Roles and permissions')[1]?.split('\n## ')[0] ?? '';
  const written = [...section.matchAll(/^\| `([a-z-]+)` \| ([a-z-]+) \| .+ \|$/gm)].map(([, action, role]) => [action, role]);
  assert.deepEqual(written, Object.entries(PERMISSIONS));
  assert.ok(section.includes(`: ${ROLES.join(', ')}.`));
});

test('each role may do what the roles before it may, and a device nothing', () => {
  for (const action of actions) {
    const allowed = ROLES.filter((role) => may({ role }, action));
    assert.deepEqual(allowed, ROLES.slice(ROLES.length - allowed.length), action);
    assert.ok(allowed.includes('administrator'), action);
    assert.equal(may({ role: 'device' }, action), PERMISSIONS[action] === 'everybody', action);
    assert.equal(may(undefined, action), PERMISSIONS[action] === 'everybody', action);
  }
  assert.deepEqual(
    actions.filter((action) => may(undefined, action)),
    ['health', 'claim', 'log-in'],
  );
  assert.deepEqual(PEOPLE_ROLES, ['viewer', 'flow-editor', 'operator', 'administrator']);
});

test('the contract: who looks changes nothing, operators act, administrators manage', () => {
  const of = (role: (typeof ROLES)[number]) => actions.filter((action) => PERMISSIONS[action] === role);
  assert.deepEqual(of('viewer'), ['session', 'status', 'readings', 'history']);
  assert.deepEqual(of('flow-editor'), ['flows', 'restart-flows']);
  assert.deepEqual(of('operator'), [
    ...['read', 'exchange', 'capture', 'write', 'safe', 'acknowledge', 'shelve'],
    ...['reset', 'out-of-service', 'in-service', 'resend', 'bundle'],
  ]);
  assert.deepEqual(of('administrator'), ['reload', 'configure', 'configuration', 'accounts', 'claim-code', 'broker-status']);
});

test('a refusal names the role that is needed and who has it, at every door', () => {
  for (const action of actions)
    for (const door of ['socket', 'http', 'https', 'mqtt', 'node-red'] as const) {
      const by = { who: 'eve', door, role: 'device' } as const;
      if (may(by, action)) assertMay(by, action);
      else
        assert.throws(() => assertMay(by, action), {
          code: 'forbidden',
          message: new RegExp(
            `needs the role ${PERMISSIONS[action]}, and eve is device: ${door === 'socket' ? 'on the socket' : 'an administrator can'}`,
          ),
        });
    }
});
