/**
 * A start on a damaged log.db waits for nothing: what is taken then is delivered at once, under a new log, and what is left of
 * the old one comes back meanwhile under its old log, numbers and lanes; also where a kill comes in between, once or twice.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Shape } from '../../../src/core/point.ts';
import type { Outlet } from '../../../src/store/delivery/outlet.ts';
import type { Lane } from '../../../src/store/files/lane-state.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { allNotices } from '../../harness/all-notices.ts';
import { payloadText } from '../../harness/payload-text.ts';
import { salvageOver } from '../../harness/salvage-over.ts';
import { scratch } from '../../harness/scratch.ts';
import { Consumer } from '../../oracles/consumer.ts';

const COMMITS = 100;
const tank: Shape = {
  device: 'tank',
  points: [
    { name: 'level', type: 'float64', storage: 'number' },
    { name: 'text', type: 'string', storage: 'string' },
  ],
};
interface Site {
  readonly dir: string;
  readonly state: string;
  readonly run: string;
  readonly file: string;
  readonly clock: ManualClock;
  readonly consumer: Consumer;
}

async function open(t: TestContext, s: Site): Promise<{ log: Log; outlet: Outlet }> {
  const log = await Log.open({
    ...{ stateDir: s.state, runtimeDir: s.run, clock: s.clock, maxSize: 1e8, maxAge: 1e13, commitEvery: 10_000 },
  });
  t.after(() => log.abandon());
  const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
  log.setClock(s.clock.wall() - s.clock.monotonic(), false);
  return { log, outlet };
}
async function begin({ log, outlet }: { log: Log; outlet: Outlet }): Promise<void> {
  log.setInventory('{}');
  await outlet.ready();
}
function append(s: Site, log: Log, level: number): void {
  log.append({ shape: tank, at: s.clock.monotonic(), values: [level, `${level}`.repeat(60)], reasons: null });
}
async function deliver(s: Site, outlet: Outlet, lanes: readonly Lane[]): Promise<void> {
  for (const lane of lanes)
    for (;;) {
      const batch = await outlet.next(lane, 100);
      if (batch === undefined) break;
      outlet.handOver(batch);
      s.consumer.feed(`sluice/g1/${lane}`, payloadText(batch));
      outlet.done(batch);
    }
  for (let some = await allNotices(outlet, 100); some.length > 0; some = await allNotices(outlet, 100))
    for (const notice of some) {
      s.consumer.feed(`sluice/g1/${notice.kind}`, notice.json);
      outlet.noticesDone(notice);
    }
}

/** Delivered data, then data that waits, then a backlog on history, some of it in the runtime directory alone. A byte of the schema is damaged. */
async function damaged(t: TestContext): Promise<{ s: Site; old: string; kept: Map<string, [lane: string, level: number]> }> {
  const dir = scratch(t, 'come-back');
  const state = path.join(dir, 'state');
  const s = {
    ...{ dir, state, run: path.join(dir, 'run'), file: path.join(state, 'log.db') },
    ...{ clock: new ManualClock(), consumer: new Consumer() },
  };
  const kept = new Map<string, [lane: string, level: number]>();
  const site = await open(t, s);
  const { log, outlet } = site;
  await begin(site);
  const take = async (n: number, lane: string): Promise<void> => {
    for (let i = 0; i < n; i++) {
      const level = kept.size;
      kept.set(`${log.id}/${log.next}`, [lane, level]);
      append(s, log, level);
      await log.flush();
    }
  };
  await take(COMMITS, 'data');
  await deliver(s, outlet, ['data', 'history']);
  await take(COMMITS, 'data');
  log.notice('alarm', 'high', 0, { rule: 'high', state: 'active-unacknowledged' });
  for (let i = 0; i < 13; i++) {
    await s.clock.advance(1000);
    outlet.tend(false, s.clock.monotonic());
  }
  assert.equal(outlet.live, false);
  await take(COMMITS, 'history');
  const files = ['', '-wal'].map((end) => [s.file + end, readFileSync(s.file + end)] as const);
  const level = kept.size;
  kept.set(`${log.id}/${log.next}`, ['history', level]);
  append(s, log, level);
  await log.abandon();
  for (const [file, bytes] of files) writeFileSync(file, bytes);
  const bytes = readFileSync(`${s.file}-wal`);
  const at = bytes.indexOf('integer primary key');
  assert.ok(at > 0);
  bytes[at] = 0x49;
  writeFileSync(`${s.file}-wal`, bytes);
  return { s, old: log.id, kept };
}

/** The thread that looks for what is left waits until `go`: it looks for what an earlier start may have found. To be called before `begin`. */
function hold(t: TestContext, s: Site): { go: () => void } {
  const found = `${s.file}.salvaged`;
  execFileSync('mkfifo', [found]);
  return {
    go: () => {
      const fd = openSync(found, 'r+');
      t.after(() => closeSync(fd));
    },
  };
}

function judge(s: Site, kept: ReadonlyMap<string, [lane: string, level: number]>, old: string): void {
  assert.deepEqual(s.consumer.judge(), []);
  const came = s.consumer.records().filter((r) => r.log === old);
  assert.deepEqual(
    came.map((r) => [`${r.log}/${r.seq}`, [r.kind, r.values.level]]),
    [...kept],
    'each record comes once, under its number, on its lane',
  );
}

test('what is taken on a damaged log is delivered before what is left comes back', async (t) => {
  const { s, old, kept } = await damaged(t);
  const site = await open(t, s);
  const { log, outlet } = site;
  assert.notEqual(log.id, old);
  assert.equal(log.opened.lastAlarms.length, 1, 'the newest transition of each rule is there at once');
  const held = hold(t, s);
  await begin(site);
  for (let i = 0; i < 5; i++) append(s, log, 1000 + i);
  const before = s.consumer.records().length;
  await deliver(s, outlet, ['data', 'history']);
  assert.ok(log.salvage !== undefined, 'it is still looked for');
  const live = s.consumer.records().filter((r) => r.log === log.id);
  assert.deepEqual(
    live.map((r) => [r.kind, r.values.level]),
    [1000, 1001, 1002, 1003, 1004].map((level) => ['data', level]),
  );
  assert.equal(s.consumer.records().length, before + 5, 'nothing of the old log is passed over or sent meanwhile');
  held.go();
  await salvageOver(log);
  await deliver(s, outlet, ['data', 'history']);
  judge(s, kept, old);
  assert.equal(s.consumer.duplicates, 0);
  assert.ok([...s.consumer.accepted.values()].some((r) => r.kind === 'alarm' && r.log === old));
  const [repair] = log.opened.repairs;
  assert.ok((repair?.salvaged?.records ?? 0) >= 2 * COMMITS);
  assert.deepEqual([repair?.ended, repair?.salvaged?.again], [[old], []]);
  await log.close(5000);
  assert.deepEqual(
    readdirSync(s.state).filter((name) => /salvag/.test(name)),
    [],
    'nothing is left of the work',
  );
});

for (const [name, stop] of [
  ['while it is looked for', undefined],
  ['while it comes back', 'bring back'],
] as const)
  test(`a kill ${name}: the next start goes on with it`, async (t) => {
    const { s, old, kept } = await damaged(t);
    const first = await open(t, s);
    const held = hold(t, s);
    await begin(first);
    append(s, first.log, 1000);
    await first.log.flush();
    await deliver(s, first.outlet, ['data', 'history']);
    if (stop === undefined) {
      const gone = first.log.abandon();
      held.go();
      await gone;
    } else {
      held.go();
      for (let phase = ''; phase !== stop; ) {
        const [progress] = (await once(first.log, 'salvaging')) as [{ phase: string }];
        phase = progress.phase;
      }
      assert.ok(first.log.salvage !== undefined);
      await first.log.abandon();
    }
    assert.ok(existsSync(`${s.file}.salvage`));

    const second = await open(t, s);
    assert.equal(second.log.id, first.log.id, 'the log that began then goes on');
    assert.deepEqual(second.log.opened.repairs, []);
    await begin(second);
    append(s, second.log, 1001);
    await deliver(s, second.outlet, ['data', 'history']);
    await salvageOver(second.log);
    await deliver(s, second.outlet, ['data', 'history']);
    await second.log.flush();
    judge(s, kept, old);
    assert.deepEqual(
      s.consumer
        .records()
        .filter((r) => r.log === second.log.id)
        .map((r) => r.values.level),
      [1000, 1001],
    );
    await second.log.close(5000);
    assert.equal(existsSync(`${s.file}.salvage`), false);
  });

test('a second damage before the first has come back: both come back', async (t) => {
  const { s, old, kept } = await damaged(t);
  const first = await open(t, s);
  const held = hold(t, s);
  await begin(first);
  for (let i = 0; i < 5; i++) append(s, first.log, 1000 + i);
  const gone = first.log.close(5000);
  held.go();
  await gone;
  const bytes = readFileSync(s.file);
  bytes.fill(0xa5, 0, 100);
  writeFileSync(s.file, bytes);

  const second = await open(t, s);
  assert.notEqual(second.log.id, first.log.id);
  await begin(second);
  await salvageOver(second.log);
  await deliver(s, second.outlet, ['data', 'history']);
  judge(s, kept, old);
  assert.deepEqual(
    s.consumer
      .records()
      .filter((r) => r.log === first.log.id)
      .map((r) => r.values.level),
    [1000, 1001, 1002, 1003, 1004],
  );
  await second.log.close(5000);
});

test('a log that is compacted meanwhile leaves what is still to come alone', async (t) => {
  const { s, old, kept } = await damaged(t);
  const site = await open(t, s);
  const held = hold(t, s);
  await begin(site);
  append(s, site.log, 1000);
  await site.log.flush();
  await site.log.compact();
  await site.log.flush();
  held.go();
  await salvageOver(site.log);
  await site.log.compact();
  await site.log.flush();
  await deliver(s, site.outlet, ['data', 'history']);
  judge(s, kept, old);
});
