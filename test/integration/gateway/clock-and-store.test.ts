/**
 * A whole gateway on boards whose clocks are wrong: what reaches `…/event`, status and metrics, and the times of the
 * readings as a platform gets them.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { BUILT } from '../../../src/core/version.ts';
import { Board } from '../../harness/board.ts';
import { startChild } from '../../harness/child.ts';
import { pythonPeer } from '../../peers/peers.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const IN_1970 = 5000;
/** What systemd sets a clock to that is earlier: the day its image was made, later than this software. */
const IMAGE = BUILT + 3 * DAY;

const about = (actual: unknown, expected: number, within: number, what: string) =>
  assert.ok(Math.abs(Number(actual) - expected) <= within, `${what}: ${actual} instead of ${expected}`);

for (const [name, shows] of [
  ['1970', IN_1970],
  ['the date of its image', IMAGE],
] as const)
  test(`a clock beginning in ${name}: readings wait for the service, then are true`, {
    timeout: 600_000,
  }, async (t) => {
    const b = await Board.make(t);
    if (b === undefined) return;
    await b.switchOn(shows, (machine) => machine.timesyncd(false));
    await b.polls(5);
    const before = await b.status();
    assert.equal(before.clock.known, false);
    assert.equal(before.clock.source, 'systemd-timesyncd: it has not reached a time server yet');
    about(before.gateway.time, b.clock.wall(), 10_000, 'the board has no better idea');
    const metrics = await b.metrics();
    assert.equal(metrics.get('sluice_clock_known'), 0);
    assert.equal(metrics.get('sluice_clock_source_info{source="systemd-timesyncd: it has not reached a time server yet"}'), 1);
    assert.deepEqual(b.readings(), [], 'the hold is not over');

    const step = b.truth - b.clock.wall();
    b.set();
    b.machine.timesyncd(true);
    // Set and synchronised may be seen one after the other: then an estimate is told first.
    const told = await b.tells((e) => e.data.known === true);
    assert.deepEqual([told.severity, told.message], ['info', 'The time is known now: systemd-timesyncd.']);
    assert.equal(told.data.boot, 'b1');
    assert.equal(told.data.log, told.log);
    assert.equal(told.data.boots, 0);
    // Nothing was handed over but the events before it.
    assert.ok(Number(told.data.last) < told.seq);
    const steps = b.told().map((e) => Number(e.data.offset));
    about(
      steps.reduce((a, n) => a + n, 0),
      step,
      5,
      'the steps that were told',
    );
    const readings = await b.delivered();
    assert.ok(readings.length > 5);
    for (const r of readings) assert.deepEqual([r.estimated, b.wrong(r)], [false, 0], `reading ${r.n}`);
    const now = await b.status();
    assert.deepEqual([now.clock.known, now.clock.source], [true, 'systemd-timesyncd']);
    about(now.clock.systemOffset, 0, 500, 'the system clock is the source');
    assert.equal(now.clock.steps, b.told().length);
    assert.equal((await b.metrics()).get('sluice_clock_known'), 1);
    assert.equal((await b.metrics()).get('sluice_clock_steps_total'), now.clock.steps);
  });

test('without a time service a plausible clock is known; its steps are reported, order holds', {
  timeout: 600_000,
}, async (t) => {
  const b = await Board.make(t);
  if (b === undefined) return;
  await b.switchOn({ wrongBy: -HOUR });
  const first = await b.delivered();
  assert.equal((await b.status()).clock.source, 'system clock (no time service runs)');
  b.set(2 * HOUR);
  const forwards = await b.tells((e) => Number(e.data.offset) > 0);
  assert.equal(forwards.message, 'The clock stepped.');
  about(forwards.data.offset, 3 * HOUR, MINUTE, 'the step');
  assert.deepEqual([forwards.data.known, forwards.data.steps, forwards.data.boot], [true, 1, 'b1']);
  const second = await b.delivered();
  // Within a minute of the first: told together.
  b.set(-HOUR);
  await b.clock.skip(5000);
  b.set();
  await b.clock.skip(5000);
  const backwards = await b.tells((e) => Number(e.data.steps) === 2);
  assert.equal(backwards.message, 'The clock stepped 2 times.');
  about(backwards.data.offset, -2 * HOUR, MINUTE, 'from what was handed over to what is right');
  const readings = await b.delivered();
  const [old, last] = [first, second].map((list) => Math.max(...list.map((r) => r.n))) as [number, number];
  for (const r of readings) {
    // A record that was handed over keeps its time; each record in between went out under one of the two.
    const errors = r.n <= old ? [-HOUR] : r.n <= last ? [-HOUR, 2 * HOUR] : [2 * HOUR, -HOUR, 0];
    assert.ok(
      errors.some((error) => b.wrong({ ...r, time: r.time - error }) === 0),
      `reading ${r.n} is off by ${b.wrong(r)}`,
    );
  }
  assert.equal(b.wrong(readings.at(-1) as (typeof readings)[0]), 0);
});

test('two boots without the time are placed before the third, which learns it', {
  timeout: 600_000,
}, async (t) => {
  const b = await Board.make(t);
  if (b === undefined) return;
  for (let i = 0; i < 2; i++) {
    await b.switchOn(IN_1970, (machine) => machine.timesyncd(false));
    await b.polls(5);
    await b.clock.skip(HOUR);
    await b.polls(5);
    await b.stop();
  }
  await b.switchOn(IN_1970, (machine) => machine.timesyncd(false));
  const switchedOn = b.truth;
  await b.polls(5);
  b.set();
  b.machine.timesyncd(true);
  const told = await b.tells((e) => e.data.known === true);
  const { log } = told;
  const { data } = told;
  assert.deepEqual([data.boot, data.boots, data.log], ['b3', 2, log]);
  for (const boot of ['b1', 'b2']) {
    assert.equal(data[`${boot}.estimated`], true);
    assert.equal(data[`${boot}.log`], log);
    assert.ok(Number(data[`${boot}.offset`]) > 50 * 365 * DAY);
    assert.ok(Number(data[`${boot}.last`]) < Number(data.last));
  }
  await b.polls(5);
  const readings = await b.delivered();
  for (const boot of ['b1', 'b2', 'b3']) assert.ok(readings.filter((r) => r.boot === boot).length >= 8, boot);
  readings.forEach((r, i) => {
    assert.equal(r.estimated, r.boot !== 'b3', `reading ${r.n}`);
    assert.ok(r.time >= (readings[i - 1]?.time ?? 0), 'order');
    if (r.boot === 'b3') assert.equal(b.wrong(r), 0, `reading ${r.n}`);
    else assert.ok(r.time <= switchedOn, `reading ${r.n} of ${r.boot}`);
  });
});

test('a restarted daemon keeps what it knew, and what it learns holds for earlier readings', {
  timeout: 600_000,
}, async (t) => {
  const b = await Board.make(t);
  if (b === undefined) return;
  await b.switchOn(IN_1970, (machine) => machine.timesyncd(false));
  await b.polls(5);
  await b.stop();
  await b.start();
  await b.polls(5);
  b.set();
  b.machine.timesyncd(true);
  const told = await b.tells((e) => e.data.known === true);
  assert.deepEqual([told.data.boot, told.data.boots, told.data['b1.estimated']], ['b2', 1, false]);
  await b.delivered();
  await b.stop();
  // The service was started with the daemon and has not answered yet.
  b.machine.timesyncd(false);
  await b.start(IN_1970);
  const { clock, gateway } = await b.status();
  assert.deepEqual([clock.known, clock.source], [true, 'an earlier start since the board was switched on']);
  about(gateway.time, b.truth, 10_000, 'the time goes on');
  assert.ok(clock.systemOffset < -50 * 365 * DAY);
  const readings = await b.delivered();
  for (const r of readings) assert.deepEqual([r.estimated, b.wrong(r)], [false, 0], `reading ${r.n} of ${r.boot}`);
  assert.equal(new Set(readings.map((r) => r.boot)).size, 3);
});

test('at a start that knows the time at once the boots before it are placed and told', { timeout: 600_000 }, async (t) => {
  const b = await Board.make(t);
  if (b === undefined) return;
  await b.switchOn(IN_1970, (machine) => machine.timesyncd(false));
  await b.polls(5);
  await b.stop();
  await b.switchOn({ wrongBy: 0 });
  const told = await b.tells((e) => e.data.known === true);
  assert.deepEqual([told.data.boot, told.data.boots, told.data['b1.estimated']], ['b2', 1, true]);
  const readings = await b.delivered();
  assert.ok(readings.every((r) => r.estimated === (r.boot === 'b1')));
});

test('chrony: without a server, with its own clock, with a server', { timeout: 600_000 }, async (t) => {
  const b = await Board.make(t);
  if (b === undefined) return;
  await b.switchOn(IMAGE, (machine) => machine.chrony('00000000', '', 'Not synchronised'));
  await b.polls(3);
  assert.equal((await b.status()).clock.source, 'chrony: it has not reached a time server yet');
  b.machine.chrony('7F7F0101', '', 'Normal');
  await b.clock.skip(15_000);
  await b.polls(3);
  assert.equal((await b.status()).clock.source, 'chrony: it gives only the clock of this board (`local`)');
  assert.deepEqual(b.told(), []);
  b.set();
  b.machine.chrony('C0A80001', 'router', 'Normal');
  const told = await b.tells((e) => e.data.known === true);
  assert.equal(told.data.source, 'chrony');
  const readings = await b.delivered();
  for (const r of readings) assert.deepEqual([r.estimated, b.wrong(r)], [false, 0], `reading ${r.n}`);
});

test('two programs that set the clock against each other: not known any more, told as a warning', {
  timeout: 600_000,
}, async (t) => {
  const b = await Board.make(t);
  if (b === undefined) return;
  await b.switchOn({ wrongBy: 0 });
  await b.polls(3);
  for (let i = 0; i < 6; i++) {
    b.set(i % 2 === 0 ? HOUR : 0);
    await b.clock.skip(30_000);
  }
  const told = await b.tells((e) => e.data.known === false);
  assert.equal(told.severity, 'warning');
  assert.match(told.message, /^The time is not known any more: .*changes again and again/);
  assert.equal((await b.metrics()).get('sluice_clock_known'), 0);
  await b.clock.skip(11 * MINUTE);
  const again = await b.tells((e) => e.seq > told.seq && e.data.known === true);
  assert.match(again.message, /^The time is known now: /);
  assert.equal((await b.status()).clock.known, true);
});

test('a GPS is the only source: not believed before its fix or with rolled-over weeks', {
  timeout: 600_000,
}, async (t) => {
  const python = pythonPeer(t, 'pty', 'apt-get install -y python3');
  if (python === undefined) return;
  const peers = path.join(import.meta.dirname, '../../peers');
  const line = startChild(t, python, [path.join(peers, 'paced-pty.py'), '9600'], { stdin: true });
  const [far = '', near] = (await line.line(/^\/dev\//)).split(' ');
  const talker = startChild(t, python, [path.join(peers, 'serial-talker.py'), far], { stdin: true });
  const b = await Board.make(t, near);
  if (b === undefined) return;
  let says: { status: 'A' | 'V'; wrongBy: number } = { status: 'V', wrongBy: 0 };
  const sky = setInterval(() => {
    const [date, time] = new Date(b.truth + says.wrongBy).toISOString().split('T') as [string, string];
    const [year, month, day] = date.slice(2).split('-');
    const hms = time.slice(0, -1).replaceAll(':', '');
    const body = `GNRMC,${hms},${says.status},4807.038,N,01131.000,E,0.5,84.4,${day}${month}${year},,,A`;
    let sum = 0;
    for (const char of body) sum ^= char.charCodeAt(0);
    talker.write(`text $${body}*${sum.toString(16).toUpperCase().padStart(2, '0')}`);
  }, 300);
  t.after(() => clearInterval(sky));

  await b.switchOn(IMAGE);
  await b.polls(5);
  assert.equal((await b.status()).clock.source, 'GPS nav: no fix yet');
  says = { status: 'A', wrongBy: -1024 * 7 * DAY };
  const rolled = await b.tells(() => true);
  assert.deepEqual([rolled.severity, rolled.data], ['warning', { known: false }]);
  assert.match(rolled.message, /^GPS nav: its time cannot be right: it says 2007-07-16, .*1024 weeks/);
  assert.match((await b.status()).clock.source, /rolled over/);
  says = { status: 'A', wrongBy: 0 };
  const told = await b.tells((e) => e.data.known === true);
  assert.equal(told.message, 'The time is known now: GPS nav.');
  const { clock, gateway } = await b.status();
  assert.deepEqual([clock.known, clock.source], [true, 'GPS nav']);
  // As good as a serial line on a busy machine: what counts is that it is not the date of the image.
  about(gateway.time, b.truth, MINUTE, 'the time of the GPS');
  about(clock.systemOffset, b.clock.wall() - b.truth, MINUTE, 'the system clock is left alone');
  const readings = await b.delivered();
  for (const r of readings) {
    assert.equal(r.estimated, false);
    about(b.wrong(r), 0, MINUTE, `reading ${r.n}`);
  }

  // The log remembers the last time that was known, and no receiver goes behind it.
  await b.stop();
  says = { status: 'A', wrongBy: -DAY };
  await b.switchOn(IMAGE);
  const behind = await b.tells((e) => /the last time that was known/.test(e.message));
  assert.match(behind.message, /^GPS nav: its time cannot be right: it says 2027-\d\d-\d\d, before 2027-/);
  assert.equal((await b.status()).clock.known, false);
  says = { status: 'A', wrongBy: 0 };
  await b.tells((e) => e.data.known === true && e.seq > behind.seq);
  about((await b.status()).gateway.time, b.truth, MINUTE, 'the time of the GPS after it');
});
