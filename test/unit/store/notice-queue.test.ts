/**
 * Offers of alarms, channel by channel. A random far side takes, keeps and refuses; answers get lost, connections end, the gateway is
 * killed. Checked after each step, as in the executable model of the rule:
 *
 * - nothing is lost: a cursor passes no alarm that the far side neither had nor refused;
 * - order: on each channel new alarms ascend, the older log first;
 * - once: an alarm that was answered comes again after a kill alone, and in the current log only where no commit knew of the answer;
 * - nothing is stuck: what is free leaves while another channel is kept for ever;
 * - bounds: MOST_KEYS keys wait at most, and MOST_WAITING of them are saved.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Lanes } from '../../../src/store/delivery/lanes.ts';
import { MOST_KEYS } from '../../../src/store/delivery/notice-heads.ts';
import type { OutNotice } from '../../../src/store/delivery/out.ts';
import { MOST_WAITING } from '../../../src/store/files/lane-state.ts';
import { AlarmLog, CURRENT, OLD } from '../../fakes/alarm-log.ts';

const RUNS = Number(process.env.SLUICE_PROPERTY_RUNS ?? 150);
const UNWANTED = '{"severity":"info"}';
const idOf = ({ log, seq }: OutNotice): string => `${log}/${seq}`;
const isNewer = (a: OutNotice, b: OutNotice | undefined): boolean =>
  b === undefined || a.log > b.log || (a.log === b.log && a.seq > b.seq);

class World {
  readonly log: AlarmLog;
  readonly had = new Map<string, OutNotice>();
  readonly order: OutNotice[] = [];
  /** The far side has these, and the gateway knows. */
  #answered = new Set<string>();
  /** Those of the current log that the file knows as well. */
  #kept = new Set<string>();
  /** Newest of each channel that the far side had. */
  readonly #marks = new Map<string, OutNotice>();
  readonly underWay = new Map<string, OutNotice>();
  held: (channel: string) => boolean = () => false;

  constructor(old: readonly string[]) {
    this.log = new AlarmLog(old);
  }

  /** Two keys share a channel, as all do where a dialect has one topic. */
  channel = ({ key, json }: OutNotice): string | undefined => (json === UNWANTED ? undefined : key === 'e' ? 'd' : key);

  async offer(limit: number): Promise<number> {
    const { queue } = this.log;
    const held = (channel: string) => this.underWay.has(channel) || this.held(channel);
    const offers = await queue.offers({ limit, channel: this.channel, held });
    assert.ok(offers.length <= limit);
    for (const notice of offers) {
      const channel = this.channel(notice) as string;
      assert.ok(!held(channel), `${idOf(notice)} of ${channel}, which is held`);
      assert.ok(!this.#answered.has(idOf(notice)), `${idOf(notice)} comes twice`);
      this.underWay.set(channel, notice);
    }
    this.check();
    return offers.length;
  }

  answer(which: number, how: 'yes' | 'later' | 'refused' | 'lost'): void {
    const [channel, notice] = [...this.underWay][which % this.underWay.size] ?? [];
    if (channel === undefined || notice === undefined) return;
    this.underWay.delete(channel);
    if (how === 'later') return;
    const id = idOf(notice);
    if (!this.had.has(id)) {
      const mark = this.#marks.get(channel);
      assert.ok(isNewer(notice, mark), `${id} of ${channel} came after ${mark && idOf(mark)}`);
      this.#marks.set(channel, notice);
      this.had.set(id, notice);
      this.order.push(notice);
    }
    if (how === 'lost') {
      this.underWay.clear();
      return;
    }
    this.#answered.add(id);
    this.log.queue.taken(notice);
    this.check();
  }

  commit(): void {
    this.log.commit();
    this.#kept = new Set([...this.#answered].filter((id) => id.startsWith(`${CURRENT}/`)));
  }
  /** SIGKILL: what was not committed of the cursors is gone. */
  kill(): void {
    this.underWay.clear();
    this.#answered = new Set(this.#kept);
    this.log.start();
  }

  /** Takes what comes until nothing does. */
  async drain(): Promise<void> {
    while ((await this.offer(16)) > 0 || this.underWay.size > 0) while (this.underWay.size > 0) this.answer(0, 'yes');
  }

  check(): void {
    const { log } = this;
    for (const row of log.rows) {
      if (row.json === UNWANTED) continue;
      const passed = row.seq <= log.cursor(row.log);
      if (passed) assert.ok(this.had.has(idOf(row)), `the cursor passes ${idOf(row)}`);
    }
  }

  missing(): OutNotice[] {
    return this.log.rows.filter((row) => row.json !== UNWANTED && !this.had.has(idOf(row)));
  }
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('append' as const), key, n: fc.integer({ min: 1, max: 4 }), wanted: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('append' as const), key, n: fc.integer({ min: 10, max: 300 }), wanted: fc.boolean() }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('offer' as const), limit: fc.integer({ min: 1, max: 16 }) }) },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      which: fc.nat(15),
      how: fc.constantFrom('yes' as const, 'yes' as const, 'later' as const, 'refused' as const, 'lost' as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('commit' as const, 'commit' as const, 'kill' as const, 'cut' as const, 'unreadable' as const),
    }),
  },
);

test('random answers and kills lose nothing, double nothing and block no other channel', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(key, { maxLength: 90 }), fc.array(step, { maxLength: 60 }), async (old, steps) => {
      const world = new World(old);
      for (const one of steps) {
        if (one.do === 'append')
          for (let i = 0; i < one.n; i++) world.log.append(one.key, !one.wanted && i % 3 === 0 ? UNWANTED : '{}');
        else if (one.do === 'answer') world.answer(one.which, one.how);
        else if (one.do === 'commit') world.commit();
        else if (one.do === 'kill') world.kill();
        else if (one.do === 'unreadable') world.log.readable = !world.log.readable;
        else if (one.do === 'offer') await world.offer(one.limit).catch((thrown) => assert.equal(thrown.code, 'log-read'));
        else world.underWay.clear();
      }
      // A channel is kept for ever: everything else arrives.
      world.log.readable = true;
      world.commit();
      world.underWay.clear();
      world.held = (channel) => channel === 'a';
      await world.drain();
      const free = world.missing().filter((row) => row.key !== 'a');
      assert.deepEqual(free, []);
      // And then everything.
      world.held = () => false;
      await world.drain();
      assert.deepEqual(world.missing(), []);
      assert.ok(world.log.cursor(CURRENT) >= (world.log.rows.findLast(({ log }) => log === CURRENT)?.seq ?? 0));
      assert.ok(world.log.cursor(OLD) >= world.log.last[OLD]);
    }),
    { numRuns: RUNS },
  );
});

const keys = (notices: readonly OutNotice[]) => notices.map(({ key: of, seq }) => `${of}${seq}`);
const ask = (held: string[] = [], limit = 16) => ({
  ...{ limit, channel: ({ key: of }: OutNotice) => of, held: (of: string) => held.includes(of) },
});

/** Takes what is offered until nothing is. */
async function take(log: AlarmLog, held: (of: string) => boolean): Promise<OutNotice[]> {
  const taken: OutNotice[] = [];
  for (let more = await log.queue.offers({ ...ask(), held }); more.length > 0; more = await log.queue.offers({ ...ask(), held }))
    for (const notice of more) {
      log.queue.taken(notice);
      taken.push(notice);
    }
  return taken;
}

test('an alarm that is kept holds back its own channel and the cursor, and nothing else', async () => {
  const log = new AlarmLog();
  for (const name of ['a', 'b', 'c', 'b', 'a']) log.append(name);
  const [a, b, c] = await log.queue.offers(ask());
  assert.deepEqual(keys([a, b, c] as OutNotice[]), ['a1', 'b3', 'c4']);
  log.queue.taken(b as OutNotice);
  log.queue.taken(c as OutNotice);
  assert.equal(log.cursor(CURRENT), 0);
  const next = await log.queue.offers(ask(['a']));
  assert.deepEqual(keys(next), ['b6']);
  log.queue.taken(next[0] as OutNotice);
  assert.deepEqual(await log.queue.offers(ask(['a'])), []);
  assert.equal(log.cursor(CURRENT), 0);
  log.queue.taken(a as OutNotice);
  assert.equal(log.cursor(CURRENT), 6);
  assert.deepEqual(keys(await log.queue.offers(ask())), ['a7']);
});

test('a channel that is kept in an older log waits in the newer one, and no other does', async () => {
  const log = new AlarmLog(['a', 'b']);
  for (const name of ['a', 'b', 'c']) log.append(name);
  const first = await log.queue.offers(ask(['a']));
  assert.deepEqual(
    first.map((n) => [n.log, n.key]),
    [[OLD, 'b']],
  );
  log.queue.taken(first[0] as OutNotice);
  const second = await log.queue.offers(ask(['a']));
  assert.deepEqual(
    second.map((n) => [n.log, n.key]),
    [
      [CURRENT, 'b'],
      [CURRENT, 'c'],
    ],
  );
  assert.deepEqual([log.cursor(OLD), log.cursor(CURRENT)], [0, 0]);
});

test('an alarm passes 10,000 of a kept topic, and the file is read once', async () => {
  const log = new AlarmLog();
  for (let i = 0; i < 10_000; i++) log.append('a');
  log.append('b');
  log.commit();
  for (let i = 0; i < 400; i++) log.append('a');
  log.append('c');
  log.commit();
  assert.deepEqual(keys(await log.queue.offers(ask([], 1))), ['a1']);
  const offers = [];
  for (let more = await log.queue.offers(ask(['a'])); more.length > 0; more = await log.queue.offers(ask(['a']))) {
    offers.push(...more.map(({ key: of }) => of));
    for (const notice of more) log.queue.taken(notice);
  }
  assert.deepEqual(offers, ['b', 'c']);
  assert.ok(log.read <= 10_500, `${log.read} were read`);
  const { reads } = log;
  for (let i = 0; i < 100; i++) assert.deepEqual(await log.queue.offers(ask(['a'])), []);
  assert.equal(log.reads, reads, 'a look that found nothing is not repeated');
  // What was kept follows whole and in order, and is read in pages again.
  const seqs = [];
  for (let [a] = await log.queue.offers(ask()); a !== undefined; [a] = await log.queue.offers(ask())) {
    seqs.push(a.seq);
    log.queue.taken(a);
  }
  assert.equal(seqs.length, 10_400);
  assert.deepEqual(
    seqs,
    seqs.toSorted((x, y) => x - y),
  );
  assert.ok(log.reads - reads <= 800, `${log.reads - reads} questions`);
});

test('10,000 alarms pass one that is kept for ever, and a restart sends none of them again', async () => {
  const log = new AlarmLog();
  log.append('a');
  for (let i = 0; i < 10_000; i++) log.append(`k${i % 40}`);
  log.append('a');
  log.commit();
  assert.equal((await take(log, (of) => of === 'a')).length, 10_000);
  assert.equal(log.cursor(CURRENT), 0);
  log.commit();
  assert.deepEqual(log.saved, { upTo: log.rows.at(-2)?.seq, waiting: [['a', 1]] });
  log.start();
  log.append('b');
  assert.deepEqual(
    (await take(log, (of) => of === 'a')).map(({ key: of }) => of),
    ['b'],
  );
  assert.deepEqual(
    (await take(log, () => false)).map(({ key: of }) => of),
    ['a', 'a'],
  );
  assert.equal(log.cursor(CURRENT), log.last[CURRENT]);
  log.commit();
  assert.equal(log.saved, undefined, 'where nothing waits nothing is saved');
});

test('after a restart what was taken since the last commit comes again, and nothing else', async () => {
  const log = new AlarmLog();
  for (const name of ['a', 'b', 'c', 'b']) log.append(name);
  for (const notice of await log.queue.offers(ask(['a']))) log.queue.taken(notice);
  log.commit();
  for (const notice of await log.queue.offers(ask(['a']))) log.queue.taken(notice);
  assert.deepEqual(await log.queue.offers(ask(['a'])), []);
  log.start();
  assert.deepEqual(keys(await take(log, () => false)), ['a1', 'b6']);
});

test('what was taken beyond the cursor of an older log comes again after a restart', async () => {
  const log = new AlarmLog(['a', 'b', 'c']);
  for (const notice of await log.queue.offers(ask(['a']))) log.queue.taken(notice);
  log.commit();
  log.start();
  assert.deepEqual(keys(await log.queue.offers(ask())), ['a1', 'b3', 'c4']);
});

test('a saved state that cannot be true is not believed', () => {
  const state = Lanes.begin('oldest', 1).state();
  const wrong = [
    { upTo: 9 },
    { upTo: -1, waiting: [] },
    { upTo: 9, waiting: [['a', '1']] },
    { upTo: 9, waiting: ['a'] },
    7,
    null,
  ];
  const many = { upTo: 9, waiting: Array.from({ length: MOST_WAITING + 1 }, (_, i) => [`k${i}`, i]) };
  for (const beyond of [...wrong, many])
    assert.equal(Lanes.load({ ...state, beyond: beyond as never }).beyond, undefined, JSON.stringify(beyond));
  const right = { upTo: 9, waiting: [['a', 3]] as const };
  assert.deepEqual(Lanes.load({ ...state, beyond: right }).state().beyond, right);
  // The cursor passed it: a receipt, or an earlier version, which does not know of it.
  assert.equal(Lanes.load({ ...state, notices: 9, beyond: right }).state().beyond, undefined);
});

test('a receipt for all up to a number takes kept alarms as well', async () => {
  const log = new AlarmLog();
  for (let i = 0; i < 60; i++) log.append(i % 3 === 0 ? 'a' : 'b');
  const [a, b] = await log.queue.offers(ask());
  log.queue.done({ log: CURRENT, seq: 40 });
  assert.equal(log.cursor(CURRENT), 40);
  // Answers that come after it change nothing.
  for (const late of [a, b]) log.queue.taken(late as OutNotice);
  assert.equal(log.cursor(CURRENT), 40);
  const rest: number[] = [];
  for (let more = await log.queue.offers(ask()); more.length > 0; more = await log.queue.offers(ask()))
    for (const notice of more) {
      log.queue.taken(notice);
      rest.push(notice.seq);
    }
  const owed = log.rows.map(({ seq }) => seq).filter((seq) => seq > 40);
  assert.deepEqual(
    rest.toSorted((x, y) => x - y),
    owed,
  );
});

test('with 257 keys that wait, what left behind the last comes again after a restart', async () => {
  const log = new AlarmLog();
  for (let i = 0; i <= MOST_WAITING; i++) for (const name of [`k${i}`, 'free']) log.append(name);
  log.commit();
  const held = (of: string) => of !== 'free';
  assert.equal((await take(log, held)).length, MOST_WAITING + 1);
  log.commit();
  assert.equal(log.saved?.waiting.length, MOST_WAITING);
  log.start();
  const again = await take(log, held);
  assert.deepEqual(keys(again), [`free${log.last[CURRENT]}`]);
  assert.equal((await take(log, () => false)).length, MOST_WAITING + 1);
  assert.equal(log.cursor(CURRENT), log.last[CURRENT]);
});

test('with as many keys as fit in memory, others wait; each that is taken makes room', async () => {
  const log = new AlarmLog();
  for (let i = 0; i < MOST_KEYS; i++) log.append(`k${i}`);
  for (let i = 0; i < 40; i++) log.append(`free${i % 4}-`);
  log.commit();
  let open = '';
  const held = (of: string) => of.startsWith('k') && of !== open;
  assert.deepEqual([await take(log, held), log.queue.full], [[], MOST_KEYS]);
  open = 'k500';
  const taken = await take(log, held);
  assert.equal(taken.length, 41);
  assert.equal(log.queue.full, undefined);
  assert.equal((await take(log, () => false)).length, MOST_KEYS - 1);
  assert.equal(log.cursor(CURRENT), log.last[CURRENT]);
});
