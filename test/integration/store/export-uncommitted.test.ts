/** An export tells what is in memory as well, and writes nothing for it: it is the same before a commit and after it. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { exportText } from '../../../src/admin/history.ts';
import type { ExportQuery } from '../../../src/admin/log-questions.ts';
import type { SluiceError } from '../../../src/core/errors.ts';
import type { Sample, Shape } from '../../../src/core/point.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const pump: Shape = {
  device: 'pump',
  points: [
    { name: 'speed', type: 'uint16', storage: 'number', unit: 'Hz' },
    { name: 'state', type: 'string', storage: 'string' },
    { name: 'count', type: 'uint64', storage: 'integer64' },
  ],
};
const tank: Shape = { device: 'tank', points: [{ name: 'level', type: 'float32', storage: 'number', unit: 'm' }] };
const START = Date.UTC(2026, 10, 25, 12);

async function uncommittedLog(
  t: TestContext,
): Promise<{ log: Log; clock: ManualClock; take: (from: number, to: number) => Promise<void> }> {
  const dir = scratch(t, 'export', '/dev/shm');
  const clock = new ManualClock(START);
  const log = await Log.open({
    ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock },
    ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 1e9 },
  });
  t.after(() => log.abandon());
  log.setClock(START, false);
  log.setInventory('{}');
  await log.flush();
  const sample = (i: number): Sample =>
    i % 3 === 0
      ? { shape: tank, at: clock.monotonic(), values: [Math.fround(i / 7)], reasons: i % 9 === 0 ? Uint8Array.of(2) : null }
      : {
          ...{ shape: pump, at: clock.monotonic(), values: [i % 100, `=störung, "${i % 5}"`, 2n ** 60n + BigInt(i)] },
          reasons: i % 10 === 1 ? Uint8Array.of(0, 255, 128) : null,
        };
  /** Records number from..to of the site; the tank comes only after the first thousand. */
  const take = async (from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i++) {
      await clock.advance(250);
      log.append(sample(i < 1000 && i % 3 === 0 ? i + 1 : i));
    }
  };
  return { log, clock, take };
}

async function all(log: Log, query: ExportQuery): Promise<string> {
  let text = '';
  for await (const piece of exportText(log, query)) text += piece;
  return text;
}
const QUERIES: readonly Partial<ExportQuery>[] = [
  {},
  { format: 'jsonl' },
  { points: ['tank'] },
  { points: ['pump.count', 'tank.level'], format: 'jsonl' },
  { from: START + 200_000, to: START + 300_000 },
  { from: START + 900_000 },
  ...[1000, 7000, 60_000, 3_600_000, 86_400_000].map((every) => ({ every })),
  { every: 60_000, points: ['tank.level'], format: 'jsonl' },
  { every: 10_000, from: START + 240_000, to: START + 270_000 },
];

test('an export is the same before the commit and after it, and commits nothing', async (t) => {
  const { log, take } = await uncommittedLog(t);
  await take(0, 1000);
  await log.flush();
  await log.compact();
  await take(1000, 1040);
  await log.flush();
  // Only what follows has a tank; it is more than one slice of text.
  await take(1040, 6000);
  const commits = log.status().commits;
  const query = (q: Partial<ExportQuery>): ExportQuery => ({
    format: 'csv',
    from: undefined,
    to: undefined,
    points: undefined,
    ...q,
  });
  const before: string[] = [];
  for (const q of QUERIES) before.push(await all(log, query(q)));
  assert.equal(log.status().commits, commits, 'nothing was written for it');
  assert.ok((before[0] as string).split('\n').length > 5000);
  await assert.rejects(all(log, query({ points: ['tank', 'well'] })), (e: SluiceError) => e.code === 'not-found');
  await log.flush();
  for (const [i, q] of QUERIES.entries()) assert.equal(before[i], await all(log, query(q)), JSON.stringify(q));
});

test('an empty log and one with nothing but a tail: one head, and all of it', async (t) => {
  const { log, take } = await uncommittedLog(t);
  const query: ExportQuery = { format: 'csv', from: undefined, to: undefined, points: undefined };
  assert.equal((await all(log, query)).split('\n').length, 2, 'the head');
  assert.equal((await all(log, { ...query, every: 1000 })).split('\n').length, 2);
  await take(1000, 1010);
  const lines = (await all(log, query)).split('\n');
  assert.equal(lines.filter((line) => line.startsWith('log,seq')).length, 1);
  assert.equal(new Set(lines.slice(1, -1).map((line) => line.split(',')[1])).size, 10);
});

test('an export beside commits, readings and compaction has each number once, in order', async (t) => {
  const { log, take } = await uncommittedLog(t);
  await take(0, 4000);
  await log.flush();
  await take(4000, 5000);
  let appended = 5000;
  for (const every of [undefined, 50]) {
    const known = appended;
    const seqs: number[] = [];
    let counted = 0;
    let pieces = 0;
    const points = ['pump.speed', 'tank.level'];
    for await (const piece of exportText(log, { format: 'jsonl', from: undefined, to: undefined, points, every })) {
      for (const line of piece.split('\n').filter((l) => l !== '')) {
        const { seq, count, bad } = JSON.parse(line) as { seq: number; count: number; bad: number };
        if (every === undefined) seqs.push(seq);
        else counted += count + bad;
      }
      if (++pieces > 30) continue;
      await take(appended, appended + 100);
      appended += 100;
      if (pieces % 2 === 0) log.commitSoon();
      if (pieces === 5) await log.compact();
    }
    assert.ok(pieces > 1);
    const came = every === undefined ? seqs.length : counted;
    assert.ok(came >= known && came <= appended, `${came} of ${known} to ${appended}`);
    if (every !== undefined) return;
    const first = seqs[0] as number;
    assert.deepEqual(
      seqs,
      [...seqs.keys()].map((k) => k + first),
    );
  }
});

test('an export that begins while a commit is under way has what that carries', async (t) => {
  const { log, take } = await uncommittedLog(t);
  await take(1000, 1100);
  log.commitSoon();
  await take(1100, 1200);
  const query: ExportQuery = { format: 'csv', from: undefined, to: undefined, points: undefined };
  const text = await all(log, query);
  assert.equal(
    new Set(
      text
        .split('\n')
        .slice(1, -1)
        .map((line) => line.split(',')[1]),
    ).size,
    200,
  );
});
