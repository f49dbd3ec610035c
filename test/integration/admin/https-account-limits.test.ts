/** As many accounts and sessions as a gateway has: what one more gets over HTTPS, and what the audit says. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { MOST_DEVICES, MOST_TOKENS, MOST_USERS } from '../../../src/access/accounts.ts';
import { MOST_OF_USER } from '../../../src/access/sessions.ts';
import { PASSWORD, ROOT } from '../../fakes/test-access.ts';
import { webBench } from '../../harness/web-bench.ts';

const KINDS = [
  {
    ...{ what: 'tokens', most: MOST_TOKENS, add: '/api/v1/tokens/add', remove: '/api/v1/tokens/remove', change: 'token-add' },
    body: (name: string) => ({ name, role: 'viewer', lasts: 86_400_000 }),
  },
  {
    ...{ what: 'users', most: MOST_USERS, add: '/api/v1/users/add', remove: '/api/v1/users/remove', change: 'user-add' },
    body: (name: string) => ({ name, role: 'viewer', password: PASSWORD }),
  },
  {
    ...{ what: 'devices', most: MOST_DEVICES, add: '/api/v1/users/add', remove: '/api/v1/users/remove', change: 'device-add' },
    body: (name: string) => ({ name, device: true }),
  },
];

for (const { what, most, add, remove, change, body } of KINDS)
  test(`one more than ${most} ${what} is refused and audited, and has room after a removal`, async (t) => {
    const bench = await webBench(t);
    const { accounts } = bench.access;
    await accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
    const anna = bench.client();
    assert.equal((await anna.logIn('anna')).status, 200);
    const there = what === 'users' ? 1 : 0;
    for (let i = there; i < most; i++) {
      const name = `x${i}`;
      if (what === 'tokens') await accounts.addToken({ name, role: 'viewer', lasts: 86_400_000 }, ROOT);
      else if (what === 'users') await accounts.addUser({ name, role: 'viewer', password: PASSWORD }, ROOT);
      else await accounts.addDevice({ name, publish: [], subscribe: [], certificate: undefined }, ROOT);
    }
    // What is audited has a cap; a minute later there is room for it again.
    await bench.clock.advance(120_000);
    const before = bench.events.length;
    const refused = await anna.page('POST', add, { body: body('one-more') });
    assert.equal(refused.status, 400, refused.text);
    assert.match(refused.text, new RegExp(`at most ${most} ${what}; remove one first`));
    const event = bench.events.slice(before).find(({ data }) => data?.do === change);
    assert.deepEqual([event?.data?.result, event?.data?.who, event?.data?.via], ['refused', 'anna', 'https']);
    assert.equal((await anna.page('POST', remove, { body: { name: 'x2' } })).status, 200);
    const added = await anna.page('POST', add, { body: body('one-more') });
    assert.equal(added.status, 200, added.text);
  });

test(`one more than ${MOST_OF_USER} sessions ends the idle one of the same person alone`, async (t) => {
  const bench = await webBench(t);
  const { accounts } = bench.access;
  await accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
  await accounts.addUser({ name: 'ben', role: 'viewer', password: PASSWORD }, ROOT);
  const ben = bench.client('127.0.70.100');
  assert.equal((await ben.logIn('ben')).status, 200);
  const clients = Array.from({ length: MOST_OF_USER + 1 }, (_, i) => bench.client(`127.0.70.${i + 1}`));
  for (const client of clients.slice(0, MOST_OF_USER)) {
    assert.equal((await client.logIn('anna')).status, 200);
    await bench.clock.advance(1000);
  }
  // The first one is used again, so the second one is idle for longest.
  assert.equal((await clients[0]?.ask('GET', '/api/v1/session'))?.status, 200);
  assert.equal((await clients.at(-1)?.logIn('anna'))?.status, 200);
  const states = [];
  for (const client of clients) states.push((await client.ask('GET', '/api/v1/session')).status);
  assert.deepEqual(
    states,
    clients.map((_, i) => (i === 1 ? 401 : 200)),
  );
  assert.equal((await ben.ask('GET', '/api/v1/session')).status, 200);
  const { users } = accounts.users();
  assert.deepEqual(
    users.map(({ name, sessions }) => [name, sessions]),
    [
      ['anna', MOST_OF_USER],
      ['ben', 1],
    ],
  );
});
