/** Kills and a full disk while accounts change: files are whole, and what was confirmed is so. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { parseAccounts } from '../../../src/access/account-text.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { codeOf, lan, PASSWORD, ROOT, testAccess } from '../../fakes/test-access.ts';
import { startChild } from '../../harness/child.ts';
import { loopDisk, mayMount } from '../../harness/loop-disk.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

const CHILD = path.join(import.meta.dirname, '..', '..', 'harness', 'access-child.ts');
/** `SLUICE_KILLS=100` for the long run. */
const KILLS = Number(process.env.SLUICE_KILLS ?? 25);

interface Told {
  readonly state?: string;
  readonly names?: readonly string[];
  readonly trying?: string;
  readonly added?: string;
  readonly removed?: string;
}

test(`${KILLS} kills at random moments lose no confirmed account and bring none back`, async (t) => {
  const folder = scratch(t, 'kills');
  const random = seeded(7);
  const confirmed = new Set<string>();
  /** The change that a kill may have cut: it is there, or it is not. */
  let cut: string | undefined;
  for (let run = 0; run <= KILLS; run++) {
    const child = startChild(t, process.execPath, [CHILD, folder, String(run)]);
    // A kill at the very first line is one of the random moments.
    const lines = 1 + Math.floor(random() * 40);
    await waitFor(
      () => `${lines} lines; ${child.over ?? 'running'}: ${child.stderr.join('\n')}`,
      () => child.stdout.length >= lines,
      { every: 1 },
    );
    await child.stop('SIGKILL');
    const told = child.stdout.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line) as Told);
    const [first, ...changes] = told;
    if (confirmed.has('anna')) assert.equal(first?.state, 'claimed', `run ${run}`);
    assert.notEqual(first?.state, 'locked', `run ${run}`);
    const there = new Set(first?.names);
    const expected = new Set([...confirmed].filter((name) => name !== 'anna'));
    if (cut !== undefined && cut !== 'anna' && there.has(cut) !== expected.has(cut)) {
      if (there.has(cut)) expected.add(cut);
      else expected.delete(cut);
      if (there.has(cut)) confirmed.add(cut);
      else confirmed.delete(cut);
    }
    assert.deepEqual([...there].sort(), [...expected].sort(), `run ${run}`);
    cut = undefined;
    for (const { trying, added, removed } of changes) {
      if (trying !== undefined) cut = trying;
      else cut = undefined;
      if (added !== undefined) confirmed.add(added);
      if (removed !== undefined) confirmed.delete(removed);
    }
    // The file is a whole one at every moment; the rest of a write may lie beside it.
    const file = path.join(folder, 'access.json');
    if (confirmed.has('anna') || existsSync(file))
      assert.equal(parseAccounts(readFileSync(file, 'utf8')).kind, 'accounts', `run ${run}`);
    const known = ['access.json', 'access.json.copy', 'access.json.copy.new', 'access.json.new', 'claim', 'claim.new'];
    assert.deepEqual(
      readdirSync(folder).filter((name) => !known.includes(name)),
      [],
    );
  }
  assert.ok(confirmed.has('anna') && confirmed.size > KILLS / 2, `${confirmed.size} accounts`);
});

test('a full disk refuses a change, keeps all accounts, and is no way in', async (t) => {
  if (!mayMount(t)) return;
  const disk = loopDisk(t, 'access', 8);
  const one = await testAccess(t, disk);
  const { accounts } = one.access;
  await accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
  const filler = path.join(disk, 'filler');
  const fill = (): void => {
    for (let size = 1024 * 1024; size >= 1; size = size >> 1)
      for (;;)
        try {
          writeFileSync(filler, Buffer.alloc(size), { flag: 'a' });
        } catch {
          break;
        }
  };
  fill();
  // A file of one block may still take the place of another one: the file has to be larger than that.
  const topics = Array.from({ length: 16 }, (_, i) => `${'x'.repeat(100)}${i}/#`);
  const add = (name: string) => codeOf(accounts.addDevice({ name, publish: topics, subscribe: topics }, ROOT));
  const codes = [await add('d1'), await add('d2'), await add('d3'), await add('d4')];
  assert.equal(codes.at(-1), 'access-write', codes.join());
  const there = accounts.users().devices.map(({ name }) => name);
  assert.equal(there.length, codes.filter((code) => code === 'done').length);
  assert.equal(await codeOf(one.access.people.logIn({ name: 'anna', password: PASSWORD, caller: lan(1, 'http') })), 'done');
  const next = await one.again();
  assert.equal(next.access.accounts.status().state, 'claimed');
  assert.deepEqual(
    next.access.accounts.users().devices.map(({ name }) => name),
    there,
  );
  assert.ok(!readdirSync(disk).some((name) => name.endsWith('.new')), 'the rest of a write takes no room');
  rmSync(filler);
  assert.equal(await codeOf(next.access.accounts.addDevice({ name: 'd9', publish: topics, subscribe: [] }, ROOT)), 'done');
});

test('a full disk at the first start: the code holds until the stop, and nothing is open', async (t) => {
  if (!mayMount(t)) return;
  const disk = loopDisk(t, 'first', 8);
  for (let size = 1024 * 1024; size >= 1; size = size >> 1)
    for (;;)
      try {
        writeFileSync(path.join(disk, 'filler'), Buffer.alloc(size), { flag: 'a' });
      } catch {
        break;
      }
  const one = await testAccess(t, disk);
  const { accounts, people } = one.access;
  const code = accounts.claimCode() ?? '';
  assert.match(code, /^[0-9A-Z-]{14}$/);
  const claim = () => codeOf(people.claim({ code, name: 'anna', password: PASSWORD, caller: lan(1, 'http') }));
  assert.equal(await claim(), 'access-write');
  assert.equal(accounts.status().state, 'unclaimed');
  rmSync(path.join(disk, 'filler'));
  assert.equal(await claim(), 'done');
});
