/** How large a batch may be: against links of a model that carry, delay, stand still and end, by counts and times of the model. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { seeded } from '../../../src/core/seeded.ts';
import { CARRY, LinkPace, START } from '../../../src/forwarders/mqtt/link-pace.ts';

const LANES = ['data', 'history'] as const;
type Lane = (typeof LANES)[number];
/** Bytes below which a batch is never cut. */
const LEAST = 512;
const SLACK = 1.1;

/** A first-in, first-out line. */
class Line {
  now = 0;
  rate: number;
  readonly roundTrip: number;
  #freeAt = 0;

  constructor(rate: number, roundTrip: number) {
    this.rate = rate;
    this.roundTrip = roundTrip;
  }

  /** @returns when its last byte is over, without the way */
  send(bytes: number): number {
    this.#freeAt = Math.max(this.#freeAt, this.now) + (bytes * 1000) / this.rate;
    return this.#freeAt;
  }
  /** Milliseconds that an alarm would wait now. */
  get waits(): number {
    return Math.max(0, this.#freeAt - this.now);
  }
}

/** Always has batches of both lanes, each as large as it may be. @returns the longest wait of an alarm at the sends, and the batches */
function drain(pace: LinkPace, line: Line, batches: number, perReading: number, lanes: readonly Lane[] = LANES) {
  const due: { lane: Lane; at: number }[] = [];
  const sent: { lane: Lane; bytes: number; waits: number }[] = [];
  const send = (lane: Lane): void => {
    const most = 360_000;
    let readings = Math.min(most, pace.readings(lane));
    for (let tries = 0; ; tries++) {
      assert.ok(tries < 3, 'a batch is cut once or twice');
      const fits = pace.fits({ lane, bytes: readings * perReading, readings });
      if (fits === true || readings === 1 || fits >= readings) break;
      readings = fits;
    }
    const bytes = readings * perReading;
    pace.sent({ lane, bytes, readings }, line.now);
    due.push({ lane, at: line.send(bytes) + line.roundTrip });
    sent.push({ lane, bytes, waits: line.waits });
  };
  for (const lane of lanes) send(lane);
  while (sent.length < batches) {
    due.sort((a, b) => a.at - b.at);
    const { lane, at } = due.shift() as { lane: Lane; at: number };
    line.now = Math.max(line.now, at);
    pace.acknowledged(lane, line.now, line.roundTrip);
    send(lane);
  }
  return sent;
}

const link = fc.record({
  rate: fc.integer({ min: 100, max: 50_000_000 }),
  roundTrip: fc.integer({ min: 0, max: 4000 }),
  perReading: fc.integer({ min: 1, max: 60 }),
});

test('on a steady link no alarm waits longer than the stated time, behind both lanes', () => {
  fc.assert(
    fc.property(link, ({ rate, roundTrip, perReading }) => {
      const sent = drain(new LinkPace(), new Line(rate, roundTrip), 60, perReading);
      // The first batches know nothing of the link: the limit is what they are.
      for (const { bytes } of sent.slice(0, 2)) assert.ok(bytes <= START.connection * SLACK + perReading);
      const least = (2 * LEAST * SLACK * 1000) / rate;
      for (const { waits } of sent.slice(8))
        assert.ok(waits <= Math.max(CARRY * 1.15, least + 1), `${waits} ms at ${rate} B/s: ${sent.map((s) => s.bytes)}`);
    }),
    { numRuns: 300 },
  );
});

test('a link is used: the limit settles at what it carries in that time, and stays there', () => {
  for (const rate of [1000, 9600, 64_000, 1_000_000]) {
    const sent = drain(new LinkPace(), new Line(rate, 300), 80, 10, ['history']);
    const all = sent.slice(40).map(({ bytes }) => bytes);
    const late = all.filter((bytes) => bytes > Math.max(...all) / 4);
    assert.ok(late.length >= 38, `a probe among thirty batches: ${all}`);
    const [least, most] = [Math.min(...late), Math.max(...late)];
    assert.ok(least >= (rate * CARRY) / 1000 / 3, `${rate}: ${late}`);
    assert.ok(most <= (rate * CARRY) / 1000, `${rate}: ${late}`);
    assert.equal(new Set(late.slice(10)).size, 1, `it does not swing: ${late}`);
  }
});

test('a link that becomes a hundred times slower gets small batches after one, and grows back', () => {
  const pace = new LinkPace();
  const line = new Line(1_000_000, 50);
  drain(pace, line, 30, 2, ['history']);
  const fast = pace.most;
  line.rate = 10_000;
  const [, , third] = drain(pace, line, 6, 2, ['history']);
  assert.ok((third?.bytes ?? 0) <= 10_000 * (CARRY / 1000), String(third?.bytes));
  line.rate = 1_000_000;
  drain(pace, line, 30, 2, ['history']);
  assert.ok(pace.most > fast / 1.3, `${pace.most} of ${fast}`);
});

test('small batches prove nothing, and one that waits behind another lowers little', () => {
  const pace = new LinkPace();
  for (let i = 0; i < 100; i++) {
    pace.sent({ lane: 'data', bytes: 200, readings: 10 }, i * 1000);
    pace.acknowledged('data', i * 1000 + 20, 10);
  }
  assert.equal(pace.most, START.connection);
  pace.sent({ lane: 'history', bytes: 4000, readings: 100 }, 0);
  pace.sent({ lane: 'data', bytes: 200, readings: 10 }, 0);
  pace.acknowledged('history', 3100, 0);
  const after = pace.most;
  pace.acknowledged('data', 3200, 0);
  assert.ok(after > 1900 && pace.most > 900, `${after}, ${pace.most}`);
});

test('batches that end their connections get smaller, and grow by tenths afterwards', () => {
  const pace = new LinkPace();
  let now = 0;
  const sizes: number[] = [];
  const attempt = (takes: number): void => {
    pace.begin();
    const bytes = Math.max(50, Math.floor(pace.most));
    sizes.push(bytes);
    pace.sent({ lane: 'history', bytes, readings: Math.ceil(bytes / 50) }, now);
    now += 100;
    if (bytes <= takes) pace.acknowledged('history', now, 100);
    else pace.over(now);
  };
  for (let i = 0; i < 12; i++) attempt(700);
  const refused = sizes.filter((bytes) => bytes > 700).length;
  assert.deepEqual(sizes.slice(0, 4), [4096, 2048, 1024, 512]);
  assert.ok(refused <= 5, `${sizes}`);
  const grown = sizes.slice(3).map((bytes, i, all) => bytes / (all[i - 1] ?? bytes));
  assert.ok(
    grown.every((by) => by < 1.11),
    `${grown}`,
  );
  // Silence until the time-out: far too large.
  const silent = new LinkPace();
  silent.sent({ lane: 'data', bytes: 4000, readings: 100 }, 0);
  silent.over(15_000);
  assert.equal(silent.most, 800);
  silent.sent({ lane: 'data', bytes: 800, readings: 100 }, 15_000);
  silent.over(30_000);
  assert.equal(silent.most, LEAST);
  // A single record that is larger than the limit proves its size.
  silent.sent({ lane: 'data', bytes: 1000, readings: 1 }, 30_000);
  silent.acknowledged('data', 30_010, 0);
  assert.equal(silent.most, 2000);
});

test('an outage in a batch of a proven size costs nothing; a second one in a row does', () => {
  const pace = new LinkPace();
  drain(pace, new Line(1_000_000, 20), 12, 10, ['history']);
  pace.acknowledged('history', 0, 0);
  const { most } = pace;
  const lose = (bytes: number): void => {
    pace.sent({ lane: 'data', bytes, readings: 10 }, 0);
    pace.over(100);
  };
  lose(300);
  assert.equal(pace.most, most);
  lose(1000);
  assert.equal(pace.most, 500);
});

test('a line that loses every fifth batch at random keeps batches of some size', () => {
  const random = seeded(11);
  const pace = new LinkPace();
  let [now, sum] = [0, 0];
  for (let i = 0; i < 2000; i++) {
    const bytes = Math.max(200, Math.floor(pace.most));
    pace.sent({ lane: 'data', bytes, readings: 10 }, now);
    now += 100;
    sum += bytes;
    if (random() < 0.2) {
      pace.over(now);
      pace.begin();
    } else pace.acknowledged('data', now, 90);
  }
  assert.ok(sum / 2000 > 1000, `${sum / 2000} B`);
});

test('whatever comes, in any order, the limit is a number between one byte and its bound', () => {
  const lane = fc.constantFrom(...LANES);
  const step = fc.oneof(
    fc.record({ do: fc.constant('sent' as const), lane, bytes: fc.integer({ min: 0, max: 2 ** 31 }) }),
    fc.record({ do: fc.constant('acknowledged' as const), lane, roundTrip: fc.double({ min: 0, max: 1e6, noNaN: true }) }),
    fc.record({ do: fc.constantFrom('returned' as const, 'over' as const, 'begin' as const), lane }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(step, fc.integer({ min: -1000, max: 100_000 })), { maxLength: 200 }), (steps) => {
      const pace = new LinkPace();
      let now = 0;
      for (const [what, passes] of steps) {
        // A clock that stands still or steps back a little must not matter.
        now += passes;
        if (what.do === 'sent') {
          const fits = pace.fits({ lane: what.lane, bytes: what.bytes, readings: 7 });
          assert.ok(fits === true || (Number.isInteger(fits) && fits >= 1));
          pace.sent({ lane: what.lane, bytes: what.bytes, readings: 7 }, now);
        } else if (what.do === 'acknowledged') pace.acknowledged(what.lane, now, what.roundTrip);
        else if (what.do === 'returned') pace.returned(what.lane);
        else if (what.do === 'over') pace.over(now);
        else pace.begin();
        assert.ok(pace.most >= 1 && pace.most <= 16 * 1024 * 1024, String(pace.most));
        assert.ok(pace.readings(what.lane) >= 1);
      }
    }),
  );
});
