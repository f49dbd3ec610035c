/** An update takes no byte twice, gives up no release for one that cannot be taken, and goes over the slowest link. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { chunkName } from '../../../src/update/chunks.ts';
import { makeUpdateSecret } from '../../../src/update/keys.ts';
import { PartWriter } from '../../../src/update/part-writer.ts';
import { openSource } from '../../../src/update/source.ts';
import { stage } from '../../../src/update/stage.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { mayMount, run } from '../../harness/loop-disk.ts';
import { scratch } from '../../harness/scratch.ts';
import { ALONE, Board, BY_HAND, NOW, noise, release, root, served, updateOf } from '../../harness/update-board.ts';
import { waitFor } from '../../harness/wait-for.ts';

const DAY = 86_400_000;
const WELL = async () => ({ well: true, why: '' });

test('what was applied is not fetched again before the restart, nor after a failure', async (t) => {
  const board = new Board(t);
  const source = openSource(await served(t, await updateOf(t, 2)));
  const first = await board.updater().apply(source, BY_HAND);
  assert.ok(first.outcome === 'offered' && first.staged.fetched > 100_000);
  const again = await board.updater().apply(source, BY_HAND);
  assert.ok(again.outcome === 'offered');
  assert.equal(again.staged.fetched, 0);
  assert.equal(board.entry('b')?.state, 'trying');
  board.restart('b', 2);
  await board.updater().decide(WELL);
  board.holds('b', 2);
  assert.equal(existsSync(path.join(board.folder, 'state/update/progress.json')), false);
});

test('over midnight a download spends the bytes of the new day', async (t) => {
  const board = new Board(t);
  const perDay = 400_000;
  board.now = NOW + DAY - (NOW % DAY) - 1;
  let [isNewDay, before] = [false, 0];
  const source = openSource(
    await served(t, await updateOf(t, 5), () => {
      // The clock passes midnight with the first part of the pack, which was asked for on the day before.
      if (isNewDay && before === 0) before = source.received;
      if (!isNewDay && source.received > 3_000) [isNewDay, board.now] = [true, board.now + 2];
      return true;
    }),
  );
  for (let n = 0; n < 3; n++) await board.updater().apply(source, { ...ALONE, perDay });
  assert.ok(before > 0);
  assert.ok(source.received - before <= perDay + 9_000, `${source.received - before} bytes on the new day`);
});

test('a slot that ran well stays until the indexes of the update are here', async (t) => {
  const board = new Board(t);
  await board.updater().apply(openSource(await updateOf(t, 2)), BY_HAND);
  board.restart('b', 2);
  await board.updater().decide(WELL);
  const folder = await updateOf(t, 3);
  const index = path.join(folder, 'root-3.index');
  const good = readFileSync(index);
  for (const spoil of [() => rmSync(index), () => writeFileSync(index, noise('index', good.length))]) {
    spoil();
    await assert.rejects(board.updater().apply(openSource(folder), BY_HAND), { code: /^update-/ });
    assert.equal(board.entry('a')?.state, 'good');
    board.holds('a', 1);
  }
  assert.deepEqual(board.updater().rollback(), { version: '1.0.0' });
});

test('keys that are known already are not written again', async (t) => {
  const board = new Board(t);
  const next = makeUpdateSecret('release');
  const folder = await updateOf(t, 2, { keys: { trust: [next.text] } }, [release, root]);
  await board.updater().check(openSource(folder));
  const file = path.join(board.folder, 'state/update/trust.json');
  const { ino } = statSync(file);
  await board.updater().check(openSource(folder));
  assert.equal(statSync(file).ino, ino);
  assert.equal((await board.updater().check(openSource(await updateOf(t, 3, {}, [next])))).relation, 'newer');
});

test('a partition that is not there is refused, and no file takes its place', async (t) => {
  const board = new Board(t);
  const slots = board.slots();
  const gone = path.join(board.folder, 'dev/disk/by-partlabel/sluice-root-b');
  const [folder, discarded] = [await updateOf(t, 2), [] as string[]];
  const manifest = (await board.updater().check(openSource(folder))).manifest;
  const missing = {
    ...{ target: slots.target, parts: slots.parts, running: slots.running, other: () => slots.other(), list: () => slots.list() },
    place: (slot: 'a' | 'b', part: string) => (part === 'root' && slot === 'b' ? gone : slots.place(slot, part)),
    discard: (slot: string) => void discarded.push(slot),
    ...{ offer: () => assert.fail(), commit: () => assert.fail(), giveUp: () => assert.fail(), restart: () => [] },
  };
  const options = { manifest, id: '0'.repeat(64), source: openSource(folder), slots: missing, state: board.state() };
  await assert.rejects(stage({ ...options, left: () => Number.POSITIVE_INFINITY }), {
    code: 'update-failed',
    message: /there is no partition sluice-root-b.*write a card with the new image/,
  });
  assert.deepEqual([discarded, existsSync(path.dirname(gone))], [[], false]);
});

test('what a worn card cannot read is fetched, and a part that it cannot read back is refused', async (t) => {
  const board = new Board(t);
  const folder = await updateOf(t, 2);
  // Reads at its begin fail as those of a bad block: EIO.
  const unreadable = '/proc/self/mem';
  const running = board.slots().place('a', 'root');
  rmSync(running);
  symlinkSync(unreadable, running);
  const applied = await board.updater().apply(openSource(folder), BY_HAND);
  assert.ok(applied.outcome === 'offered');
  board.holds('b', 2);
  const part = (await board.updater().check(openSource(folder))).manifest.parts.root;
  assert.ok(part);
  const writer = new PartWriter(unreadable, part, []);
  await writer.open(0);
  let restarts = 0;
  await assert.rejects(
    writer.check(() => restarts++),
    { code: 'update-refused', message: /try again, or replace the card/ },
  );
  assert.equal(restarts, 1);
  await writer.close();
});

test('what the card holds is read from the card, and not from memory', async (t) => {
  if (!mayMount(t)) return;
  const bytes = noise('part', 200_000);
  const image = path.join(scratch(t, 'card'), 'card.img');
  writeFileSync(image, Buffer.alloc(1024 ** 2));
  const device = run('losetup', '--find', '--show', image);
  t.after(() => run('losetup', '-d', device));
  const part = {
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    index: { file: 'x', bytes: 1, sha256: '0'.repeat(64) },
    pack: { file: 'y', bytes: 1 },
  };
  const writer = new PartWriter(device, part, [{ name: chunkName(bytes), length: bytes.length, packed: 1 }]);
  await writer.open(0);
  await writer.write(0, bytes);
  await writer.flush();
  await writer.check(assert.fail);
  // The card loses a block that the kernel has in memory.
  const card = readFileSync(image);
  card.fill(0, 4096, 8192);
  writeFileSync(image, card);
  let restarts = 0;
  await assert.rejects(
    writer.check(() => restarts++),
    { code: 'update-refused', message: /does not hold what was written/ },
  );
  assert.equal(restarts, 1);
  await writer.close();
});

/** A server whose answers the test gives, piece by piece. */
async function byHand(t: TestContext): Promise<{ url: string; answers: ServerResponse[] }> {
  const answers: ServerResponse[] = [];
  const server = createServer((_, response) => void answers.push(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, answers };
}

test('a slow link is waited for as long as something comes', async (t) => {
  const { url, answers } = await byHand(t);
  const clock = new ManualClock();
  const source = openSource(url, clock);
  const bytes = noise('pack', 60_000);
  const got = source.range('root-2.pack', 0, bytes.length);
  await waitFor('the request', () => answers.length === 1);
  answers[0]?.writeHead(206, { 'content-length': bytes.length });
  // 12 pieces in 300 s: 200 bytes a second.
  for (let at = 0; at < bytes.length; at += 5000) {
    answers[0]?.write(bytes.subarray(at, at + 5000));
    await waitFor('a piece', () => source.received === at + 5000);
    await clock.advance(25_000);
  }
  assert.ok((await got).equals(bytes));
  assert.equal(answers.length, 1);
});

test('a server that falls silent or trickles is asked anew, and given up in the end', async (t) => {
  const { url, answers } = await byHand(t);
  const clock = new ManualClock();
  const source = openSource(url, clock);
  let settled = false;
  const got = source.range('root-2.pack', 0, 3000).finally(() => {
    settled = true;
  });
  got.catch(() => {});
  await waitFor('the request', () => answers.length === 1);
  answers[0]?.writeHead(206, { 'content-length': 3000 });
  // A byte now and then would hold a request for a day.
  for (let n = 1; n <= 6; n++) {
    answers[0]?.write('x');
    await waitFor('a byte', () => source.received === n);
    await clock.advance(21_000);
  }
  await waitFor('the next request', async () => {
    await clock.advance(500);
    return answers.length > 1;
  });
  await waitFor('the end', async () => {
    await clock.advance(30_000);
    return settled;
  });
  await assert.rejects(got, { code: 'update-unreachable', message: /sends nothing more, or too slowly; the next try/ });
});
