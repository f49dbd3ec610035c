/**
 * Updates from a folder and over HTTP, on files in place of partitions: what arrives is what was signed, whatever is cut,
 * damaged or lost on the way, and the running slot is never touched.
 */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { LAYOUTS } from '../../../src/store/layouts.ts';
import type { Before } from '../../../src/update/health.ts';
import { makeUpdateSecret } from '../../../src/update/keys.ts';
import { openSource, type Source } from '../../../src/update/source.ts';
import { UpdateState } from '../../../src/update/state.ts';
import type { LookBefore } from '../../../src/update/updater.ts';
import { scratch } from '../../harness/scratch.ts';
import { ALONE, Board, BY_HAND, NOW, noise, release, root, served, updateOf } from '../../harness/update-board.ts';

const thief = makeUpdateSecret('release');

test('an update from a stick is written, offered, and committed when it ran well', async (t) => {
  const board = new Board(t);
  const folder = await updateOf(t, 2);
  assert.equal((await board.updater().check(openSource(folder))).relation, 'newer');
  const applied = await board.updater().apply(openSource(folder), BY_HAND);
  assert.equal(applied.outcome, 'offered');
  board.holds('b', 2);
  board.holds('a', 1);
  assert.equal(board.entry('b')?.state, 'trying');
  board.restart('b', 2);
  const decided = await board.updater().decide(async () => ({ well: true, why: '' }));
  assert.deepEqual(decided, { restart: false, words: 'slot b is committed: version 1.2.0' });
  assert.equal(board.entry('b')?.state, 'good');
  assert.equal((await board.updater().check(openSource(folder))).relation, 'same');
  assert.equal((await board.updater().apply(openSource(folder), BY_HAND)).outcome, 'nothing');
});

test('an update that could not be taken back is refused before the other slot changes', async (t) => {
  const board = new Board(t);
  const own = LAYOUTS.log.version;
  const offer = async (layouts: object | undefined) => openSource(await updateOf(t, 2, { layouts }));
  const refused = async (layouts: object | undefined, message: RegExp) => {
    const source = await offer(layouts);
    await assert.rejects(board.updater().check(source), { code: 'update-refused', message });
    await assert.rejects(board.updater().apply(source, BY_HAND), { code: 'update-refused', message });
    assert.ok(readFileSync(board.slots().place('b', 'root')).equals(noise('old', 3_000_000)), 'the slot is as it was');
    assert.equal(board.entry('b')?.state, 'empty');
  };
  const breaking = { ...LAYOUTS, log: { version: own + 2, readers: own + 1 } };
  await refused(
    breaking,
    /could not be taken back: the running release cannot read its file of the log\. .*Install a release in between first/,
  );
  await refused(undefined, /does not say how it stores readings/);
  const added = { ...LAYOUTS, log: { version: own + 1, readers: own }, later: { version: 1, readers: 1 } };
  assert.equal((await board.updater().apply(await offer(added), BY_HAND)).outcome, 'offered');
});

test('what the running system holds is not fetched, over HTTP with a link that breaks', async (t) => {
  const board = new Board(t);
  const folder = await updateOf(t, 2);
  // Every fourth request breaks off in the middle; the next try goes through.
  const source = openSource(await served(t, folder, (n, cut) => n % 4 !== 1 || cut()));
  const applied = await board.updater().apply(source, BY_HAND);
  assert.ok(applied.outcome === 'offered');
  board.holds('b', 2);
  const { fetched, held } = applied.staged;
  // 120,000 bytes of the program and 40,000 of the initrd are new; a chunk at each edge comes with them, and halves that broke off.
  assert.ok(fetched < 900_000, `${fetched}`);
  assert.ok(held > 1_500_000, `${held}`);
});

test('a day has its bytes: the download continues the next day where it stopped', async (t) => {
  const board = new Board(t);
  const source = openSource(await served(t, await updateOf(t, 5)));
  const perDay = 400_000;
  const spent: number[] = [];
  for (let day = 0; day < 20; day++) {
    board.now = NOW + day * 86_400_000;
    const before = source.received;
    const applied = await board.updater().apply(source, { ...ALONE, perDay });
    spent.push(source.received - before);
    if (applied.outcome === 'offered') break;
    assert.equal(applied.outcome, 'budget');
    assert.equal(board.entry('b')?.state, 'empty');
    // The same day again: nothing is left.
    const again = source.received;
    await board.updater().apply(source, { ...ALONE, perDay });
    assert.ok(source.received - again < 3_000, 'only the manifest');
  }
  assert.ok(spent.length > 1 && spent.length < 20, `${spent}`);
  assert.ok(
    spent.every((bytes) => bytes <= perDay + 3_000),
    `${spent}`,
  );
  board.holds('b', 5);
});

test('a clock that goes a day back and forth gives no day its bytes twice', async (t) => {
  const board = new Board(t);
  const source = openSource(await served(t, await updateOf(t, 5)));
  const perDay = 300_000;
  const spent = new Map<number, number>();
  for (const day of [1, 0, 1, 0, 1]) {
    board.now = NOW + day * 86_400_000;
    const before = source.received;
    assert.equal((await board.updater().apply(source, { ...ALONE, perDay })).outcome, 'budget');
    spent.set(day, (spent.get(day) ?? 0) + source.received - before);
  }
  // Each try reads the manifest, also where nothing is left.
  for (const [day, bytes] of spent) assert.ok(bytes > 200_000 && bytes <= perDay + 9_000, `day ${day}: ${bytes}`);
});

test('outside of its window an update waits, unless a person wants it now', async (t) => {
  const board = new Board(t);
  const folder = await updateOf(t, 2);
  const window = { from: 60, to: 120 };
  assert.equal((await board.updater().apply(openSource(folder), { ...ALONE, window })).outcome, 'window');
  assert.equal((await board.updater().apply(openSource(folder), { ...BY_HAND, window })).outcome, 'offered');
});

test('when its window ends, a download pauses, and the next window continues and offers', async (t) => {
  const board = new Board(t);
  const window = { from: 120, to: 180 };
  const folder = await updateOf(t, 5);
  let asked = 0;
  // The window ends with the second request.
  const source = openSource(
    await served(t, folder, () => {
      if (++asked === 4) board.now = NOW + 3_600_000;
      return true;
    }),
  );
  const first = await board.updater().apply(source, { ...ALONE, window });
  assert.equal(first.outcome, 'paused');
  assert.notEqual(board.entry('b')?.state, 'trying');
  board.now = NOW + 86_400_000;
  assert.equal((await board.updater().apply(source, { ...ALONE, window })).outcome, 'offered');
  board.holds('b', 5);
});

test('while a release is on trial, the slot that ran well is not touched', async (t) => {
  const board = new Board(t);
  await board.updater().apply(openSource(await updateOf(t, 2)), BY_HAND);
  board.restart('b', 2);
  await assert.rejects(board.updater().apply(openSource(await updateOf(t, 3)), BY_HAND), { code: 'busy' });
  assert.equal(board.entry('a')?.state, 'good');
  board.holds('a', 1);
});

test('a kernel that cannot try a slot takes no update, and says so before it touches the slot', async (t) => {
  const board = new Board(t);
  board.tries = false;
  const source = openSource(await updateOf(t, 2));
  await assert.rejects(board.updater().apply(source, BY_HAND), { code: 'update-unsupported', message: /write a card/ });
  assert.equal(source.received, 0);
  assert.ok(readFileSync(board.slots().place('b', 'root')).equals(noise('old', 3_000_000)));
});

test('one command changes the slots at a time, and a folder of somebody else is refused', (t) => {
  const board = new Board(t);
  const lock = board.state().lock();
  assert.throws(() => board.state().lock(), { code: 'busy' });
  lock.release();
  board.state().lock().release();
  const link = path.join(board.folder, 'link');
  symlinkSync(path.join(board.folder, 'state'), link);
  assert.throws(() => new UpdateState(link, board.release()), { code: 'update-refused' });
});

test('a release that failed is not taken again by itself, and a person may', async (t) => {
  const board = new Board(t);
  const source = openSource(await updateOf(t, 2));
  await board.updater().apply(source, ALONE);
  board.restart('b', 2);
  const decided = await board.updater().decide(async () => ({ well: false, why: 'no bus is polled' }));
  assert.ok(decided.restart && /no bus is polled/.test(decided.words));
  // Its tries run out, and the old slot boots.
  board.slots().giveUp();
  board.restart('a', 1);
  assert.deepEqual(await board.updater().decide(async () => assert.fail('it ran well before')), {
    restart: false,
    words: 'slot a ran well before',
  });
  assert.deepEqual(board.updater().attempt(), {
    slot: 'b',
    version: '1.2.0',
    sequence: 2,
    state: 'failed',
    why: 'no bus is polled',
  });
  assert.equal((await board.updater().apply(source, ALONE)).outcome, 'nothing');
  assert.equal((await board.updater().apply(openSource(await updateOf(t, 3)), ALONE)).outcome, 'offered');
  assert.equal((await board.updater().apply(source, BY_HAND)).outcome, 'offered');
});

test('a person goes back to the release in the other slot, once', async (t) => {
  const board = new Board(t);
  const source = openSource(await updateOf(t, 2));
  assert.throws(() => board.updater().rollback(), { code: 'update-unsupported' });
  await board.updater().apply(source, BY_HAND);
  board.restart('b', 2);
  await board.updater().decide(async () => ({ well: true, why: '' }));
  assert.deepEqual(board.updater().rollback(), { version: '1.0.0' });
  board.restart('a', 1);
  assert.equal((await board.updater().apply(source, ALONE)).outcome, 'nothing', 'the timer does not undo what a person did');
});

test('a revocation counts at once, and no damage brings a revoked key back', async (t) => {
  const board = new Board(t);
  const next = makeUpdateSecret('release');
  const keys = { trust: [next.text], revoke: [release.fingerprint] };
  await board.updater().check(openSource(await updateOf(t, 2, { keys }, [release, root])));
  await assert.rejects(board.updater().check(openSource(await updateOf(t, 3))), { code: 'update-refused', message: /revoked/ });
  assert.equal((await board.updater().check(openSource(await updateOf(t, 3, {}, [next])))).relation, 'newer');
  const file = (name: string) => path.join(board.folder, 'state', 'update', `${name}.json`);
  const damages = ['', '{', '{"v":1,"keys":[],"revoked":["x"],"sequence":-1}', noise('x', 5000)];
  for (const bytes of damages) {
    // One copy is enough to know the revocation.
    const good = readFileSync(file('trust-copy'));
    writeFileSync(file('trust'), bytes);
    await assert.rejects(board.updater().check(openSource(await updateOf(t, 3))), { code: 'update-refused', message: /revoked/ });
    writeFileSync(file('trust-copy'), bytes);
    await assert.rejects(board.updater().check(openSource(await updateOf(t, 3))), { code: 'update-refused', message: /damaged/ });
    for (const name of ['trust', 'trust-copy']) writeFileSync(file(name), good);
  }
  assert.equal((await board.updater().check(openSource(await updateOf(t, 3, {}, [next])))).relation, 'newer');
});

test('damaged, cut and forged files of an update change nothing that boots', async (t) => {
  const board = new Board(t);
  const good = await updateOf(t, 2);
  const forged = await updateOf(t, 2, {}, [thief]);
  const attempts: [string, (folder: string) => void][] = [
    ['manifest', (to) => copyFileSync(path.join(forged, 'update.json'), path.join(to, 'update.json'))],
    ['index', (to) => writeFileSync(path.join(to, 'root-2.index'), noise('index', 600))],
    ['index of another length', (to) => writeFileSync(path.join(to, 'root-2.index'), noise('index', 9_000))],
    ['pack', (to) => writeFileSync(path.join(to, 'root-2.pack'), noise('pack', 3_000_000))],
    ['a short pack', (to) => truncateSync(path.join(to, 'root-2.pack'), 10)],
    ['a folder in place of a file', (to) => writeFileSync(path.join(to, 'update.json'), '')],
  ];
  for (const [name, spoil] of attempts) {
    const folder = scratch(t, 'spoiled');
    for (const file of ['update.json', ...['root', 'linux', 'initrd'].flatMap((n) => [`${n}-2.index`, `${n}-2.pack`])])
      copyFileSync(path.join(good, file), path.join(folder, file));
    spoil(folder);
    await assert.rejects(board.updater().apply(openSource(folder), BY_HAND), { code: /^update-(refused|unreachable)$/ }, name);
    assert.notEqual(board.entry('b')?.state, 'trying', name);
    assert.equal(board.entry('a')?.state, 'good');
    board.holds('a', 1);
  }
  assert.equal((await board.updater().apply(openSource(good), BY_HAND)).outcome, 'offered');
  board.holds('b', 2);
});

/** Ends after some requests, as a cut of the power does. */
function cutAfter(source: Source, ranges: number): Source {
  let left = ranges;
  return {
    name: source.name,
    get received() {
      return source.received;
    },
    whole: (file, most) => source.whole(file, most),
    range: (file, from, length) =>
      left-- > 0 ? source.range(file, from, length) : Promise.reject(new Error('the power is cut')),
  };
}

test('cuts at any request, with what was not flushed lost, end in the same bytes', async (t) => {
  const good = await updateOf(t, 2);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(3), { minLength: 1, maxLength: 4 }), fc.nat(1_000_000), async (cuts, seed) => {
      const board = new Board(t, 'cut');
      for (const ranges of cuts) {
        const cut = board.updater().apply(cutAfter(openSource(good), ranges), BY_HAND);
        if (
          (await cut.then(
            ({ outcome }) => outcome,
            () => 'cut',
          )) === 'offered'
        )
          break;
        assert.equal(board.entry('b')?.state, 'empty', 'nothing boots a half-written slot');
        // Progress was not saved since the flush: what lies behind it may be anything.
        const file = board.slots().place('b', 'root');
        const bytes = readFileSync(file);
        const progress = path.join(board.folder, 'state', 'update', 'progress.json');
        const done = JSON.parse(readFileSync(progress, { encoding: 'utf8', flag: 'a+' }) || '{"done":{}}').done.root ?? 0;
        if (done === 0) noise(`lost ${seed}`, 400_000).copy(bytes, seed % 1_500_000);
        writeFileSync(file, bytes);
      }
      assert.equal((await board.updater().apply(openSource(good), BY_HAND)).outcome, 'offered');
      board.holds('b', 2);
      board.holds('a', 1);
    }),
    { numRuns: 5 },
  );
});

test('what ran well before is kept for the new release alone, until it ran well', async (t) => {
  const board = new Board(t);
  const source = openSource(await updateOf(t, 2));
  const gateway = { buses: [{ name: 'plant', devices: [{ name: 'meter', quick: true }] }], log: { stored: true, quick: true } };
  const seen: (Before | undefined)[] = [];
  const look = async (before: Before | undefined) => {
    seen.push(before);
    return { well: false, why: 'no device of the bus plant answers' };
  };
  await board.updater().apply(source, { ...BY_HAND, look: async () => gateway });
  assert.equal(board.state().before(3), undefined, 'of another release');
  board.restart('b', 2);
  await board.updater().decide(look);
  // Its second try has the record as well.
  assert.equal((await board.updater().decide(look)).restart, true);
  assert.deepEqual(seen, [
    { sequence: 2, gateway },
    { sequence: 2, gateway },
  ]);
  const { words } = await board.updater().decide(async () => ({ well: true, why: 'not as before: pump is silent' }));
  assert.equal(words, 'slot b is committed: version 1.2.0; not as before: pump is silent');
  assert.equal(board.state().before(2), undefined);
});

test('while a release waits for its restart, the newest look at a gateway counts', async (t) => {
  const board = new Board(t);
  const looked = (...names: string[]) => ({ buses: names.map((name) => ({ name, devices: [] })) });
  const again = (look: LookBefore) => board.updater().lookAgain(look);
  await again(async () => assert.fail('no release waits'));
  await board.updater().apply(openSource(await updateOf(t, 2)), { ...BY_HAND, look: async () => undefined });
  assert.deepEqual(board.state().before(2), { sequence: 2 });
  await again(async () => looked('a', 'b'));
  await again(async () => looked('b'));
  await again(async () => undefined);
  await again(async () => Promise.reject(new Error('no answer within 30 s')));
  assert.deepEqual(board.state().before(2), { sequence: 2, gateway: looked('b') });
  board.restart('b', 2);
  await again(async () => assert.fail('it runs already'));
});

test('a damaged record of what ran well counts as none', async (t) => {
  const board = new Board(t);
  const gateway = { buses: [{ name: 'plant', devices: [{ name: 'meter', quick: true }] }] };
  await board.updater().apply(openSource(await updateOf(t, 2)), { ...BY_HAND, look: async () => gateway });
  const file = path.join(board.folder, 'state', 'update', 'before.json');
  const good = readFileSync(file);
  assert.deepEqual(board.state().before(2)?.gateway, gateway);
  let bits = 0;
  for (let at = 0; at < good.length; at++) {
    const bytes = Buffer.from(good);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
    writeFileSync(file, bytes);
    const read = board.state().before(2);
    // Space between words of JSON says nothing.
    if (read !== undefined) assert.deepEqual(read, { sequence: 2, gateway });
    else bits++;
    // Its last byte ends the line.
    writeFileSync(file, good.subarray(0, Math.min(at, good.length - 2)));
    assert.equal(board.state().before(2), undefined);
  }
  assert.ok(bits > good.length / 2);
});
