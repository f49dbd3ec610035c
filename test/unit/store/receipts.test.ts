/** What an outlet owes, and what receipts move: no cursor passes a number that no receipt and no acknowledgement covers. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { BundleRange } from '../../../src/codecs/bundle/statement.ts';
import { readColumns } from '../../../src/codecs/read-columns.ts';
import type { Shape } from '../../../src/core/point.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { Content, NEXT_VOLUME, undelivered } from '../../../src/store/bundle/content.ts';
import { liveContent } from '../../../src/store/bundle/live.ts';
import type { Outlet } from '../../../src/store/delivery/outlet.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const SHAPE: Shape = { device: 'pump', points: [{ name: 'n', type: 'uint16', storage: 'number' }] };

async function open(t: TestContext, folder: string): Promise<{ log: Log; outlet: Outlet; clock: ManualClock }> {
  const clock = new ManualClock();
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock },
    ...{ maxSize: 256e6, maxAge: 1e13, commitEvery: 10_000 },
  });
  t.after(() => log.abandon());
  const outlet = log.outlet('carrier', 'oldest', 'g1', 'json');
  log.setClock(1_000_000, false);
  log.setInventory('{}');
  await outlet.ready();
  return { log, outlet, clock };
}

/** The numbers in a bundle by lane, and what it covers. */
async function bundle(log: Log, outlet: Outlet): Promise<{ seqs: Map<string, number[]>; ranges: readonly BundleRange[] }> {
  await log.flush();
  const content = new Content();
  const seqs = new Map<string, number[]>();
  for await (const piece of undelivered(liveContent(log, outlet, 'g1'), content)) {
    assert.ok(piece !== NEXT_VOLUME, 'a bundle without a bound is one');
    const { kind, body } = piece;
    const found =
      kind === 'data' || kind === 'history'
        ? readColumns(body, kind).records.map(({ seq }) => seq)
        : [(JSON.parse(Buffer.from(body).toString()) as { seq: number }).seq];
    seqs.set(kind, [...(seqs.get(kind) ?? []), ...found]);
  }
  assert.equal(content.records, (seqs.get('data') ?? []).length + (seqs.get('history') ?? []).length);
  return { seqs, ranges: content.ranges };
}

test('random lanes, bundles and receipts: each record is in a bundle until a receipt covers it', async (t) => {
  const { log, outlet, clock } = await open(t, scratch(t, 'receipts'));
  const random = seeded(7);
  const appended: number[] = [];
  const notices: number[] = [];
  /** Numbers that receipts covered. */
  const stored = new Set<number>();
  const receipts: (readonly BundleRange[])[] = [];
  /** By bundle, what was in it. */
  const contents: number[][] = [];
  let at = 0;
  for (let step = 0; step < 120; step++) {
    const what = random();
    if (what < 0.45)
      for (let n = 0; n < 1 + random() * 8; n++) {
        const record = log.append({ shape: SHAPE, at: ++at, values: [at % 60_000], reasons: null });
        if (record !== undefined) appended.push(record.seq);
      }
    else if (what < 0.55) notices.push(log.notice(random() < 0.5 ? 'alarm' : 'event', 'fast', ++at, { rule: 'fast' }).seq);
    else if (what < 0.7) {
      await clock.advance(11_000);
      outlet.tend(random() < 0.5, clock.monotonic());
    } else if (what < 0.85 || receipts.length === 0) {
      const { seqs, ranges } = await bundle(log, outlet);
      const inside = [...seqs.values()].flat();
      assert.equal(new Set(inside).size, inside.length, 'nothing is in a bundle twice');
      for (const seq of [...appended, ...notices])
        assert.equal(inside.includes(seq), !stored.has(seq), `step ${step}: number ${seq}`);
      for (const [lane, of] of seqs)
        for (const seq of of)
          assert.ok(
            ranges.some((r) => r.lane === lane && r.first <= seq && seq <= r.last),
            `${lane} ${seq} is covered`,
          );
      receipts.push(ranges);
      contents.push(inside);
    } else {
      // Any one of them, old or new, and again.
      const which = Math.floor(random() * receipts.length);
      const outcomes = (receipts[which] ?? []).map((range) => outlet.received(range));
      assert.ok(!outcomes.includes('gap') && !outcomes.includes('unknown'), outcomes.join());
      for (const seq of contents[which] ?? []) stored.add(seq);
    }
  }
  assert.ok(receipts.length > 5 && stored.size > 20, `${receipts.length} bundles, ${stored.size} stored`);
});

test('a range that begins behind the cursor leaves a gap and moves nothing', async (t) => {
  const { log, outlet } = await open(t, scratch(t, 'receipts'));
  for (let n = 1; n <= 20; n++) log.append({ shape: SHAPE, at: n, values: [n], reasons: null });
  const { ranges } = await bundle(log, outlet);
  const data = ranges.find(({ lane }) => lane === 'data') as BundleRange;
  const { log: name, first, last } = data;
  const of = (changes: Partial<BundleRange>) => outlet.received({ ...data, ...changes });
  assert.equal(of({ first: first + 1 }), 'gap');
  assert.equal(of({ log: 'another' }), 'unknown');
  assert.equal(of({ last: last + 1_000_000 }), 'unknown', 'numbers that nobody has yet');
  assert.equal((await bundle(log, outlet)).seqs.get('data')?.length, 20);
  assert.equal(of({ last: first + 4 }), 'moved');
  assert.equal(of({ last: first + 4 }), 'old');
  assert.equal(of({ last: first + 2 }), 'old');
  assert.equal((await bundle(log, outlet)).seqs.get('data')?.length, 15);
  assert.equal(of({ log: name }), 'moved');
  assert.equal((await bundle(log, outlet)).seqs.size, 0);
});

test('cursors that a receipt moved survive a kill once they are committed', async (t) => {
  const folder = scratch(t, 'receipts');
  const first = await open(t, folder);
  for (let n = 1; n <= 20; n++) first.log.append({ shape: SHAPE, at: n, values: [n], reasons: null });
  const { ranges } = await bundle(first.log, first.outlet);
  for (const range of ranges) first.outlet.received(range);
  await first.log.flush();
  await first.log.abandon();
  const second = await open(t, folder);
  assert.equal((await bundle(second.log, second.outlet)).seqs.size, 0);
});
