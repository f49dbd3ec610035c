/** The files of the accounts: whatever happens to them, the gateway starts and no door opens. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { accountText, MOST_BYTES, parseAccounts } from '../../../src/access/account-text.ts';
import { NO_ACCOUNTS } from '../../../src/access/accounts.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { claimedAccess, codeOf, lan, PASSWORD, ROOT, type TestAccess, testAccess } from '../../fakes/test-access.ts';

const file = ({ stateDir }: TestAccess): string => path.join(stateDir, 'access.json');
const copy = (one: TestAccess): string => `${file(one)}.copy`;
const each = (one: TestAccess, spoil: (name: string) => void): void => {
  for (const name of [file(one), copy(one)]) spoil(name);
};
const claim = ({ stateDir }: TestAccess): string => path.join(stateDir, 'claim');
const state = ({ access }: TestAccess) => access.accounts.status().state;
const logIn = ({ access }: TestAccess, name: string, password = PASSWORD): Promise<string> =>
  codeOf(access.people.logIn({ name, password, caller: lan(1, 'http') }));
const addUser = ({ access }: TestAccess, name: string): Promise<void> =>
  access.accounts.addUser({ name, role: 'administrator', password: PASSWORD }, ROOT);

/** Nobody gets in, nobody can claim, and root makes a new administrator. */
async function isLocked(one: TestAccess, why: RegExp): Promise<void> {
  const { access } = one;
  assert.equal(state(one), 'locked');
  assert.match(access.accounts.status().fault ?? '', why);
  assert.deepEqual([access.mqtt.claimed, access.people.claimed, access.accounts.claimCode()], [true, true, undefined]);
  assert.ok(!existsSync(claim(one)));
  assert.equal(await logIn(one, 'anna'), 'unauthorized');
  const anonymous = { clientId: 'c', username: undefined, password: undefined, certificate: undefined };
  assert.equal(await codeOf(access.mqtt.logIn({ ...anonymous, caller: { address: '127.0.0.1', door: 'mqtt' } })), 'unauthorized');
  const taken = { code: '0000-0000-0000', name: 'eve', password: PASSWORD, caller: lan(2, 'http') };
  assert.equal(await codeOf(access.people.claim(taken)), 'exists');
  assert.equal(one.events.filter(({ event, severity }) => event === 'access' && severity === 'critical').length, 1);
}
async function isMended(one: TestAccess): Promise<void> {
  assert.equal(
    await codeOf(one.access.accounts.addUser({ name: 'ben', role: 'viewer', password: PASSWORD }, ROOT)),
    'request-invalid',
  );
  await addUser(one, 'berta');
  assert.equal(await logIn(one, 'berta'), 'done');
  const next = await one.again();
  assert.equal(state(next), 'claimed');
  assert.deepEqual(
    next.access.accounts.users().users.map(({ name }) => name),
    ['berta'],
  );
}

test('accounts are as they were at the next start, in files for the gateway alone', async (t) => {
  const one = await claimedAccess(t);
  const { accounts } = one.access;
  const secret = await accounts.addDevice({ name: 'plug-1', publish: ['tele/plug-1/#'], subscribe: [] }, ROOT);
  await accounts.addDevice({ name: 'meter-1', publish: [], subscribe: ['#'], certificate: 'AB:'.repeat(31).concat('AB') }, ROOT);
  const { token } = await accounts.addToken({ name: 'exporter', role: 'viewer', lasts: 86_400_000 }, ROOT);
  const next = await one.again();
  assert.deepEqual(next.access.accounts.users(), one.access.accounts.users());
  assert.deepEqual(next.access.accounts.tokens(), one.access.accounts.tokens());
  assert.equal(await logIn(next, 'anna'), 'done');
  assert.equal((await next.access.people.token(token, lan(1, 'http'))).who, 'exporter');
  for (const name of [file(one), copy(one)]) assert.equal(statSync(name).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(one.stateDir).sort(), ['access.json', 'access.json.copy']);
  const text = readFileSync(file(one), 'utf8');
  for (const hidden of [PASSWORD, secret, token]) assert.ok(hidden !== undefined && !text.includes(hidden));
});

test('an unclaimed gateway keeps its code, in a file for itself', async (t) => {
  const one = await testAccess(t);
  const code = one.access.accounts.claimCode();
  assert.match(code ?? '', /^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}$/);
  assert.equal(readFileSync(claim(one), 'utf8'), `${code}\n`);
  assert.equal(statSync(claim(one)).mode & 0o777, 0o600);
  assert.equal((await one.again()).access.accounts.claimCode(), code);
  for (const damage of [randomBytes(12), '', '7K3M-Q2XV', 'x'.repeat(5000)]) {
    writeFileSync(claim(one), damage);
    const next = await one.again();
    assert.notEqual(next.access.accounts.claimCode(), code);
    assert.equal(readFileSync(claim(one), 'utf8'), `${next.access.accounts.claimCode()}\n`);
  }
  const before = (await one.again()).access.accounts.claimCode();
  chmodSync(claim(one), 0o644);
  assert.notEqual((await one.again()).access.accounts.claimCode(), before, 'others could read it');
  assert.equal(statSync(claim(one)).mode & 0o777, 0o600);
});

test('a damaged or missing file is made again from its copy, and no account is lost', async (t) => {
  const one = await claimedAccess(t);
  const good = readFileSync(file(one));
  const damages: [string, () => void][] = [
    ['gone', () => rmSync(file(one))],
    ['empty', () => truncateSync(file(one), 0)],
    ['half', () => truncateSync(file(one), good.length >> 1)],
    ['random', () => writeFileSync(file(one), randomBytes(good.length))],
    ['large', () => writeFileSync(file(one), Buffer.alloc(MOST_BYTES + 10, 32))],
  ];
  for (const [name, damage] of damages) {
    damage();
    const next = await one.again();
    assert.equal(state(next), 'claimed', name);
    assert.equal(await logIn(next, 'anna'), 'done', name);
    assert.match(next.events[0]?.message ?? '', /were taken from its copy/);
    assert.deepEqual(readFileSync(file(one)), good, name);
    assert.equal(existsSync(`${file(one)}.damaged`), name !== 'gone' || existsSync(`${file(one)}.damaged`));
  }
  rmSync(copy(one));
  assert.equal(state(await one.again()), 'claimed');
  assert.deepEqual(readFileSync(copy(one)), good, 'a missing copy is made again');
});

test('when both files are damaged or gone, the gateway is locked and not claimable', async (t) => {
  const both: [RegExp, (one: TestAccess) => void][] = [
    [/is damaged/, (one) => each(one, (name) => writeFileSync(name, randomBytes(200)))],
    [/is damaged/, (one) => each(one, (name) => truncateSync(name, 100))],
    [/is damaged/, (one) => each(one, (name) => truncateSync(name, 0))],
    [/is missing/, (one) => [rmSync(file(one)), writeFileSync(copy(one), 'x')]],
    [/is missing/, (one) => [rmSync(copy(one)), renameSync(file(one), `${file(one)}.damaged`)]],
    [/is damaged/, (one) => [rmSync(copy(one)), writeFileSync(file(one), accountText({ accounts: NO_ACCOUNTS, changed: 1 }))]],
  ];
  for (const [why, damage] of both) {
    const one = await claimedAccess(t);
    damage(one);
    await isLocked(await one.again(), why);
    const next = await one.again();
    await isLocked(next, /is (damaged|missing)/);
    await isMended(next);
  }
});

test('random bytes and flipped bits are never accounts', async (t) => {
  const one = await claimedAccess(t);
  const text = readFileSync(file(one));
  for (let bit = 0; bit < text.length * 8; bit++) {
    const flipped = Buffer.from(text);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const parsed = parseAccounts(flipped.toString('latin1'));
    // Blanks between the parts count for nothing.
    if (parsed.kind === 'accounts') assert.equal(accountText(parsed), text.toString('utf8'), `bit ${bit}`);
  }
  for (let length = 0; length < text.length - 1; length++)
    assert.equal(parseAccounts(text.toString('utf8', 0, length)).kind, 'damaged', `${length} bytes`);
  const json = fc.jsonValue().map((value) => JSON.stringify({ v: 1, crc: 0, access: value }));
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json(), json), (any) => parseAccounts(any).kind !== 'accounts'));
});

test('a file of a newer version is left alone until somebody removes all accounts', async (t) => {
  const one = await claimedAccess(t);
  const newer = JSON.stringify({ v: 2, crc: 0, something: 'else' });
  for (const name of [file(one), copy(one)]) writeFileSync(name, newer);
  const next = await one.again();
  await isLocked(next, /newer version/);
  assert.equal(await codeOf(addUser(next, 'ben')), 'access-locked');
  for (const name of [file(one), copy(one)]) assert.equal(readFileSync(name, 'utf8'), newer);
  const code = await next.access.accounts.claimAgain(ROOT);
  assert.equal(state(next), 'unclaimed');
  assert.equal(readFileSync(claim(one), 'utf8'), `${code}\n`);
  assert.deepEqual(readdirSync(one.stateDir), ['claim']);
});

test('a file that somebody else could have written is not believed', async (t) => {
  const cases: [string, RegExp, (name: string) => void][] = [
    ['writable by the group', /could be written by other users/, (name) => chmodSync(name, 0o620)],
    ['writable by everybody', /could be written by other users/, (name) => chmodSync(name, 0o602)],
    ['a link', /is a link/, (name) => [renameSync(name, `${name}.there`), symlinkSync(`${name}.there`, name)]],
    ['a folder', /is not a file/, (name) => [rmSync(name), mkdirSync(name)]],
    ['a pipe', /is not a file/, (name) => [rmSync(name), execFileSync('mkfifo', ['-m', '600', name])]],
  ];
  if (process.getuid?.() === 0)
    cases.push(['of another user', /belongs to another user/, (name) => chownSync(name, 64_001, 64_001)]);
  for (const [what, why, spoil] of cases) {
    const alone = await claimedAccess(t);
    for (const name of [copy(alone), file(alone)]) spoil(name);
    await isLocked(await alone.again(), why);
    const helped = await claimedAccess(t);
    spoil(file(helped));
    const next = await helped.again();
    assert.equal(await logIn(next, 'anna'), 'done', `${what}: the copy is good`);
    assert.match(next.events[0]?.message ?? '', why);
  }
});

test('a file that others could read is closed, and the operator learns of it', async (t) => {
  const one = await claimedAccess(t);
  chmodSync(file(one), 0o644);
  const next = await one.again();
  assert.equal(await logIn(next, 'anna'), 'done');
  assert.equal(statSync(file(one)).mode & 0o777, 0o600);
  assert.match(next.events[0]?.message ?? '', /could read .*access\.json: it is closed to them now/);
});

test('a change that cannot be written changes nothing, and a stale copy never stays', async (t) => {
  const one = await claimedAccess(t);
  const good = readFileSync(file(one));
  // A folder of that name is in the way of the new file.
  mkdirSync(`${file(one)}.new`);
  const { accounts } = one.access;
  const secret = accounts.addDevice({ name: 'plug-1', publish: [], subscribe: [] }, ROOT);
  assert.equal(await codeOf(secret), 'access-write');
  assert.equal(await codeOf(accounts.setPassword('anna', `${PASSWORD} 2`, ROOT)), 'access-write');
  assert.equal(await codeOf(accounts.removeUser('anna', ROOT)), 'request-invalid');
  assert.deepEqual(readFileSync(file(one)), good);
  assert.deepEqual([await logIn(one, 'anna'), accounts.users().devices.length], ['done', 0]);
  rmSync(`${file(one)}.new`, { recursive: true });
  mkdirSync(`${copy(one)}.new`);
  await addUser(one, 'ben');
  assert.ok(!existsSync(copy(one)), 'rather none than one of earlier accounts');
  assert.match(one.events.at(-2)?.message ?? '', /no second copy until the next change/);
  rmSync(`${copy(one)}.new`, { recursive: true });
  await accounts.removeUser('ben', ROOT);
  assert.deepEqual(readFileSync(copy(one)), readFileSync(file(one)));
});

/** From now on no folder can be synced. */
async function foldersFail(t: TestContext, folder: string): Promise<void> {
  const handle = await open(folder);
  const handles = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const { sync } = handles;
  t.mock.method(handles, 'sync', async function (this: FileHandle) {
    if ((await this.stat()).isDirectory()) throw new Error('EIO: i/o error, fsync');
    await sync.call(this);
  });
}

test('a change that the disk does not confirm is in force, and an event says so', async (t) => {
  const one = await claimedAccess(t);
  const { accounts } = one.access;
  await foldersFail(t, one.stateDir);
  const told = () =>
    one.lines.filter((line) => /^The change of the accounts is in force\. The disk did not confirm it /.test(line));
  await addUser(one, 'ben');
  assert.equal(told().length, 1, one.lines.join('\n'));
  assert.equal(await logIn(one, 'ben'), 'done');
  assert.equal(await logIn(await one.again(), 'ben'), 'done', 'the file says the same as the gateway that runs');
  assert.ok(!existsSync(copy(one)) || readFileSync(copy(one)).equals(readFileSync(file(one))), 'no copy of earlier accounts');
  // The answer has what nobody can ask for again.
  assert.match(await accounts.claimAgain(ROOT), /^[0-9A-Z]{4}-/);
  assert.equal(told().length, 2);
  assert.deepEqual([state(one), state(await one.again())], ['unclaimed', 'unclaimed']);
});

test('a code that cannot be kept holds while the gateway runs', async (t) => {
  const one = await testAccess(t);
  rmSync(claim(one));
  mkdirSync(`${claim(one)}.new`);
  const next = await one.again();
  const code = next.access.accounts.claimCode() ?? '';
  assert.match(next.events[0]?.message ?? '', /The claim code cannot be kept/);
  assert.ok(!JSON.stringify([next.events, next.lines]).includes(code));
  await next.access.people.claim({ code, name: 'anna', password: PASSWORD, caller: lan(1, 'http') });
  assert.equal(state(await one.again()), 'claimed');
});

test('a start with half of a change, a claim file beside accounts, or rests of a write', async (t) => {
  const one = await claimedAccess(t);
  const before = readFileSync(file(one));
  await addUser(one, 'ben');
  // Cut between the file and its copy.
  writeFileSync(copy(one), before, { mode: 0o600 });
  writeFileSync(claim(one), 'AAAA-AAAA-AAAA\n', { mode: 0o600 });
  writeFileSync(`${file(one)}.new`, before.subarray(0, 10));
  const next = await one.again();
  assert.equal(await logIn(next, 'ben'), 'done');
  assert.deepEqual(readFileSync(copy(one)), readFileSync(file(one)));
  assert.ok(!existsSync(claim(one)));
  await addUser(next, 'carla');
  assert.deepEqual(readdirSync(one.stateDir).sort(), ['access.json', 'access.json.copy']);
});

test('histories of changes and starts: what was confirmed is there, what was removed is not', async (t) => {
  for (let seed = 1; seed <= 15; seed++) {
    const random = seeded(seed);
    let one = await claimedAccess(t);
    const there = new Set(['anna']);
    for (let i = 0; i < 25; i++) {
      const name = `n${Math.floor(random() * 6)}`;
      const dice = random();
      if (dice < 0.35)
        await one.access.accounts.addDevice({ name, publish: [], subscribe: [] }, ROOT).then(
          () => there.add(name),
          () => assert.ok(there.has(name)),
        );
      else if (dice < 0.6)
        await one.access.accounts.removeUser(name, ROOT).then(
          () => there.delete(name),
          () => assert.ok(!there.has(name)),
        );
      else if (dice < 0.7) rmSync(copy(one), { force: true });
      else if (dice < 0.8) one = await one.again();
      else {
        // One of the two is damaged, and a start follows.
        writeFileSync(random() < 0.5 ? file(one) : copy(one), randomBytes(50));
        if (existsSync(copy(one))) one = await one.again();
        // Without a copy only a change of the running gateway writes both again.
        else await one.access.accounts.setRole('anna', 'administrator', ROOT);
      }
      const { users, devices } = one.access.accounts.users();
      assert.deepEqual([...users, ...devices].map((a) => a.name).sort(), [...there].sort(), `seed ${seed}, step ${i}`);
    }
  }
});

test('two installations share nothing that is secret', async (t) => {
  const secrets = async (folder: TestContext): Promise<string[]> => {
    const one = await testAccess(folder);
    const code = one.access.accounts.claimCode() ?? '';
    await one.access.people.claim({ code, name: 'anna', password: PASSWORD, caller: lan(1, 'http') });
    const { accounts, people } = one.access;
    const device = await accounts.addDevice({ name: 'plug-1', publish: [], subscribe: [] }, ROOT);
    const { id, token } = await accounts.addToken({ name: 'exporter', role: 'viewer', lasts: 86_400_000 }, ROOT);
    const session = await people.logIn({ name: 'anna', password: PASSWORD, caller: lan(1, 'http') });
    const kept = JSON.parse(readFileSync(file(one), 'utf8')).access;
    return [
      ...[code, device ?? '', id, token, session.id, session.mark],
      ...[kept.users[0].password, kept.devices[0].secret, kept.tokens[0].secret],
    ];
  };
  const [a, b] = [await secrets(t), await secrets(t)];
  assert.equal(a.length, 9);
  assert.ok(a.every((secret) => secret.length >= 8));
  assert.equal(new Set([...a, ...b]).size, 18);
});
