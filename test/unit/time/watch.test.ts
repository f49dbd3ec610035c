/** A machine, its clock and its GPS through everything that a clock does; what the gateway takes for the time. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { NmeaTime } from '../../../src/codecs/serial/nmea-time.ts';
import { BUILT } from '../../../src/core/version.ts';
import { type ClockChange, ClockWatch } from '../../../src/time/watch.ts';
import { ClockMachine } from '../../fakes/clock-machine.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const IN_1970 = 5000;
const MORNING = Date.UTC(2027, 2, 1, 6);
/** Two looks: the first asks the time service, the second has its answer. */
const LOOKS = 20_000;

class Bench {
  readonly clock: ManualClock;
  readonly machine = new ClockMachine();
  readonly changes: ClockChange[] = [];
  readonly faults: string[] = [];
  gpsName: string | undefined;
  readonly watch: ClockWatch;

  constructor(shows: number) {
    this.clock = new ManualClock(shows);
    this.watch = new ClockWatch({
      clock: this.clock,
      probes: this.machine,
      gps: () => this.gpsName,
      onChange: (change) => this.changes.push(change),
      onFault: (fault) => this.faults.push(fault),
    });
  }

  async begin(): Promise<this> {
    await this.watch.begin();
    this.watch.start();
    return this;
  }
  /** UTC, if the board was switched on at MORNING. */
  get truth(): number {
    return MORNING + this.clock.monotonic();
  }
  /** What the gateway takes for the time, minus the truth. */
  get wrong(): number {
    return this.watch.offset - MORNING;
  }
  /** Sets the system clock to the truth. @param error ms by which it is missed */
  set(error = 0): void {
    this.clock.step(this.truth + error - this.clock.wall());
  }
  /** `seconds` of a GPS that is right to 100 ms. */
  async gps(seconds: number, error = 0): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      this.watch.gps('nav', this.truth + error - 100, this.clock.monotonic());
      await this.clock.advance(1000);
    }
  }
}

test('no time service: a clock later than the software is known, at once and without a word', async () => {
  const b = await new Bench(BUILT + 1).begin();
  assert.equal(b.watch.known, true);
  assert.deepEqual(b.watch.status(), {
    ...{ known: true, source: 'system clock (no time service runs)', systemOffset: 0, since: 0, steps: 1 },
  });
  await b.clock.advance(HOUR);
  assert.deepEqual(b.changes, []);
});

test('1970, or the date of an image: not known, until somebody sets it', async () => {
  for (const shows of [IN_1970, BUILT - DAY]) {
    const b = await new Bench(shows).begin();
    assert.equal(b.watch.known, false);
    assert.equal(b.watch.offset, shows, 'the board has no better idea');
    assert.match(b.watch.status().source, /earlier than this software/);
    await b.clock.advance(HOUR);
    assert.deepEqual(b.changes, []);
    b.set();
    await b.clock.advance(5000);
    assert.deepEqual(b.changes, [
      ...[
        { offset: MORNING, known: true, step: MORNING - shows, wasKnown: false, source: 'system clock (no time service runs)' },
      ],
    ]);
    assert.equal(b.watch.status().since, HOUR + 5000);
  }
});

test('an unknown clock that is set to another wrong time: an estimate, told as one', async () => {
  const b = await new Bench(IN_1970).begin();
  b.clock.step(DAY);
  await b.clock.advance(5000);
  assert.deepEqual(
    b.changes.map(({ step, known, wasKnown }) => ({ step, known, wasKnown })),
    [{ step: DAY, known: false, wasKnown: false }],
  );
});

test('a time service runs: no clock is believed before it is synchronised, however plausible', async () => {
  const b = new Bench(BUILT + DAY);
  b.machine.timesyncd(false);
  await b.begin();
  assert.equal(b.watch.known, false);
  assert.match(b.watch.status().source, /^systemd-timesyncd: it has not reached a time server yet$/);
  await b.clock.advance(HOUR);
  b.set();
  b.machine.timesyncd(true);
  await b.clock.advance(LOOKS);
  assert.equal(b.watch.known, true);
  assert.equal(b.wrong, 0);
  assert.deepEqual(b.watch.status().source, 'systemd-timesyncd');
  // Set and synchronised were seen one after the other, or together.
  assert.deepEqual(b.changes.at(-1)?.known, true);
  assert.ok(b.changes.every((c) => c === b.changes.at(-1) || !c.known));
});

test('a service that says it is synchronised while the clock shows 1970 is not believed', async () => {
  const b = new Bench(IN_1970);
  b.machine.timesyncd(true);
  await b.begin();
  assert.equal(b.watch.known, false);
  b.set();
  await b.clock.advance(LOOKS);
  assert.equal(b.watch.known, true);
  assert.equal(b.wrong, 0);
});

test('chrony: unsynchronised, then with the local clock as reference, then with a server', async () => {
  const b = new Bench(BUILT + DAY);
  b.machine.chrony('00000000', '', 'Not synchronised');
  await b.begin();
  assert.equal(b.watch.known, false);
  b.machine.chrony('7F7F0101', '', 'Normal');
  await b.clock.advance(LOOKS);
  assert.equal(b.watch.known, false);
  assert.match(b.watch.status().source, /gives only the clock of this board/);
  b.set();
  b.machine.chrony('C0A80001', 'router', 'Normal');
  await b.clock.advance(LOOKS);
  assert.deepEqual([b.watch.known, b.watch.status().source, b.wrong], [true, 'chrony', 0]);
  const asked = b.machine.asked.length;
  await b.clock.advance(HOUR);
  assert.equal(b.machine.asked.length, asked, 'it is not asked again');
});

test('the service is asked every ten seconds, seldom beside another source, one at a time', async () => {
  const b = new Bench(BUILT + DAY);
  b.machine.chrony('00000000', '', 'Not synchronised');
  await b.begin();
  await b.clock.advance(60_000);
  assert.equal(b.machine.asked.length, 7);
  const slow = new Bench(IN_1970);
  let open = 0;
  let most = 0;
  slow.machine.names = ['chronyd'];
  slow.machine.run = () => {
    open++;
    most = Math.max(most, open);
    return new Promise(() => {});
  };
  void slow.watch.begin();
  slow.watch.start();
  await slow.clock.advance(HOUR);
  assert.equal(most, 1);
});

test('steps of the system clock are followed and reported once known; slewing is not', async () => {
  const b = await new Bench(MORNING).begin();
  b.set(499);
  await b.clock.advance(5000);
  assert.deepEqual([b.wrong, b.changes.length], [0, 0]);
  b.set(2 * HOUR);
  await b.clock.advance(5000);
  b.set(-HOUR);
  await b.clock.advance(5000);
  b.set();
  await b.clock.advance(5000);
  assert.deepEqual(
    b.changes.map(({ step, known, wasKnown }) => ({ step, known, wasKnown })),
    [2 * HOUR, -3 * HOUR, HOUR].map((step) => ({ step, known: true, wasKnown: true })),
  );
  assert.equal(b.watch.status().steps, 4);
  // Back to 1970: nobody believes that, and the monotonic clock goes on.
  b.clock.step(IN_1970 - b.clock.wall());
  await b.clock.advance(HOUR);
  assert.deepEqual([b.watch.known, b.wrong, b.changes.length], [true, 0, 3]);
  assert.ok(b.watch.status().systemOffset < -50 * 365 * DAY);
});

test('a clock that is slewed for days is followed by half seconds, without a quarrel', async () => {
  const b = await new Bench(MORNING).begin();
  for (let i = 1; i <= 200; i++) {
    b.set(i * 100);
    await b.clock.advance(5000);
  }
  assert.equal(b.watch.known, true);
  assert.ok(Math.abs(b.wrong - 20_000) < 500);
  assert.equal(b.changes.length, 40);
});

test('a GPS that is named: three sentences of it, no others, and a service takes over', async () => {
  const b = new Bench(BUILT + DAY);
  b.gpsName = 'nav';
  await b.begin();
  assert.equal(b.watch.known, false, 'with a GPS the clock of the system alone is not believed');
  assert.equal(b.watch.status().source, 'GPS nav: no fix yet');
  for (let i = 0; i < 10; i++) b.watch.gps('another', b.truth, b.clock.monotonic());
  await b.gps(2);
  assert.equal(b.watch.known, false);
  await b.gps(1);
  assert.equal(b.watch.known, true);
  assert.deepEqual([b.wrong, b.watch.status().source], [-100, 'GPS nav']);
  assert.equal(b.changes.length, 1);
  // Silent, it is still known; the system clock changes nothing.
  b.set(5 * HOUR);
  await b.clock.advance(HOUR);
  assert.deepEqual([b.watch.known, b.wrong, b.changes.length], [true, -100, 1]);
  // A service is better.
  b.set();
  b.machine.timesyncd(true);
  await b.clock.advance(2 * 60_000);
  assert.equal(b.watch.status().source, 'systemd-timesyncd');
  assert.deepEqual([b.wrong, b.changes.length], [-100, 1], 'less than half a second is no step');
  await b.gps(10, 3 * HOUR);
  assert.deepEqual([b.wrong, b.watch.status().source], [-100, 'systemd-timesyncd']);
});

test('a GPS beside a time service that reaches nobody: the GPS is believed', async () => {
  const b = new Bench(IN_1970);
  b.gpsName = 'nav';
  b.machine.timesyncd(false);
  await b.begin();
  assert.equal(b.watch.status().source, 'systemd-timesyncd: it has not reached a time server yet; GPS nav: no fix yet');
  await b.gps(4);
  assert.deepEqual([b.watch.known, b.wrong], [true, -100]);
});

test('a GPS with rolled-over weeks or jumping times is reported once and never believed', async () => {
  const b = new Bench(IN_1970);
  b.gpsName = 'nav';
  await b.begin();
  const rolled = -1024 * 7 * DAY;
  await b.gps(10, rolled);
  assert.equal(b.faults.length, 1);
  assert.match(b.faults[0] ?? '', /^GPS nav: its time cannot be right: it says 2007-07-16, .*rolled over/);
  assert.match(b.watch.status().source, /rolled over/);
  for (let i = 0; i < 100; i++) {
    await b.gps(1);
    await b.gps(1, rolled);
  }
  assert.equal(b.watch.known, false);
  assert.equal(b.faults.length, 1, 'one fault, however often it comes and goes');
  await b.gps(5);
  assert.equal(b.watch.known, true);
  await b.gps(5, rolled);
  assert.equal(b.faults.length, 2);
  assert.equal(b.watch.known, true, 'what was known goes on');
});

/** What a receiver says in RMC with two digits of a year, as the gateway reads it. */
const spoken = (utc: number): number => {
  const [date = '', time = ''] = new Date(utc).toISOString().slice(2, 19).split('T');
  const [year, month, day] = date.split('-');
  const body = `GPRMC,${time.replaceAll(':', '')},A,4807.038,N,01131.000,E,0.1,84.4,${day}${month}${year},,,A`;
  let sum = 0;
  for (const char of body) sum ^= char.charCodeAt(0);
  const read = new NmeaTime().push(Buffer.from(`$${body}*${sum.toString(16).padStart(2, '0')}`));
  assert.ok(read !== undefined);
  return read;
};

test('the date 250887 after a rollover is no clock, and no later century', async () => {
  const b = new Bench(IN_1970);
  b.gpsName = 'nav';
  await b.begin();
  for (let i = 0; i < 10; i++) {
    b.watch.gps('nav', spoken(Date.UTC(1987, 7, 25, 12, 0, i)), b.clock.monotonic());
    await b.clock.advance(1000);
  }
  assert.equal(b.watch.known, false);
  assert.equal(b.faults.length, 1);
  assert.match(b.faults[0] ?? '', /^GPS nav: its time cannot be right: it says 1987-08-25, .*rolled over/);
});

test('no clock is believed that is later than 19 years after the software', async () => {
  const late = BUILT + 20 * 366 * DAY;
  for (const service of [false, true]) {
    const b = new Bench(late);
    if (service) b.machine.timesyncd(true);
    await b.begin();
    assert.equal(b.watch.known, false);
    assert.match(
      b.watch.status().source,
      service ? /^systemd-timesyncd: it shows 2046-/ : /^system clock, later than .*, so it is not used$/,
    );
    b.set();
    await b.clock.advance(LOOKS);
    assert.deepEqual([b.watch.known, b.wrong], [true, 0]);
  }
  const b = new Bench(IN_1970);
  b.gpsName = 'nav';
  await b.begin();
  await b.gps(5, late - MORNING);
  assert.equal(b.watch.known, false);
  assert.match(b.faults[0] ?? '', /^GPS nav: its time cannot be right: it says 2046-/);
});

test('a GPS is not believed before the time that an earlier start knew last', async () => {
  const b = new Bench(IN_1970);
  b.gpsName = 'nav';
  await b.begin();
  b.watch.trust(MORNING - HOUR);
  await b.gps(5, -DAY);
  assert.equal(b.watch.known, false);
  assert.match(b.faults[0] ?? '', /^GPS nav: its time cannot be right: it says 2027-02-28, before 2027-03-01T05:00Z/);
  await b.gps(5);
  assert.deepEqual([b.watch.known, b.wrong], [true, -100]);
  // A time that cannot be is no reason to refuse every other one.
  const mad = new Bench(IN_1970);
  mad.gpsName = 'nav';
  await mad.begin();
  mad.watch.trust(Date.UTC(2087, 7, 25));
  await mad.gps(5);
  assert.equal(mad.watch.known, true);
});

test('a GPS that contradicts a synchronised service is reported, once, and the service counts', async () => {
  const b = new Bench(MORNING);
  b.gpsName = 'nav';
  b.machine.timesyncd(true);
  await b.begin();
  await b.gps(10);
  assert.deepEqual(b.faults, []);
  await b.gps(10, 3 * HOUR);
  assert.equal(b.faults.length, 1);
  assert.match(
    b.faults[0] ?? '',
    /^GPS nav: its time cannot be right: it says 2027-03-01T09:00:\d\dZ, and systemd-timesyncd says 2027-03-01T06:00:\d\dZ/,
  );
  assert.deepEqual([b.watch.known, b.wrong, b.watch.status().source], [true, 0, 'systemd-timesyncd']);
  await b.gps(5);
  await b.gps(5, 3 * HOUR);
  assert.equal(b.faults.length, 2);
});

test('an earlier start of this boot of the machine is believed, until somebody knows better', async () => {
  const b = new Bench(IN_1970);
  b.machine.timesyncd(false);
  await b.watch.begin();
  b.watch.inherit(MORNING - 2000);
  b.watch.start();
  assert.deepEqual([b.watch.known, b.wrong], [true, -2000]);
  assert.equal(b.watch.status().source, 'an earlier start since the board was switched on');
  await b.clock.advance(HOUR);
  assert.deepEqual(b.changes, []);
  b.set();
  b.machine.timesyncd(true);
  await b.clock.advance(2 * 60_000);
  assert.deepEqual(b.changes, [{ offset: MORNING, known: true, step: 2000, wasKnown: true, source: 'systemd-timesyncd' }]);
  const known = await new Bench(MORNING).begin();
  known.watch.inherit(5);
  assert.equal(known.watch.offset, MORNING, 'what is known already is not given up');
});

test('two programs that fight over the clock: not known until it was quiet for ten minutes', async () => {
  const b = await new Bench(MORNING).begin();
  for (let i = 0; i < 8; i++) {
    b.set(i % 2 === 0 ? HOUR : 0);
    await b.clock.advance(60_000);
  }
  assert.equal(b.watch.known, false);
  assert.match(b.watch.status().source, /changes again and again; look for two programs that set it/);
  const lost = b.changes.find((c) => !c.known);
  assert.equal(lost?.step, 0, 'the time stays as it was');
  assert.equal(b.changes.filter((c) => !c.known).length, 1);
  // The last of them was seen 55 s ago.
  await b.clock.advance(9 * 60_000);
  assert.equal(b.watch.known, false);
  await b.clock.advance(60_000);
  assert.equal(b.watch.known, true);
  assert.equal(b.wrong, 0);
  assert.equal(b.changes.at(-1)?.wasKnown, false);
});

test('after `stop` nothing is looked at', async () => {
  const b = await new Bench(IN_1970).begin();
  b.watch.stop();
  b.set();
  await b.clock.advance(HOUR);
  assert.deepEqual(b.changes, []);
});
