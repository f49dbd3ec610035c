/** The drain loop on visits under a budget: the real `Drain` and the real `Visits`, with a log and a broker of the test. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { seeded } from '../../../src/core/seeded.ts';
import { Drain } from '../../../src/forwarders/drain.ts';
import type { DrainVisit, Outcome } from '../../../src/forwarders/drain-sides.ts';
import { Days } from '../../../src/forwarders/mqtt/budget/calendar.ts';
import { Ledger } from '../../../src/forwarders/mqtt/budget/ledger.ts';
import type { Budget } from '../../../src/forwarders/mqtt/budget/purse.ts';
import { Visits } from '../../../src/forwarders/mqtt/budget/visits.ts';
import { NO_BYTES } from '../../../src/forwarders/mqtt/wire/wire-meter.ts';
import type { OfferAsk, OutBatch, OutNotice } from '../../../src/store/delivery/out.ts';
import { AlarmLog, CURRENT } from '../../fakes/alarm-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const MINUTE = 60_000;
const DAY = 1440;
const NIGHT = { from: 60, to: 300 };
/** Bytes of a reading of history in its batch. */
const READING = 20;
/** Bytes of a connection until it is greeted, and of its end. */
const CONNECTION = 1100;
const GOODBYE = 300;

type DrainArguments = ConstructorParameters<typeof Drain>;

function bench(budget: Budget, random = () => 0) {
  const clock = new ManualClock(new Date(2026, 10, 26).getTime());
  const days = new Days();
  const ledger = new Ledger(undefined, { days, utc: () => clock.wall(), known: () => true, monotonic: () => clock.monotonic() });
  let counted = 0;
  const spend = (bytes: number): void => {
    counted += bytes;
    ledger.add({ ...NO_BYTES, sent: bytes });
  };
  const alarms = new AlarmLog();
  const taken = new Set<OutNotice['seq']>();
  const waiting = {
    get alarm() {
      return alarms.rows.filter((row) => !taken.has(row.seq));
    },
    event: [] as OutNotice[],
    readings: 0,
  };
  const channel = ({ kind, key }: OutNotice): string => `${kind}/${key}`;
  const account = {
    days,
    get utc() {
      return clock.wall();
    },
    get spent() {
      return ledger.state.spent;
    },
    get counted() {
      return counted;
    },
    ...{ wire: NO_BYTES, alarms: 0, alarmLeft: () => {}, overrun: () => false, save: () => {} },
  };
  const visits = new Visits({
    ...{ budget, clock, random, tls: false, overrun: () => {}, tooLarge: () => {} },
    account: account as unknown as ConstructorParameters<typeof Visits>[0]['account'],
    alarms: async (held) => (await alarms.queue.offers({ limit: 1, channel, held })).length > 0,
    readings: () => waiting.readings > 0,
  });
  /** The log wakes the loop of this visit. */
  let appended = (_: number): void => {};
  const log = {
    on: (of: string, run: (n: number) => void) => {
      if (of === 'appended') appended = run;
    },
    off: () => {},
  };
  const outlet = {
    ...{ waiting: () => ({ readings: 0 }), pending: () => false, later: () => false, handOver: () => true },
    next: async (lane: string, most: number): Promise<OutBatch | undefined> => {
      const readings = lane === 'history' ? Math.min(most, waiting.readings) : 0;
      if (readings === 0) return undefined;
      const payload = new Uint8Array(readings * READING);
      return {
        ...{ lane, log: 1, boot: 'b1', first: 1, last: 1, records: readings, readings, oldest: 0 },
        messages: [{ payload }],
      } as unknown as OutBatch;
    },
    notices: async (_: 'event', limit: number) => waiting.event.slice(0, limit),
    noticesDone: ({ seq }: OutNotice) => {
      waiting.event = waiting.event.filter((notice) => notice.seq > seq);
    },
    offers: (_: 'alarm', ask: OfferAsk) => alarms.queue.offers(ask),
    noticeTaken: (notice: OutNotice) => {
      taken.add(notice.seq);
      alarms.queue.taken(notice);
    },
    done: ({ readings }: OutBatch) => {
      waiting.readings -= readings;
    },
  };
  const bytesOf = (what: OutBatch | OutNotice): number => ('json' in what ? what.json.length : what.readings * READING);
  /** What the broker has, in order. */
  const got: string[] = [];
  const broker = { answer: (_what: OutBatch | OutNotice): Outcome => 'accept' };
  const offer = async (what: OutBatch | OutNotice): Promise<Outcome> => {
    spend(bytesOf(what) + 150);
    await new Promise<void>((resolve) => clock.after(50, resolve));
    const outcome = broker.answer(what);
    if (outcome === 'accept') got.push('json' in what ? what.json.trim() : `${what.readings} readings`);
    return outcome;
  };
  const drain = (): Drain => {
    const visit: DrainVisit = {
      alarmsOnly: !visits.bulk,
      admit: (what) => visits.admit(bytesOf(what), 'json' in what ? 1 : what.readings, !('json' in what)),
      settled: (what) => visits.settled(bytesOf(what)),
      ...{ unfinished: () => visits.unfinished(), over: (of) => visits.over(of) },
      ...{ holds: (of) => visits.holds(of), passed: (of) => visits.alarmPassed(of) },
      stuck: (batch) => visits.stuck(bytesOf(batch)),
    };
    const sides = {
      ...{ clock, log, outlet, visit, maxAge: 1000, maxReadings: () => 10_000, hold: () => false },
      ...{ refused: () => {}, unread: () => {}, sent: () => {}, delivered: () => {} },
    } as unknown as DrainArguments[0];
    return new Drain(sides, { batch: offer, notice: offer, channel });
  };
  const begun: number[] = [];
  let open = false;
  /** The connection breaks: what is under way is answered before. */
  let broken = false;
  let breaks = (): void => {};
  const visit = async (): Promise<void> => {
    begun.push(clock.monotonic() / MINUTE);
    open = true;
    visits.begins();
    spend(CONNECTION);
    visits.greeted();
    const run = drain();
    breaks = (): void => run.end();
    await run.run();
    spend(GOODBYE);
    if (broken) await new Promise<void>((resolve) => clock.after(visits.failed(), resolve));
    else visits.done();
    open = broken = false;
  };
  /** A visit is begun when it is due, looked at each minute. @param each called before each minute */
  const pass = async (minutes: number, each: () => void = () => {}): Promise<void> => {
    for (let minute = 0; minute < minutes; minute++) {
      each();
      if (!open && (await visits.due())) void visit();
      await clock.advance(MINUTE);
    }
  };
  let seq = 0;
  const notice = (kind: 'alarm' | 'event', key: string, bytes: number): void => {
    const json = `${key} ${++seq}`.padEnd(bytes);
    if (kind === 'alarm') alarms.append(key, json);
    else waiting.event.push({ kind, key, seq, json } as OutNotice);
    appended(0);
  };
  const cut = (): void => {
    broken = true;
    breaks();
  };
  return {
    clock,
    ledger,
    visits,
    waiting,
    got,
    broker,
    begun,
    pass,
    notice,
    cut,
    received: () => alarms.queue.done({ log: CURRENT, seq: alarms.last[CURRENT] }),
    spent: () => ledger.state.spent,
    open: () => open,
  };
}

test('more events than a visit has room for: some leave, and readings beside them', async () => {
  const s = bench({ perDay: 15_360, between: NIGHT });
  for (let i = 1; i <= 40; i++) s.notice('event', 'e', 330);
  s.waiting.readings = 2000;
  const events = () => s.got.filter((what) => what.startsWith('e '));
  await s.pass(DAY / 2);
  assert.equal(s.begun.length, 1);
  assert.ok(events().length >= 4 && s.waiting.readings < 1800, s.got.join());
  assert.ok(s.spent() > 9000 && s.spent() <= 15_360, `${s.spent()} B`);
  // The others follow on later days, each once and in order.
  await s.pass(10 * DAY, () => {
    if (s.waiting.readings === 0) s.waiting.readings = 1;
  });
  assert.deepEqual(
    events(),
    Array.from({ length: 40 }, (_, i) => `e ${i + 1}`),
  );
});

test('an event that the broker does not take now holds no room of a visit', async () => {
  const s = bench({ perDay: 15_360, between: NIGHT });
  let kept = 0;
  s.broker.answer = (what) => ('json' in what && kept++ < 5 ? 'keep' : 'accept');
  for (let i = 1; i <= 3; i++) s.notice('event', 'e', 330);
  s.waiting.readings = 100;
  await s.pass(DAY / 2);
  assert.deepEqual(
    s.got.filter((what) => what.startsWith('e ')),
    ['e 1', 'e 2', 'e 3'],
  );
  const { left } = s.visits;
  s.visits.begins();
  assert.equal(s.visits.left, left, 'nothing is counted any more at the end');
});

/** The broker takes these later. */
function keeps(s: ReturnType<typeof bench>, kept: (what: OutBatch | OutNotice) => boolean): () => number {
  let tries = 0;
  s.broker.answer = (what) => {
    if (!kept(what)) return 'accept';
    tries++;
    const why = 'the broker takes it later';
    if ('json' in what && what.kind === 'alarm') s.visits.alarmKept(`alarm/${what.key}`, why);
    else s.visits.kept('json' in what ? what.kind : what.lane, why);
    return 'keep';
  };
  return () => tries;
}

test('an alarm that the broker takes later ends no bulk visit, and is tried ever more rarely', async () => {
  const s = bench({ perDay: 15_360, between: NIGHT });
  const tries = keeps(s, (what) => 'json' in what);
  s.waiting.readings = 100;
  await s.pass(61);
  s.notice('alarm', 'warm', 200);
  await s.pass(60);
  assert.deepEqual(s.got, ['100 readings']);
  assert.equal(s.open(), false);
  assert.ok(tries() >= 5 && tries() <= 15, `${tries()} tries in an hour`);
  assert.equal(s.visits.fault, 'the broker takes it later');
  // When the budget is spent, an hour lies between two visits, less a random half.
  while (s.spent() < 15_360) await s.pass(15);
  const before = s.begun.length;
  await s.pass(6 * 60);
  const visits = s.begun.length - before;
  assert.ok(visits >= 5 && visits <= 13, `${visits} visits in six hours`);
  // What left in the night is not the only thing that leaves: those of the next night do as well.
  s.waiting.readings = 50;
  while (s.waiting.readings > 0) await s.pass(60);
  assert.deepEqual(s.waiting.alarm.length, 1);
  s.broker.answer = () => 'accept';
  await s.pass(60);
  assert.equal(s.got.at(-1), 'warm 1');
  assert.equal(s.visits.fault, undefined);
  // One that follows does not wait.
  s.notice('alarm', 'warm', 200);
  await s.pass(1);
  assert.equal(s.got.at(-1), 'warm 2');
});

test('readings that the broker takes later stay within the budget, and alarms do not wait', async () => {
  const s = bench({ perDay: 15_360, between: NIGHT });
  const tries = keeps(s, (what) => !('json' in what));
  s.waiting.readings = 100;
  await s.pass(90);
  const first = tries();
  assert.ok(first >= 2 && first <= 6, `${first} tries in half an hour`);
  s.notice('alarm', 'warm', 200);
  await s.pass(1);
  assert.deepEqual(s.got, ['warm 1']);
  await s.pass(600);
  assert.ok(s.spent() <= 15_360, `${s.spent()} B`);
  assert.equal(s.waiting.readings, 100);
  s.broker.answer = () => 'accept';
  await s.pass(DAY);
  assert.equal(s.waiting.readings, 0);
});

test('events that the broker takes later hold no room of a visit, and the visit is done', async () => {
  const s = bench({ perDay: 15_360, between: NIGHT });
  const tries = keeps(s, (what) => 'json' in what);
  for (let i = 1; i <= 3; i++) s.notice('event', 'e', 330);
  s.waiting.readings = 100;
  await s.pass(DAY / 2);
  assert.deepEqual([s.got, tries(), s.begun.length], [['100 readings'], 1, 1]);
  const { left } = s.visits;
  s.visits.begins();
  assert.equal(s.visits.left, left, 'nothing is counted any more at the end');
});

test('a link that breaks after each alarm that it delivered does not let the next one wait', async () => {
  for (const perDay of [1_000_000, 5000]) {
    const s = bench({ perDay, between: NIGHT });
    s.broker.answer = () => {
      s.clock.after(100, s.cut);
      return 'accept';
    };
    for (let i = 1; i <= 20; i++) {
      s.notice('alarm', 'warm', 200);
      await s.pass(2);
      assert.equal(s.got.length, i, `alarm ${i}, ${s.spent()} B of ${perDay} spent`);
    }
  }
});

test('a link that breaks while one alarm is never answered is tried ever more rarely', async () => {
  const s = bench({ perDay: 5000, between: NIGHT });
  // The second of two is acknowledged each time, which moves no cursor.
  s.broker.answer = (what) => {
    s.clock.after(100, s.cut);
    if ('json' in what && what.key === 'warm') return 'keep';
    return 'accept';
  };
  s.notice('alarm', 'warm', 200);
  s.notice('alarm', 'wet', 200);
  await s.pass(30);
  const before = s.begun.length;
  await s.pass(6 * 60);
  assert.ok(s.spent() > 5000);
  assert.ok(s.begun.length - before <= 13, `${s.begun.length - before} visits in six hours`);
});

test('alarms that follow each other without end do not hold a visit open past a window', async () => {
  const s = bench({ between: NIGHT });
  let chatters = true;
  const chatter = (): void => {
    if (!chatters) return;
    s.notice('alarm', 'warm', 200);
    s.clock.after(1900, chatter);
  };
  await s.pass(30);
  chatter();
  s.waiting.readings = 100;
  await s.pass(90);
  assert.equal(s.waiting.readings, 0);
  // The bulk visit ends as well, so that the window of the next night has its own.
  s.waiting.readings = 100;
  await s.pass(DAY);
  assert.equal(s.waiting.readings, 0);
  chatters = false;
  await s.pass(5);
  const alarms = s.got.filter((what) => what.startsWith('warm'));
  assert.deepEqual([s.waiting.alarm, s.open()], [[], false]);
  assert.equal(new Set(alarms).size, alarms.length, 'each once');
});

test('an alarm that the broker takes later holds back no alarm of another topic', async () => {
  const s = bench({ perDay: 15_360, between: NIGHT });
  const tries = keeps(s, (what) => 'json' in what && what.key === 'warm');
  for (const key of ['warm', 'wet', 'door', 'wet', 'warm']) s.notice('alarm', key, 200);
  await s.pass(1);
  assert.deepEqual(s.got, ['wet 2', 'door 3', 'wet 4']);
  assert.equal(s.begun.length, 1);
  for (let i = 6; i <= 25; i++) {
    const before = tries();
    s.notice('alarm', 'wet', 200);
    await s.pass(1);
    assert.equal(s.got.at(-1), `wet ${i}`, 'it leaves at once');
    assert.ok(tries() - before <= 1);
  }
  // The kept one is tried ever more rarely, although the others made a visit in each minute.
  assert.ok(tries() <= 12, `${tries()} tries in 21 minutes`);
  assert.equal(s.visits.fault, 'the broker takes it later');
  assert.equal(s.got.length, 23);
  s.broker.answer = () => 'accept';
  await s.pass(60);
  assert.deepEqual(s.got.slice(23), ['warm 1', 'warm 5'], 'in order, and nothing again');
  assert.deepEqual([s.waiting.alarm, s.visits.fault, s.open()], [[], undefined, false]);
});

test('forty topics of which the broker takes alarms later make hardly more visits than one', async () => {
  const visits = async (topics: number): Promise<number> => {
    const s = bench({ perDay: 5000, between: NIGHT }, seeded(7));
    keeps(s, (what) => 'json' in what);
    for (let i = 0; i < topics; i++) {
      s.notice('alarm', `t${i}`, 200);
      await s.pass(1);
    }
    await s.pass(3 * 60);
    const before = s.begun.length;
    await s.pass(DAY / 2);
    assert.deepEqual(s.got, []);
    return s.begun.length - before;
  };
  const [one, forty] = [await visits(1), await visits(40)];
  assert.ok(one >= 10 && forty <= 2 * one, `${one} and ${forty} visits in half a day`);
});

test('an alarm that is not taken now is forgotten with the log that had it', async () => {
  const s = bench({ perDay: 15_360, between: NIGHT });
  keeps(s, (what) => 'json' in what);
  s.notice('alarm', 'warm', 200);
  await s.pass(5);
  assert.equal(s.visits.fault, 'the broker takes it later');
  // A receipt of the platform.
  s.received();
  await s.pass(1);
  assert.equal(s.visits.fault, undefined);
});
