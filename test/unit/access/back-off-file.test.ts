/** Waits after failed log-ins over a restart: what is kept, how often it is written, and what a damaged file does. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { FREE, type Kept, LONGEST, MOST_ENTRIES } from '../../../src/access/back-off.ts';
import { BackOffFile, EVERY, MOST, type Tables } from '../../../src/access/back-off-file.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { claimedAccess, codeOf, lan, PASSWORD, ROOT, type TestAccess } from '../../fakes/test-access.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

const FILE = 'log-ins.json';
const STRANGER = lan(66, 'http');
const OWNER = lan(1, 'http');

const logIn = ({ access }: TestAccess, caller = STRANGER, password = PASSWORD, name = 'anna', mark?: string) =>
  access.people.logIn({ name, password, caller, mark });
const fileOf = ({ stateDir }: { stateDir: string }) => path.join(stateDir, FILE);

/** `count` tries that are checked, each as soon as it may be. */
async function wrongTries(one: TestAccess, count: number, of: (one: TestAccess) => Promise<unknown> = wrong()): Promise<void> {
  for (let checked = 0; checked < count; ) {
    const code = await codeOf(of(one));
    if (code === 'unauthorized') checked++;
    else await one.clock.advance(1000);
  }
}
const wrong =
  (caller = STRANGER) =>
  (one: TestAccess) =>
    logIn(one, caller, 'not the password');
/** The wait after so many is longer than what passes until the first write, and than the next of them. */
const MANY = FREE + 8;

/** The first write follows SOON after a wait began. */
async function written(one: TestAccess): Promise<void> {
  await one.clock.advance(1000);
  await waitFor('the file', () => existsSync(fileOf(one)));
}

test('after a kill a stranger still waits, and the owner still gets in', async (t) => {
  const one = await claimedAccess(t);
  const { mark } = await logIn(one, OWNER);
  await wrongTries(one, MANY);
  await written(one);
  await one.clock.advance(EVERY);
  await wrongTries(one, 1);
  await one.clock.advance(EVERY);
  await waitFor('the last try in the file', () => {
    const { names } = JSON.parse(readFileSync(fileOf(one), 'utf8')) as { names: [string, number][] };
    return names.some(([, failures]) => failures > MANY);
  });
  assert.equal(await codeOf(logIn(one)), 'throttled');
  const killed = await one.again();
  assert.equal(await codeOf(logIn(killed)), 'throttled', 'the right password of a stranger is not checked');
  assert.equal(await codeOf(logIn(killed, lan(67, 'http'))), 'throttled', 'the name waits from everywhere');
  assert.equal(await codeOf(logIn(killed, OWNER)), 'done', 'by the address');
  assert.equal(await codeOf(logIn(killed, lan(68, 'http'), PASSWORD, 'anna', mark)), 'done', 'by the mark of the browser');
  await killed.clock.advance(LONGEST);
  assert.equal(await codeOf(logIn(killed)), 'done', 'the wait ends');
});

test('whoever restarts the gateway again and again waits longer each time', async (t) => {
  let one = await claimedAccess(t);
  await wrongTries(one, FREE);
  const waits: number[] = [];
  for (let restart = 0; restart < 12; restart++) {
    await written(one);
    one = await one.again();
    let waited = 0;
    while ((await codeOf(logIn(one, STRANGER, 'wrong'))) === 'throttled') {
      const step = Math.max(1000, waited);
      await one.clock.advance(step);
      waited += step;
    }
    waits.push(waited);
    await one.access.stop();
  }
  assert.deepEqual(
    waits,
    waits.toSorted((a, b) => a - b),
  );
  assert.ok((waits.at(-1) ?? 0) >= LONGEST / 2, `${waits}`);
});

test('wrong secrets of machines and wrong claim codes wait over a restart as well', async (t) => {
  const one = await claimedAccess(t);
  const noToken = (of: TestAccess) => of.access.people.token(`slt_${'0'.repeat(8)}_${'0'.repeat(26)}`, STRANGER);
  await wrongTries(one, MANY, noToken);
  await one.access.stop();
  const { token } = await one.access.accounts.addToken({ name: 'program', role: 'viewer', lasts: 3_600_000 }, ROOT);
  const killed = await one.again();
  assert.equal(await codeOf(noToken(killed)), 'throttled');
  assert.equal(await codeOf(killed.access.people.token(token, STRANGER)), 'done', 'a right one is not refused for it');
  const code = await killed.access.accounts.claimAgain(ROOT);
  const claim = (of: TestAccess, text: string) =>
    of.access.people.claim({ code: text, name: 'ben', password: PASSWORD, caller: lan(9, 'http') });
  await wrongTries(killed, MANY, (of) => claim(of, '0000-0000-0000'));
  await killed.access.stop();
  assert.equal(await codeOf(claim(await killed.again(), code)), 'throttled');
});

test('a quiet site has no file, and the file goes when nobody waits any more', async (t) => {
  const one = await claimedAccess(t);
  await logIn(one, OWNER);
  await wrongTries(one, FREE - 1);
  await one.clock.advance(EVERY);
  await one.access.stop();
  assert.equal(existsSync(fileOf(one)), false);
  const two = await one.again();
  await wrongTries(two, FREE);
  await written(two);
  // Each write decides when the next one comes, and a disk may be slow.
  await waitFor('the file to go', async () => {
    await two.clock.advance(3_600_000);
    return !existsSync(fileOf(two));
  });
});

test('writes are rare whatever strangers do, and the file is small', async (t) => {
  const clock = new ManualClock();
  const stateDir = scratch(t, 'back-off');
  let writes = 0;
  const rows = (most: number): Kept[] =>
    Array.from({ length: most }, (_, i) => ({
      key: `${'n'.repeat(64)}\nmark ${'f'.repeat(64)}${i}`,
      failures: 9,
      waits: 5,
      quiet: 1,
    }));
  const file = new BackOffFile({
    ...{ stateDir, clock, report: (message) => assert.fail(message) },
    tables: (most): Tables => {
      writes++;
      return { addresses: rows(most), names: rows(most), known: rows(most), machines: rows(most), claims: rows(most) };
    },
  });
  for (let second = 0; second < 3600; second++) {
    for (let i = 0; i < 30; i++) file.waits();
    await clock.advance(1000);
    await file.settled();
  }
  assert.ok(writes >= 13 && writes <= 16, `${writes} writes in an hour of 108,000 tries`);
  await file.stop();
  assert.ok(statSync(path.join(stateDir, FILE)).size < 64 * 1024);
  assert.equal(statSync(path.join(stateDir, FILE)).mode & 0o777, 0o600);
});

test('the file names accounts and addresses, and nothing that was typed', async (t) => {
  const one = await claimedAccess(t);
  const typed = 'hunter2hunter2';
  for (let i = 0; i < FREE; i++) await codeOf(logIn(one, STRANGER, 'wrong', typed));
  for (let i = 0; i < FREE; i++) await codeOf(logIn(one, lan(99, 'http'), typed, 'anna'));
  await written(one);
  const text = readFileSync(fileOf(one), 'utf8');
  assert.equal(text.includes(typed), false);
  for (const part of ['anna', '192.168.1.66', '192.168.1.99']) assert.ok(text.includes(part), part);
});

test('a thousand attackers leave the one that is attacked in the file', async (t) => {
  const one = await claimedAccess(t);
  for (let i = 0; i < 2 * MOST_ENTRIES; i++)
    await codeOf(one.access.people.token('x', { address: `10.0.${i >> 8}.${i & 255}`, door: 'http' }));
  await wrongTries(one, FREE);
  await one.access.stop();
  const found = JSON.parse(readFileSync(fileOf(one), 'utf8')) as Record<string, unknown[][]>;
  assert.deepEqual(
    found.names?.map(([key]) => key),
    ['anna'],
  );
  for (const name of ['addresses', 'names', 'known', 'machines', 'claims']) assert.ok((found[name]?.length ?? 0) <= MOST, name);
});

const good = { v: 1, addresses: [], names: [['anna', 9, 60_000, 0]], known: [], machines: [], claims: [] };
for (const [what, make] of [
  ['random bytes', (file) => writeFileSync(file, Buffer.from('fe00ff10aa', 'hex'), { mode: 0o600 })],
  ['half of it', (file) => writeFileSync(file, JSON.stringify(good).slice(0, 40), { mode: 0o600 })],
  ['another version', (file) => writeFileSync(file, JSON.stringify({ ...good, v: 2 }), { mode: 0o600 })],
  [
    'a row that is none',
    (file) => writeFileSync(file, JSON.stringify({ ...good, names: [['anna', -1, 0, 0]] }), { mode: 0o600 }),
  ],
  [
    'a wait without an end',
    (file) => writeFileSync(file, JSON.stringify({ ...good, names: [['anna', 9, 1e12, 0]] }), { mode: 0o600 }),
  ],
  ['a table that is missing', (file) => writeFileSync(file, JSON.stringify({ ...good, claims: undefined }), { mode: 0o600 })],
  ['a megabyte', (file) => writeFileSync(file, 'x'.repeat(1024 * 1024), { mode: 0o600 })],
  [
    'what others can write',
    (file) => {
      writeFileSync(file, JSON.stringify(good));
      chmodSync(file, 0o666);
    },
  ],
  ['a link', (file) => symlinkSync('/etc/passwd', file)],
  ['a folder', (file) => mkdirSync(file)],
] as readonly [string, (file: string) => void][])
  test(`${what} in place of the file: reported, and log-ins go on`, async (t) => {
    const one = await claimedAccess(t);
    await one.access.stop();
    make(fileOf(one));
    const two = await one.again();
    assert.equal(two.events.filter(({ message }) => message.includes(FILE)).length, 1);
    assert.equal(await codeOf(logIn(two)), 'done');
    await wrongTries(two, FREE, wrong(lan(77, 'http')));
    await two.access.stop();
    if (what === 'a folder') return;
    assert.equal(JSON.parse(readFileSync(fileOf(two), 'utf8')).v, 1, 'it is written anew');
  });
