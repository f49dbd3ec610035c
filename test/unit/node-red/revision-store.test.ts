/** The revisions of flows on the disk against a model of them, and what damage, a full disk and other writers do to them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { fileOf, MOST_FILE, type RevisionHead } from '../../../src/node-red/revisions/revision-file.ts';
import {
  MOST,
  MOST_BYTES,
  type NewRevision,
  RevisionStore,
  type StoredRevision,
  UNKNOWN,
} from '../../../src/node-red/revisions/revision-store.ts';
import { startChild } from '../../harness/child.ts';
import { loopDisk, mayMount } from '../../harness/loop-disk.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

const SUMMARY = { tabs: [{ id: 't', label: 'Tab', nodes: 1, mark: 'm' }], moreTabs: 0, nodes: 2, rest: 'r' };
const by = (who: string): NewRevision => ({ time: 1000, who, origin: 'deploy' });
const content = (text: string) => ({ flows: JSON.stringify([{ id: 'a', text }]), credentials: '{}' });
/** Text that gzip cannot make much smaller. */
const noise = (bytes: number): string =>
  randomBytes(Math.ceil(bytes * 0.75))
    .toString('base64')
    .slice(0, bytes);
const fileNames = (folder: string): string[] => readdirSync(folder).filter((name) => /^\d+\.flows$/.test(name));
const fileOfNumber = (folder: string, number: number): string => path.join(folder, `${String(number).padStart(6, '0')}.flows`);

async function opened(folder: string): Promise<RevisionStore> {
  const store = new RevisionStore(folder);
  await store.open();
  return store;
}

async function storeOf(t: TestContext): Promise<{ store: RevisionStore; folder: string }> {
  const folder = path.join(scratch(t, 'revisions'), 'r');
  return { store: await opened(folder), folder };
}

type Step =
  | { do: 'add'; who: string; bytes: number }
  | { do: 'well' | 'read'; which: number }
  | { do: 'damage'; which: number; how: 'bytes' | 'cut' | 'empty' | 'link' | 'folder' | 'gone' | 'large'; at: number }
  | { do: 'open' };
const which = fc.nat(60);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('add' as const),
        who: fc.constantFrom('anna', 'unknown'),
        bytes: fc.constantFrom(0, 10, 5000, 400_000, 1_500_000),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('well' as const), which }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('read' as const), which }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('damage' as const),
        which,
        how: fc.constantFrom('bytes' as const, 'cut', 'empty', 'link', 'folder', 'gone', 'large'),
        at: fc.nat(100_000),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ do: 'open' as const }) },
  ),
  { minLength: 1, maxLength: 80 },
);

const people = ['anna', 'unknown'];
const bytesOf = (all: readonly StoredRevision[], some: string): number =>
  all.filter(({ who }) => who === some).reduce((sum, { stored }) => sum + stored, 0);

test('the store keeps what its model keeps, whatever is added, damaged and opened again', async (t) => {
  const root = scratch(t, 'model', '/dev/shm');
  let run = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const folder = path.join(root, String(run++));
      let store = await opened(folder);
      const texts = new Map<number, string>();
      const hurt = new Set<number>();
      let highest = 0;
      let well: number | undefined;
      for (const step of all) {
        const number =
          store.all.length === 0 ? 0 : (store.all[('which' in step ? step.which : 0) % store.all.length]?.number ?? 0);
        if (step.do === 'add') {
          const before = store.all;
          const text = noise(step.bytes);
          const added = await store.add(by(step.who), SUMMARY, content(text));
          assert.ok(added.number > highest, 'a number is used once');
          highest = added.number;
          texts.set(added.number, text);
          assert.equal(store.newest?.number, added.number);
          // Nothing is left out that there is room for.
          const left = before.filter((one) => !store.all.includes(one));
          const both = [...store.all, ...left];
          const unknown = both.filter(({ who }) => who === 'unknown').length;
          if (left.length > 0)
            assert.ok(both.length > MOST || unknown > UNKNOWN || people.some((some) => bytesOf(both, some) > MOST_BYTES));
        } else if (step.do === 'well' && number > 0) {
          await store.markWell(number);
          well = number;
        } else if (step.do === 'read' && number > 0) {
          if (hurt.has(number)) {
            await assert.rejects(store.read(number), /is damaged/);
            assert.ok(!store.all.some((one) => one.number === number));
          } else assert.deepEqual(await store.read(number), content(texts.get(number) ?? ''));
        } else if (step.do === 'damage' && number > 0) {
          damage(fileOfNumber(folder, number), step.how, step.at);
          hurt.add(number);
        } else if (step.do === 'open') {
          const before = store.all.map(({ number }) => number);
          store = await opened(folder);
          // Only what was damaged is gone.
          assert.deepEqual(
            store.all.map((one) => one.number),
            before.filter((one) => !hurt.has(one)),
          );
          // The files and the mark are all that the store knows: where somebody deleted the newest, its number comes again.
          const numbers = readdirSync(folder).map((name) => Number(/^(\d+)\.flows/.exec(name)?.[1] ?? 0));
          highest = Math.max(well ?? 0, ...numbers);
          for (const one of hurt) if (one > highest) hurt.delete(one);
        }
        const bytes = people.map((some) => bytesOf(store.all, some));
        assert.ok(store.all.length <= MOST && bytes.every((one) => one <= MOST_BYTES), `${store.all.length} revisions, ${bytes}`);
        if (well !== undefined && !hurt.has(well) && texts.has(well))
          assert.equal(store.well, well, 'the one that ran well stays');
        assert.ok(readdirSync(folder).filter((name) => name.endsWith('.damaged')).length <= 4);
        assert.ok(!readdirSync(folder).some((name) => name.endsWith('.new')));
      }
      rmSync(folder, { recursive: true });
    }),
    { numRuns: 60 },
  );
});

function damage(file: string, how: 'bytes' | 'cut' | 'empty' | 'link' | 'folder' | 'gone' | 'large', at: number): void {
  if (!existsSync(file) || !statSync(file).isFile()) return;
  const bytes = readFileSync(file);
  if (how === 'bytes' && bytes.length > 0) {
    bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ (1 + (at % 255));
    writeFileSync(file, bytes);
  } else if (how === 'cut' && bytes.length > 0) truncateSync(file, at % bytes.length);
  else if (how === 'empty') truncateSync(file, 0);
  else if (how === 'large') truncateSync(file, MOST_FILE + 1);
  else {
    rmSync(file);
    if (how === 'link') symlinkSync('/dev/zero', file);
    if (how === 'folder') mkdirSync(file);
  }
}

test('a revision that takes the place of a deleted one does not pass for the one that ran well', async (t) => {
  const { store, folder } = await storeOf(t);
  await store.add(by('anna'), SUMMARY, content('tried'));
  await store.markWell(1);
  rmSync(fileOfNumber(folder, 1));
  const again = await opened(folder);
  assert.equal((await again.add(by('anna'), SUMMARY, content('never tried'))).number, 2);
  assert.equal((await opened(folder)).well, undefined);
});

test('a flow that deploys by itself does not push out the revisions of people', async (t) => {
  const { store } = await storeOf(t);
  for (let i = 0; i < 25; i++) await store.add(by('anna'), SUMMARY, content(`anna ${i}`));
  for (let i = 0; i < 100; i++) await store.add(by('unknown'), SUMMARY, content(noise(i % 10 === 0 ? 3_000_000 : 100)));
  const people = store.all.filter(({ who }) => who === 'anna');
  assert.equal(people.length, 25);
  assert.deepEqual(await store.read(people[0]?.number ?? 0), content('anna 0'));
});

test('large deploys of a flow take no room of the revisions of people', async (t) => {
  const { store } = await storeOf(t);
  for (let i = 0; i < 5; i++) await store.add(by('anna'), SUMMARY, content(noise(800_000)));
  const first = await store.add(by('unknown'), SUMMARY, content(noise(4_990_000)));
  await store.markWell(first.number);
  await store.add(by('unknown'), SUMMARY, content(noise(4_990_000)));
  assert.equal(store.all.filter(({ who }) => who === 'anna').length, 5);
  assert.deepEqual([store.well, store.newest?.number], [first.number, first.number + 1]);
});

test('the newest and the last that ran well stay when they fill the room between them', async (t) => {
  const { store, folder } = await storeOf(t);
  const first = await store.add(by('anna'), SUMMARY, content(noise(5_000_000)));
  assert.ok(first.stored > 3_500_000, `${first.stored}`);
  await store.markWell(first.number);
  for (let i = 0; i < 5; i++) await store.add(by('anna'), SUMMARY, content(noise(5_000_000)));
  assert.deepEqual([store.all[0]?.number, store.newest?.number], [1, 6]);
  const again = await opened(folder);
  assert.equal(again.well, 1);
  assert.ok((await again.read(1)).flows.length > 4_900_000);
});

test('a file whose flows unpack to more than flows may be is refused before it fills memory', async (t) => {
  const { store, folder } = await storeOf(t);
  await store.add(by('anna'), SUMMARY, content('mine'));
  const head: RevisionHead = { ...by('anna'), ...SUMMARY, number: 2, hash: 'h', passwords: 'p', bytes: 10 };
  const bomb = gzipSync(Buffer.alloc(800_000_000));
  assert.ok(bomb.length < MOST_FILE);
  writeFileSync(fileOfNumber(folder, 2), fileOf(head, bomb), { mode: 0o600 });
  const again = await opened(folder);
  assert.equal(again.newest?.number, 2, 'its seal is right');
  const before = process.memoryUsage().rss;
  await assert.rejects(again.read(2), /revision 2 is damaged/);
  assert.ok(process.memoryUsage().rss - before < 200e6);
  assert.equal((await again.read(1)).flows, content('mine').flows);
  assert.equal(store.newest?.number, 1);
});

test('random bytes in every file leave an empty store that takes new revisions', async (t) => {
  const { store, folder } = await storeOf(t);
  for (let i = 0; i < 10; i++) await store.add(by('anna'), SUMMARY, content(String(i)));
  await store.markWell(3);
  for (const name of readdirSync(folder)) writeFileSync(path.join(folder, name), randomBytes(3000));
  const again = await opened(folder);
  assert.deepEqual([again.all.length, again.damaged, again.well], [0, 10, undefined]);
  assert.equal((await again.add(by('anna'), SUMMARY, content('new'))).number, 11, 'a number is not used again');
  assert.equal((await opened(folder)).all.length, 1);
  assert.equal(readdirSync(folder).filter((name) => name.endsWith('.damaged')).length, 3, 'some stay for a person to look at');
});

test('files of another user or that others may write are set aside', async (t) => {
  const { store, folder } = await storeOf(t);
  for (let i = 0; i < 3; i++) await store.add(by('anna'), SUMMARY, content(String(i)));
  assert.equal(spawnSync('chmod', ['666', fileOfNumber(folder, 1)]).status, 0);
  if (process.getuid?.() === 0) assert.equal(spawnSync('chown', ['65534', fileOfNumber(folder, 2)]).status, 0);
  const again = await opened(folder);
  assert.deepEqual(
    again.all.map(({ number }) => number),
    process.getuid?.() === 0 ? [3] : [2, 3],
  );
  assert.equal(statSync(fileOfNumber(folder, 3)).mode & 0o777, 0o600);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
});

test('two writers in one folder never take the revision of the other', async (t) => {
  const { store: one, folder } = await storeOf(t);
  const two = await opened(folder);
  const made = await Promise.all(
    Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? one : two)).map((store, i) =>
      store.add(by('anna'), SUMMARY, content(String(i))).then(({ number }) => ({ number, text: String(i) })),
    ),
  ).catch((thrown: unknown) => assert.fail(String(thrown)));
  assert.equal(new Set(made.map(({ number }) => number)).size, 20);
  const again = await opened(folder);
  for (const { number, text } of made) assert.deepEqual(await again.read(number), content(text));
});

test('a full disk keeps what is there, and takes revisions again when there is room', async (t) => {
  if (!mayMount(t)) return;
  const disk = loopDisk(t, 'revisions', 12);
  const folder = path.join(disk, 'r');
  const store = await opened(folder);
  for (let i = 0; i < 3; i++) await store.add(by('anna'), SUMMARY, content(String(i)));
  const filler = path.join(disk, 'filler');
  spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k']);
  await assert.rejects(store.add(by('anna'), SUMMARY, content(noise(100_000))), /ENOSPC/);
  assert.deepEqual(
    store.all.map(({ number }) => number),
    [1, 2, 3],
  );
  assert.deepEqual(await (await opened(folder)).read(3), content('2'));
  assert.ok(!readdirSync(folder).some((name) => name.endsWith('.new')));
  rmSync(filler);
  const added = await store.add(by('anna'), SUMMARY, content('later'));
  assert.deepEqual(await (await opened(folder)).read(added.number), content('later'));
});

const WRITER = `
import { RevisionStore } from ${JSON.stringify(path.resolve('src/node-red/revisions/revision-store.ts'))};
const store = new RevisionStore(process.argv[1]);
await store.open();
for (let i = 0; ; i++) {
  const text = 'x'.repeat(1 + (i * 7919) % 20_000) + i;
  const { number } = await store.add({ time: 1, who: 'anna', origin: 'deploy' }, ${JSON.stringify(SUMMARY)}, { flows: JSON.stringify([{ id: 'a', text }]), credentials: '{}' });
  await store.markWell(number);
  console.log(number + ' ' + text.length);
}
`;

test('a kill at any moment loses no revision that was reported as kept', async (t) => {
  const folder = path.join(scratch(t, 'kill'), 'r');
  for (let round = 0; round < 12; round++) {
    const child = startChild(t, process.execPath, [
      ...['--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '-e', WRITER, folder],
    ]);
    const wanted = 1 + ((round * 37) % 90);
    await waitFor('some revisions', async () => child.stdout.length >= wanted || child.over !== undefined);
    await child.stop('SIGKILL');
    const said = child.stdout.map((line) => line.split(' ').map(Number)).filter((pair) => pair.length === 2);
    assert.ok(said.length >= wanted, child.stderr.join('\n'));
    const store = await opened(folder);
    assert.equal(store.damaged, 0);
    const [last = 0] = said.at(-1) ?? [];
    // One more may be there that was not reported any more.
    assert.ok([last, last + 1].includes(store.newest?.number ?? 0), `${last} ${store.newest?.number}`);
    assert.ok([last, last + 1, (said.at(-2) ?? [0])[0]].includes(store.well));
    for (const [number = 0, length] of said.slice(-MOST + 1)) {
      const { flows } = await store.read(number);
      assert.equal((JSON.parse(flows) as { text: string }[])[0]?.text.length, length);
    }
    assert.ok(fileNames(folder).length <= MOST);
  }
});
