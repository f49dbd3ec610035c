/** Accounts, log-ins, the claim and sessions together, as the doors meet them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { inspect } from 'node:util';
import { MOST_TOKENS, MOST_USERS } from '../../../src/access/accounts.ts';
import type { Caller } from '../../../src/core/access-ports.ts';
import { claimedAccess, codeOf, lan, PASSWORD, ROOT, type TestAccess, testAccess } from '../../fakes/test-access.ts';

const HTTP = lan(1, 'http');
const logIn = ({ access }: TestAccess, name: string, password = PASSWORD, caller: Caller = HTTP, mark?: string) =>
  access.people.logIn({ name, password, caller, mark });
const claim = ({ access }: TestAccess, code: string, name = 'anna', caller: Caller = HTTP, password = PASSWORD) =>
  access.people.claim({ code, name, password, caller });

test('a person who logs in has a session with the role, until log-out', async (t) => {
  const one = await claimedAccess(t);
  const { people } = one.access;
  const { id, principal } = await logIn(one, 'anna');
  const { account, ...rest } = principal;
  assert.match(account ?? '', /^user:anna\.[0-9a-z]{8}$/);
  assert.deepEqual(rest, { who: 'anna', door: 'http', role: 'administrator' });
  assert.deepEqual(people.session(id, 'http'), principal);
  assert.equal(one.access.accounts.users().users[0]?.sessions, 1);
  people.logOut(id);
  assert.equal(people.session(id, 'http'), undefined);
  assert.equal(people.session('x'.repeat(26), 'http'), undefined);
});

test('a new password, a new role and a removal end the sessions of that person at once', async (t) => {
  const one = await claimedAccess(t);
  const { accounts, people } = one.access;
  await accounts.addUser({ name: 'ben', role: 'viewer', password: PASSWORD }, ROOT);
  const anna = await logIn(one, 'anna');
  const changes = [
    () => accounts.setPassword('ben', `${PASSWORD} 2`, ROOT),
    () => accounts.setRole('ben', 'operator', ROOT),
    () => people.changePassword({ name: 'ben', password: `${PASSWORD} 2`, next: `${PASSWORD} 3`, caller: HTTP }),
    () => accounts.removeUser('ben', ROOT),
  ];
  for (const [i, change] of changes.entries()) {
    const ben = await logIn(one, 'ben', i === 0 ? PASSWORD : i < 3 ? `${PASSWORD} 2` : `${PASSWORD} 3`);
    assert.ok(people.session(ben.id, 'http') !== undefined);
    await change();
    assert.equal(people.session(ben.id, 'http'), undefined, `change ${i}`);
  }
  assert.ok(people.session(anna.id, 'http') !== undefined, 'others keep theirs');
  await accounts.claimAgain(ROOT);
  assert.equal(people.session(anna.id, 'http'), undefined);
});

test('a log-in that is being checked does not get in after the change that forbids it', async (t) => {
  const one = await claimedAccess(t);
  const { accounts } = one.access;
  await accounts.addUser({ name: 'ben', role: 'viewer', password: PASSWORD }, ROOT);
  await accounts.addDevice({ name: 'plug-1', publish: [], subscribe: [] }, ROOT);
  const waiting = [logIn(one, 'anna'), logIn(one, 'ben', PASSWORD, lan(2, 'http')), logIn(one, 'ben', PASSWORD, lan(3, 'http'))];
  const removed = accounts.removeUser('ben', ROOT);
  const codes = await Promise.all(waiting.map(codeOf));
  await removed;
  // Whether the removal or the check comes first, the session is over.
  for (const login of waiting.slice(1)) {
    const session = await login.catch(() => undefined);
    assert.equal(session === undefined ? undefined : one.access.people.session(session.id, 'http'), undefined);
  }
  assert.equal(codes[0], 'done');
});

test('no check that began under an old password leaves a session behind', async (t) => {
  const one = await claimedAccess(t);
  const { accounts, people } = one.access;
  await accounts.addUser({ name: 'ben', role: 'viewer', password: `${PASSWORD} 0` }, ROOT);
  let checked = 0;
  for (let i = 0; i < 30; i++) {
    const change = accounts.setPassword('ben', `${PASSWORD} ${i + 1}`, ROOT);
    // Checks run beside the writing of the file.
    const tries = Array.from({ length: 5 }, async (_, k) => {
      for (let turns = 0; turns < k * 20; turns++) await new Promise((resolve) => setImmediate(resolve));
      return logIn(one, 'ben', `${PASSWORD} ${i}`, lan(k, 'http')).catch(() => undefined);
    });
    const sessions = await Promise.all(tries);
    await change;
    for (const session of sessions) {
      if (session !== undefined) checked++;
      assert.equal(session === undefined ? undefined : people.session(session.id, 'http'), undefined);
    }
    await one.clock.advance(24 * 3_600_000);
  }
  assert.ok(checked > 0, 'some got in before the change');
});

test('of a thousand wrong log-ins few are checked, and the owner gets in meanwhile', async (t) => {
  const one = await claimedAccess(t);
  const { mark } = await logIn(one, 'anna', PASSWORD, lan(7, 'http'));
  const before = one.access.checked;
  const codes = new Map<string, number>();
  for (let i = 0; i < 1000; i++) {
    const code = await codeOf(logIn(one, 'anna', `wrong password ${i}`, lan(i % 50 === 0 ? 66 : 100 + (i % 50), 'http')));
    codes.set(code, (codes.get(code) ?? 0) + 1);
    one.clock.step(i % 2 === 0 ? 3_600_000 : -7_200_000);
  }
  assert.equal(one.access.checked - before, 5);
  assert.deepEqual([codes.get('unauthorized'), codes.get('throttled')], [5, 995]);
  assert.equal(await codeOf(logIn(one, 'anna', PASSWORD, lan(7, 'http'))), 'done');
  assert.equal(await codeOf(logIn(one, 'anna', PASSWORD, lan(66, 'http'))), 'throttled', 'a stranger waits');
  assert.equal(await codeOf(logIn(one, 'anna', PASSWORD, lan(66, 'http'), mark)), 'done', 'but not the browser of the owner');
  const told = one.events.filter(({ event }) => event === 'access');
  assert.ok(told.length <= 32, `${told.length} events`);
  await one.clock.advance(60_000);
  const sums = one.events.filter(({ data }) => data?.suppressed !== undefined).map(({ data }) => data?.suppressed);
  assert.deepEqual(sums, [986]);
});

test('names that are not there cost as much as those that are, and names are never repeated', async (t) => {
  const one = await claimedAccess(t);
  const names = [
    'nobody',
    'Planted-Name-7f3a',
    'x'.repeat(100_000),
    'a\u0000b',
    '\u001b[31mred',
    '../../etc',
    '',
    'anna\nmark x',
  ];
  for (const [i, name] of names.entries()) {
    const before = one.access.checked;
    const thrown = await logIn(one, name, 'Planted-Pass-7f3a', lan(10 + i, 'http')).catch((error: Error) => error);
    assert.ok(thrown instanceof Error && !thrown.message.includes('lanted'));
    // All that are no names share one budget.
    assert.ok(one.access.checked - before === (i < 6 ? 1 : 0) || one.access.checked - before === 1, name.slice(0, 20));
  }
  assert.doesNotMatch(JSON.stringify([one.events, one.lines]), /lanted|\\u001b|etc|nobody/);
  assert.match(one.events.at(-1)?.message ?? '', /^A (log-in|log-in of \w+) over HTTP from 192\.168\.1\.\d+ was /);
});

test('the claim code makes the first administrator, once', async (t) => {
  const one = await testAccess(t);
  const code = one.access.accounts.claimCode() ?? '';
  assert.equal(one.access.people.claimed, false);
  assert.equal(await codeOf(claim(one, code, 'Bad Name')), 'request-invalid');
  assert.equal(await codeOf(claim(one, code, 'anna', HTTP, 'short')), 'request-invalid');
  const typed = ` ${code.toLowerCase().replaceAll('-', ' ').replaceAll('0', 'o').replaceAll('1', 'l')} `;
  const { account, ...anna } = await claim(one, typed);
  assert.match(account ?? '', /^user:anna\.[0-9a-z]{8}$/);
  assert.deepEqual(anna, { who: 'anna', door: 'http', role: 'administrator' });
  assert.equal(one.access.accounts.claimCode(), undefined);
  assert.equal(await codeOf(claim(one, code, 'eve')), 'exists');
  assert.equal(await codeOf(logIn(one, 'anna')), 'done');
});

test('a claim raced by two, and by an administrator on the board, makes one administrator', async (t) => {
  for (const local of [false, true]) {
    const one = await testAccess(t);
    const code = one.access.accounts.claimCode() ?? '';
    const racers = [
      claim(one, code, 'anna', lan(1, 'http')),
      claim(one, code, 'eve', lan(2, 'http')),
      claim(one, code, 'mallory', lan(3, 'http')),
    ];
    if (local)
      racers.unshift(
        one.access.accounts.addUser({ name: 'owner', role: 'administrator', password: PASSWORD }, ROOT).then(() => ROOT),
      );
    const codes = await Promise.all(racers.map(codeOf));
    const claims = local ? codes.slice(1) : codes;
    if (local) assert.equal(codes[0], 'done', 'the administrator on the board needs no code');
    const won = claims.filter((code) => code === 'done').length;
    assert.ok(won === 1 || (local && won === 0), codes.join());
    assert.equal(claims.filter((code) => code === 'exists').length, 3 - won);
    const users = won + (local ? 1 : 0);
    assert.equal(one.access.accounts.users().users.length, users);
    assert.equal((await one.again()).access.accounts.users().users.length, users);
  }
});

test('wrong claim codes back off by address, and in total', async (t) => {
  const one = await testAccess(t);
  const code = one.access.accounts.claimCode() ?? '';
  const codes: string[] = [];
  for (let i = 0; i < 1000; i++) codes.push(await codeOf(claim(one, `0000-0000-${String(i).padStart(4, '0')}`)));
  assert.deepEqual([codes.filter((c) => c === 'unauthorized').length, codes.filter((c) => c === 'throttled').length], [5, 995]);
  assert.equal(await codeOf(claim(one, code)), 'throttled', 'from this address nothing is looked at');
  for (let i = 0; i < 200; i++) codes.push(await codeOf(claim(one, 'AAAA-AAAA-AAAA', 'eve', lan(i, 'http'))));
  assert.equal(codes.slice(1000).filter((c) => c === 'unauthorized').length, 55);
  await one.clock.advance(60_000);
  assert.equal(await codeOf(claim(one, code, 'anna', lan(222, 'http'))), 'done');
});

test('roles of people are those of the table, and the last administrator stays', async (t) => {
  const one = await claimedAccess(t);
  const { accounts } = one.access;
  for (const role of ['device', 'root', '', 'Administrator'])
    assert.equal(await codeOf(accounts.setRole('anna', role as 'viewer', ROOT)), 'request-invalid', role);
  assert.equal(await codeOf(accounts.setRole('anna', 'viewer', ROOT)), 'request-invalid');
  assert.equal(await codeOf(accounts.removeUser('anna', ROOT)), 'request-invalid');
  await accounts.addUser({ name: 'ben', role: 'administrator', password: PASSWORD }, ROOT);
  const both = await Promise.all([codeOf(accounts.removeUser('anna', ROOT)), codeOf(accounts.setRole('ben', 'viewer', ROOT))]);
  assert.deepEqual(both.toSorted(), ['done', 'request-invalid'], 'one of two at the same time');
});

test('nobody has an account before the first administrator, and a name is one account', async (t) => {
  const one = await testAccess(t);
  const { accounts } = one.access;
  const user = { name: 'anna', role: 'viewer', password: PASSWORD } as const;
  const device = { name: 'anna', publish: [], subscribe: [] };
  const token = { name: 'anna', role: 'viewer', lasts: 86_400_000 } as const;
  const all = () => [accounts.addUser(user, ROOT), accounts.addDevice(device, ROOT), accounts.addToken(token, ROOT)].map(codeOf);
  assert.deepEqual(await Promise.all(all()), ['request-invalid', 'request-invalid', 'request-invalid']);
  assert.equal(one.access.people.claimed, false);
  await accounts.addUser({ ...user, role: 'administrator' }, ROOT);
  assert.deepEqual(await Promise.all(all()), ['exists', 'exists', 'exists']);
});

test('accounts are bounded in number', async (t) => {
  const one = await claimedAccess(t);
  const { accounts } = one.access;
  for (let i = 0; i < MOST_TOKENS; i++) await accounts.addToken({ name: `t${i}`, role: 'viewer', lasts: 86_400_000 }, ROOT);
  assert.equal(await codeOf(accounts.addToken({ name: 'more', role: 'viewer', lasts: 86_400_000 }, ROOT)), 'request-invalid');
  for (let i = 1; i < MOST_USERS; i++) await accounts.addUser({ name: `u${i}`, role: 'viewer', password: PASSWORD }, ROOT);
  assert.equal(await codeOf(accounts.addUser({ name: 'more', role: 'viewer', password: PASSWORD }, ROOT)), 'request-invalid');
  const filters = Array.from({ length: 17 }, (_, i) => `a${i}/#`);
  assert.equal(await codeOf(accounts.addDevice({ name: 'more', publish: filters, subscribe: [] }, ROOT)), 'request-invalid');
  const waiting = Array.from({ length: 30 }, (_, i) => codeOf(accounts.removeToken(`t${i}`, ROOT)));
  const codes = await Promise.all(waiting);
  assert.deepEqual([codes.filter((c) => c === 'done').length, codes.filter((c) => c === 'throttled').length], [16, 14]);
});

test('a token ends at its time; while the time is not known, at that of the last change', async (t) => {
  const one = await claimedAccess(t);
  const { accounts, people } = one.access;
  for (const lasts of [0, 1, -5, Number.NaN, 1e15])
    assert.equal(await codeOf(accounts.addToken({ name: 'x', role: 'viewer', lasts }, ROOT)), 'request-invalid');
  const { token } = await accounts.addToken({ name: 'exporter', role: 'viewer', lasts: 3_600_000 }, ROOT);
  one.time.known = false;
  one.clock.step(-1e12);
  assert.equal(await codeOf(people.token(token, HTTP)), 'done', 'a board that woke up in 1995');
  one.time.known = true;
  one.clock.step(1e12 + 3_600_000);
  assert.equal(await codeOf(people.token(token, HTTP)), 'unauthorized');
  assert.deepEqual(
    accounts.tokens().map(({ expired }) => expired),
    [true],
  );
  // Something else changes: from now on the file knows that it is later.
  await accounts.setPassword('anna', `${PASSWORD} 2`, ROOT);
  one.time.known = false;
  one.clock.step(-1e12);
  assert.equal(await codeOf(people.token(token, HTTP)), 'unauthorized');
});

test('a device gets a new password, and the old one is over', async (t) => {
  const one = await claimedAccess(t);
  const { accounts, mqtt } = one.access;
  const first = (await accounts.addDevice({ name: 'plug-1', publish: [], subscribe: [] }, ROOT)) ?? '';
  const second = await accounts.renewSecret('plug-1', ROOT);
  const enter = (password: string) =>
    codeOf(
      mqtt.logIn({ clientId: 'c', username: 'plug-1', password: Buffer.from(password), certificate: undefined, caller: lan(3) }),
    );
  assert.deepEqual([await enter(first), await enter(second)], ['unauthorized', 'done']);
  await accounts.addDevice({ name: 'meter-1', publish: [], subscribe: [], certificate: 'ab'.repeat(32) }, ROOT);
  const twin = { name: 'meter-2', publish: [], subscribe: [], certificate: 'AB'.repeat(32) };
  assert.equal(await codeOf(accounts.addDevice(twin, ROOT)), 'exists');
  assert.equal(await codeOf(accounts.renewSecret('meter-1', ROOT)), 'request-invalid');
  assert.equal(await codeOf(accounts.setPassword('plug-1', PASSWORD, ROOT)), 'request-invalid');
  assert.equal(await codeOf(accounts.setRole('plug-1', 'viewer', ROOT)), 'request-invalid');
  assert.equal(await codeOf(accounts.renewSecret('anna', ROOT)), 'not-found');
});

test('changes are reported with who made them, also while refusals are suppressed', async (t) => {
  const one = await claimedAccess(t);
  const { accounts } = one.access;
  for (let i = 0; i < 100; i++) await codeOf(logIn(one, 'anna', 'wrong password', lan(i, 'http')));
  await accounts.addDevice({ name: 'plug-1', publish: [], subscribe: [] }, ROOT);
  await codeOf(accounts.addDevice({ name: 'plug-1', publish: [], subscribe: [] }, ROOT));
  await accounts.removeUser('plug-1', { who: 'ann\u0007', door: 'socket', role: 'administrator' });
  const changes = one.events.filter(({ data }) => String(data?.do).startsWith('device-'));
  assert.deepEqual(
    changes.map(({ severity, message }) => [severity, message]),
    [
      ['info', 'The device plug-1 was added on this board (root).'],
      ['warning', 'device-add was not done on this board (root): exists.'],
      ['info', 'The device plug-1 was removed on this board (ann�).'],
    ],
  );
  assert.deepEqual(changes[0]?.data, {
    do: 'device-add',
    result: 'done',
    user: 'plug-1',
    via: 'socket',
    who: 'root',
    role: 'administrator',
  });
});

test('no secret is in an event, a line, an error or an answer, whatever field it is put in', async (t) => {
  const one = await testAccess(t);
  const { accounts, people, mqtt } = one.access;
  const planted = 'Planted-7f3a-secret';
  const answers: unknown[] = [];
  const collect = async (promise: Promise<unknown>): Promise<void> => {
    answers.push(await promise.catch((error: Error) => inspect(error, { depth: 9 })));
  };
  const code = accounts.claimCode() ?? '';
  await collect(claim(one, planted, planted, HTTP, planted));
  await collect(claim(one, code, planted, HTTP, planted));
  await collect(claim(one, code, 'anna', HTTP, `${planted} 1`));
  const made = (await accounts.addDevice({ name: 'plug-1', publish: [], subscribe: [] }, ROOT)) ?? '';
  const { token } = await accounts.addToken({ name: 'exporter', role: 'viewer', lasts: 86_400_000 }, ROOT);
  await collect(accounts.addUser({ name: planted, role: 'viewer', password: planted }, ROOT));
  await collect(accounts.addUser({ name: 'ben', role: planted as 'viewer', password: planted }, ROOT));
  await collect(accounts.addUser({ name: 'ben', role: 'viewer', password: planted }, ROOT));
  await collect(accounts.setPassword('ben', `${planted} 2`, ROOT));
  await collect(accounts.setPassword(planted, planted, ROOT));
  await collect(accounts.setRole(planted, 'viewer', ROOT));
  await collect(accounts.removeUser(planted, ROOT));
  await collect(accounts.removeToken(planted, ROOT));
  await collect(accounts.addDevice({ name: planted, publish: [planted], subscribe: [planted], certificate: planted }, ROOT));
  await collect(accounts.addDevice({ name: 'plug-2', publish: [`sluice/${planted}`], subscribe: [] }, ROOT));
  await collect(accounts.addToken({ name: planted, role: 'viewer', lasts: 86_400_000 }, ROOT));
  for (const name of [planted, 'ben', 'anna', 'plug-1', 'exporter'])
    for (const password of [planted, `sld_${'0'.repeat(26)}`, `slt_00000000_${'0'.repeat(26)}`]) {
      await collect(logIn(one, name, password, HTTP, planted).then(({ principal }) => principal));
      const login = { clientId: planted, username: name, password: Buffer.from(password), certificate: planted, caller: lan(9) };
      await collect(mqtt.logIn(login));
    }
  await collect(people.token(planted, HTTP));
  await collect(people.changePassword({ name: 'anna', password: planted, next: planted, caller: lan(8, 'http') }));
  await one.clock.advance(120_000);
  const everything = inspect([one.events, one.lines, answers, accounts.status(), accounts.users(), accounts.tokens()], {
    ...{ depth: 12, maxArrayLength: null, maxStringLength: null },
  });
  assert.doesNotMatch(everything, /lanted|7f3a/);
  for (const secret of [made, token, code]) assert.ok(!everything.includes(secret));
  assert.ok(answers.length > 40);
});

test('an account that is made again is not the owner of what the one before asked for', async (t) => {
  const one = await claimedAccess(t);
  const { accounts } = one.access;
  const owners = (of: TestAccess) => [of.access.owner('user:ben'), of.access.owner('device:plug')];
  const add = async (): Promise<void> => {
    await accounts.addUser({ name: 'ben', role: 'viewer', password: PASSWORD }, ROOT);
    await accounts.addDevice({ name: 'plug', publish: [], subscribe: [] }, ROOT);
  };
  await add();
  const first = owners(one);
  await accounts.setPassword('ben', `${PASSWORD} 2`, ROOT);
  await accounts.setRole('ben', 'operator', ROOT);
  await accounts.renewSecret('plug', ROOT);
  assert.deepEqual(owners(one), first, 'a change makes no other account');
  assert.deepEqual(owners(await one.again()), first, 'nor does a restart');
  await accounts.removeUser('ben', ROOT);
  await accounts.removeUser('plug', ROOT);
  await add();
  const second = owners(one);
  for (const [i, owner] of first.entries()) assert.notEqual(second[i], owner);
  assert.deepEqual(owners(await one.again()), second);
});

test('users and tokens that had one name one after the other are different accounts', async (t) => {
  const one = await claimedAccess(t);
  const { accounts, people } = one.access;
  const lasts = 3_600_000;
  const seen = new Set<string | undefined>();
  for (let i = 0; i < 2; i++) {
    await accounts.addUser({ name: 'ben', role: 'operator', password: PASSWORD }, ROOT);
    for (const door of ['http', 'https'] as const) {
      const session = await logIn(one, 'ben', PASSWORD, lan(1, door));
      seen.add(session.principal.account);
      seen.add(people.session(session.id, door)?.account);
    }
    await accounts.removeUser('ben', ROOT);
    const { token } = await accounts.addToken({ name: 'ben', role: 'operator', lasts }, ROOT);
    for (const door of ['http', 'https'] as const) seen.add((await people.token(token, lan(1, door))).account);
    await accounts.removeToken('ben', ROOT);
    assert.equal(seen.size, 2 * (i + 1), 'one user and one token');
  }
  assert.ok(!seen.has(undefined));
});

test('users and tokens of a name that was used before get nothing of the account before', async (t) => {
  const one = await claimedAccess(t);
  const { accounts, people, mqtt } = one.access;
  const lasts = 3_600_000;
  const { token: old } = await accounts.addToken({ name: 'program', role: 'operator', lasts }, ROOT);
  await accounts.removeToken('program', ROOT);
  const { token: next } = await accounts.addToken({ name: 'program', role: 'viewer', lasts }, ROOT);
  assert.equal(await codeOf(people.token(old, HTTP)), 'unauthorized');
  assert.equal((await people.token(next, HTTP)).role, 'viewer');
  const owner = async (text: string) =>
    (
      await mqtt.logIn({
        clientId: 'c',
        username: 'program',
        password: Buffer.from(text),
        certificate: undefined,
        caller: lan(5),
      })
    ).owner;
  assert.equal(await codeOf(owner(old)), 'unauthorized');
  assert.match(await owner(next), /^token:[0-9a-z]{8}$/, 'sessions and commands belong to its id');
  await accounts.addUser({ name: 'ben', role: 'operator', password: PASSWORD }, ROOT);
  const { id, mark } = await logIn(one, 'ben');
  await accounts.removeUser('ben', ROOT);
  await accounts.addUser({ name: 'ben', role: 'viewer', password: `${PASSWORD} 2` }, ROOT);
  assert.equal(people.session(id, 'http'), undefined, 'no session');
  assert.equal(await codeOf(logIn(one, 'ben')), 'unauthorized', 'no password');
  assert.equal(await codeOf(logIn(one, 'ben', PASSWORD, HTTP, mark)), 'unauthorized', 'no mark that is known');
});
