/**
 * Contract, rule 8, with the real log: a board that does not know what time it is, and a world that does. What every
 * hand-over has to keep (its mapping is in the file, a time never changes, order holds) is checked by the fake.
 */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { MAX_SEGMENTS } from '../../../src/store/time/clock-segments.ts';
import { ClockSite, type Given, MORNING, type Taken } from '../../harness/clock-site.ts';
import { scratch } from '../../harness/scratch.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const IN_1970 = 5000;
/** The date of an image: what systemd sets a clock to that is earlier. */
const IMAGE = Date.UTC(2026, 8, 1);

const clockSite = (t: TestContext) => {
  const made = new ClockSite(scratch(t, 'clock'));
  t.after(() => made.leave());
  return made;
};

/** All records have the true time, confirmed. */
function assertTrue(given: ReadonlyMap<string, Given>, records: readonly Taken[]): void {
  for (const r of records)
    assert.deepEqual(
      given.get(r.key),
      { time: r.truth, estimated: false },
      `${r.key} of boot ${r.boot}: off by ${(given.get(r.key)?.time ?? Number.NaN) - r.truth}`,
    );
}
/** Records of boots that never learnt the time: marked, in order, before `before` and after `after`, each boot as long as it was. */
function assertPlaced(given: ReadonlyMap<string, Given>, records: readonly Taken[], after: number, before: number): void {
  let last: { time: number; item: Taken } | undefined;
  for (const item of records) {
    const got = given.get(item.key);
    assert.equal(got?.estimated, true, `${item.key} is not marked as estimated`);
    const time = got?.time ?? Number.NaN;
    assert.ok(
      time >= after && time <= before,
      `${item.key} lies outside of its room by ${Math.max(after - time, time - before)} ms`,
    );
    if (last !== undefined) {
      assert.ok(time >= last.time, `${item.key} lies before the one before it`);
      if (last.item.boot === item.boot)
        assert.equal(time - last.time, item.truth - last.item.truth, 'within a boot time is exact');
    }
    last = { time, item };
  }
}

test('four boots without network and battery: the last is exact, the others earlier, marked', async (t) => {
  const s = clockSite(t);
  for (const [i, shows] of [IN_1970, IN_1970, IMAGE].entries()) {
    await s.switchOn(shows);
    await s.run(DAY - i * HOUR, 10 * MINUTE);
    // The daemon crashed once in each.
    await s.stop('kill');
    s.now += 7000;
    await s.start();
    await s.run(HOUR, 10 * MINUTE);
    await s.cutPower();
    s.now += 5 * HOUR;
  }
  await s.switchOn(IN_1970);
  await s.run(2 * HOUR, 10 * MINUTE);
  await s.stop('close');
  await s.start();
  await s.run(HOUR, 10 * MINUTE);
  const switchedOn = s.taken.filter((r) => r.machine === 'machine-4')[0] as Taken;
  const move = s.sync();
  assert.equal(move.tight, false);
  s.connected = true;
  await s.run(HOUR, 10 * MINUTE);
  assert.equal(await s.deliver(), s.taken.length, 'everything arrives');
  const last = s.taken.filter((r) => r.machine === 'machine-4');
  assert.equal(new Set(last.map((r) => r.boot)).size, 2, 'two starts of the daemon within it');
  assertTrue(s.given, last);
  assertPlaced(
    s.given,
    s.taken.filter((r) => r.machine !== 'machine-4'),
    Number.NEGATIVE_INFINITY,
    switchedOn.truth,
  );
  assert.deepEqual(await s.exported(), s.given, 'an export says the same');
  await s.stop('close');
});

test('boots that never knew, between two that did: the time in between is shared out evenly', async (t) => {
  const s = clockSite(t);
  await s.switchOn(IN_1970);
  s.sync();
  await s.run(HOUR, 10 * MINUTE);
  const known = s.taken.at(-1) as Taken;
  await s.stop('close');
  for (let i = 0; i < 2; i++) {
    s.now += 3 * HOUR;
    await s.switchOn(IN_1970);
    await s.run(2 * HOUR, 10 * MINUTE);
    await s.stop('close');
  }
  s.now += 3 * HOUR;
  await s.switchOn(IN_1970);
  await s.run(10 * MINUTE, 10 * MINUTE);
  s.sync();
  await s.deliver();
  const unknown = s.taken.filter((r) => r.machine === 'machine-2' || r.machine === 'machine-3');
  assertPlaced(s.given, unknown, known.truth, s.now - 10 * MINUTE);
  // The gaps were alike, so evenly is right, to the half minute that a boot takes.
  for (const r of unknown) assert.ok(Math.abs((s.given.get(r.key) as Given).time - r.truth) < MINUTE, `${r.key} is far off`);
  await s.stop('close');
});

test('more recorded time than fits: order is kept, nothing lies after the next boot', async (t) => {
  const s = clockSite(t);
  await s.switchOn(IN_1970);
  // Somebody set it two days ahead.
  s.sync(2 * DAY);
  await s.run(HOUR, 10 * MINUTE);
  await s.stop('close');
  await s.switchOn(IN_1970);
  await s.run(HOUR, 10 * MINUTE);
  await s.stop('close');
  await s.switchOn(IN_1970);
  assert.equal(s.sync().tight, true);
  await s.run(10 * MINUTE, 10 * MINUTE);
  await s.deliver();
  assertPlaced(
    s.given,
    s.taken.filter((r) => r.machine === 'machine-2'),
    Number.NEGATIVE_INFINITY,
    s.now,
  );
  assertTrue(
    s.given,
    s.taken.filter((r) => r.machine === 'machine-3'),
  );
  await s.stop('close');
});

test('a restart within one boot keeps what it knew, and what it learns holds for both', async (t) => {
  const s = clockSite(t);
  await s.switchOn(IN_1970);
  await s.run(HOUR, MINUTE);
  await s.stop('close');
  s.now += 3000;
  await s.start();
  assert.equal(s.log.clock.known, false);
  assert.equal(s.log.clock.inherited, undefined);
  s.sync();
  await s.run(10 * MINUTE, MINUTE);
  await s.stop('kill');
  s.now += 3000;
  await s.start();
  assert.equal(s.log.clock.known, true);
  const { inherited } = s.log.clock;
  assert.equal(inherited, Math.round(s.now - s.clock.monotonic()), 'an earlier start hands its knowledge on');
  s.log.setClock(inherited as number, false);
  await s.run(10 * MINUTE, MINUTE);
  assert.equal(await s.deliver(), s.taken.length);
  assertTrue(s.given, s.taken);
  await s.stop('close');

  // Each start is on its own where the kernel gives its boot no name.
  const alone = clockSite(t);
  await alone.switchOn(IN_1970);
  await alone.stop('close');
  await alone.start({ machine: false });
  alone.sync();
  await alone.stop('kill');
  await alone.start({ machine: false });
  assert.equal(alone.log.clock.inherited, undefined);
  await alone.stop('close');
});

test('live goes on estimated after the hold; what was handed over keeps, the rest is exact', async (t) => {
  const s = clockSite(t);
  await s.switchOn(IN_1970);
  // An outage of a day, then a connection; data and history begin to leave as estimated.
  await s.run(DAY, 5 * MINUTE);
  s.connected = true;
  await s.deliver(2, 20);
  await s.run(MINUTE, 1000);
  await s.deliver(3, 20);
  const early = new Map(s.given);
  assert.ok(early.size > 40 && early.size < s.taken.length / 2, `${early.size} of ${s.taken.length} were handed over`);
  for (const { estimated } of early.values()) assert.equal(estimated, true);
  const move = s.sync();
  assert.equal(move.moved.length, 1);
  assert.ok((move.moved[0]?.offset ?? 0) > 50 * 365 * DAY);
  await s.run(MINUTE, 1000);
  await s.deliver();
  assert.equal(s.given.size, s.taken.length);
  for (const [key, was] of early) assert.deepEqual(s.given.get(key), was);
  assertTrue(
    s.given,
    s.taken.filter((r) => !early.has(r.key)),
  );
  assert.deepEqual(await s.exported(), s.given);
  await s.stop('close');
});

for (const how of ['close', 'kill', 'power'] as const)
  test(`a repeat after a hand-over under an estimate and ${how} has the same time`, async (t) => {
    const s = clockSite(t);
    await s.switchOn(IN_1970);
    await s.run(2 * HOUR, MINUTE);
    s.connected = true;
    // Acknowledged ones, and on each lane one that stays without an answer.
    await s.deliver(1, 20);
    await s.deliver(1, 20, false);
    const early = new Map(s.given);
    assert.ok(early.size >= 40, `${early.size} were handed over`);
    if (how === 'power') await s.cutPower();
    else await s.stop(how);
    if (how === 'power') await s.switchOn(IN_1970);
    else await s.start();
    s.sync();
    await s.run(HOUR, MINUTE);
    await s.deliver();
    assert.equal(s.given.size, s.taken.length);
    for (const [key, was] of early) assert.deepEqual(s.given.get(key), was);
    const first = s.taken.filter((r) => r.machine === 'machine-1' && !early.has(r.key));
    // A power cut ends that boot of the machine: it never learnt the time.
    if (how === 'power') for (const r of first) assert.equal(s.given.get(r.key)?.estimated, true);
    else assertTrue(s.given, first);
    assertTrue(
      s.given,
      s.taken.filter((r) => r.boot === s.log.opened.boot),
    );
    await s.stop('close');
  });

test('a clock that steps: what was handed over keeps its time, what follows is right', async (t) => {
  const s = clockSite(t);
  await s.switchOn(MORNING - DAY);
  s.sync(-HOUR);
  s.connected = true;
  await s.run(10 * MINUTE, 1000);
  await s.deliver(1, 100);
  const first = new Map(s.given);
  await s.run(10 * MINUTE, 1000);
  s.sync(+2 * HOUR);
  await s.run(10 * MINUTE, 1000);
  await s.deliver(1, 700);
  const second = new Map(s.given);
  s.sync();
  await s.run(10 * MINUTE, 1000);
  await s.deliver();
  assert.equal(s.given.size, s.taken.length);
  for (const r of s.taken) {
    const wrong = (s.given.get(r.key) as Given).time - r.truth;
    assert.equal(wrong, first.has(r.key) ? -HOUR : second.has(r.key) ? 2 * HOUR : 0, r.key);
  }
  assert.deepEqual(await s.exported(), s.given);
  await s.stop('close');
});

test('a known time is not lost to an estimate: it holds for what came before it', async (t) => {
  const s = clockSite(t);
  await s.switchOn(IN_1970);
  s.sync();
  await s.run(10 * MINUTE, 1000);
  const before = s.taken.length;
  s.log.setClock(Math.round(s.now - s.clock.monotonic()) + DAY, true);
  await s.run(10 * MINUTE, 1000);
  await s.deliver();
  assertTrue(s.given, s.taken.slice(0, before));
  for (const r of s.taken.slice(before)) assert.deepEqual(s.given.get(r.key), { time: r.truth + DAY, estimated: true });
  await s.stop('close');
});

test('a clock that steps each minute: mappings stay bounded, no wrong time counts as true', async (t) => {
  const s = clockSite(t);
  await s.switchOn(IN_1970);
  s.connected = true;
  let coarse = 0;
  for (let i = 0; i < MAX_SEGMENTS + 40; i++) {
    // Handed over and never acknowledged: none of these mappings may be joined with another.
    if (s.sync((i % 3) * HOUR).coarse) coarse++;
    await s.run(MINUTE, 30_000);
    await s.log.flush();
    const batch = await s.outlet.next('data', 1);
    if (batch !== undefined && s.outlet.handOver(batch)) s.took(batch);
    const history = await s.outlet.next('history', 1);
    if (history !== undefined && s.outlet.handOver(history)) {
      s.took(history);
      s.outlet.done(history);
    }
    assert.ok(s.log.clock.own.segments.length <= MAX_SEGMENTS);
  }
  s.sync();
  await s.deliver();
  for (const r of s.taken) {
    const got = s.given.get(r.key);
    const wrong = (got?.time ?? Number.NaN) - r.truth;
    assert.ok(got?.estimated || [0, HOUR, 2 * HOUR].includes(wrong), `${r.key} is off by ${wrong}`);
  }
  t.diagnostic(`${s.log.clock.own.segments.length} mappings, ${coarse} times coarse`);
  await s.stop('close');
});
