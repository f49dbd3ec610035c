/** Brokers that acknowledge late, by a time that no byte causes: the limit of a batch must not follow that time. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { seeded } from '../../../src/core/seeded.ts';
import { CARRY, LinkPace } from '../../../src/forwarders/mqtt/link-pace.ts';

type Lane = 'data' | 'history';
const MOST = 16 * 1024 * 1024;
/** Milliseconds of the line that one batch may take. */
const SHARE = CARRY / 2;

interface Conditions {
  /** Bytes a second. */
  rate: number;
  /** Milliseconds from the last byte to the acknowledgement. */
  wait: number;
  /** At most so many more, at random. */
  jitter: number;
  /** Milliseconds of a small message at the beginning: a broker may answer it at once. */
  roundTrip: number;
}

/** A line and its broker, first in, first out. Its lanes always have something to send. */
class Site {
  now = 0;
  readonly pace = new LinkPace();
  readonly #lanes: readonly Lane[];
  readonly #random: () => number;
  #lineFree = 0;
  #answered = 0;
  #due: { lane: Lane; at: number; bytes: number }[] = [];
  conditions: Conditions;

  constructor(conditions: Conditions, seed: number, lanes: readonly Lane[] = ['history']) {
    this.conditions = conditions;
    this.#random = seeded(seed);
    this.#lanes = lanes;
    this.begin();
  }
  begin(): void {
    this.pace.begin();
    this.#due = [];
    for (const lane of this.#lanes) this.#send(lane);
  }
  /** The connection breaks with what is under way. */
  cut(): void {
    this.pace.over(this.now);
    this.begin();
  }
  #send(lane: Lane): void {
    const each = 10;
    let readings = Math.min(MOST / each, this.pace.readings(lane));
    const fits = this.pace.fits({ lane, bytes: readings * each, readings });
    if (fits !== true) readings = fits;
    const bytes = readings * each;
    this.pace.sent({ lane, bytes, readings }, this.now);
    const { rate, wait, jitter } = this.conditions;
    this.#lineFree = Math.max(this.#lineFree, this.now) + (bytes * 1000) / rate;
    this.#answered = Math.max(this.#answered, this.#lineFree + wait + jitter * this.#random());
    this.#due.push({ lane, at: this.#answered, bytes });
  }
  /** @returns bytes a second, and milliseconds of the line that the batches took */
  acknowledge(batches: number) {
    const began = this.now;
    let sum = 0;
    const took: number[] = [];
    for (let i = 0; i < batches; i++) {
      const next = this.#due.shift();
      assert.ok(next);
      this.now = next.at;
      this.pace.acknowledged(next.lane, this.now, this.conditions.roundTrip);
      sum += next.bytes;
      took.push((next.bytes * 1000) / this.conditions.rate);
      this.#send(next.lane);
    }
    return { perSecond: (sum * 1000) / (this.now - began), took: took.sort((a, b) => a - b) };
  }
  /** Bytes a second at the largest batch that is allowed. */
  get best(): number {
    const { rate, wait, jitter } = this.conditions;
    const bytes = Math.min(MOST, (rate * SHARE) / 1000);
    return (bytes * 1000) / ((bytes * 1000) / rate + wait + jitter / 2);
  }
}

const conditions = fc
  .record({
    rate: fc.double({ min: 3, max: 7, noNaN: true }).map((power) => 10 ** power),
    wait: fc.oneof(fc.integer({ min: 0, max: 10_000 }), fc.constantFrom(1300, 2000, 3500)),
    jitter: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 1500 })),
    answers: fc.constantFrom('at once', 'late'),
  })
  .map(({ answers, ...line }) => ({ ...line, roundTrip: Math.min(line.wait, answers === 'at once' ? 50 : 10_000) }));
const seed = fc.integer({ min: 1, max: 2 ** 31 - 1 });

function assertGood(site: Site, batches: number): void {
  const { perSecond, took } = site.acknowledge(batches);
  // Half, and some room for random jitter.
  assert.ok(perSecond >= site.best * 0.48, `${perSecond} of ${site.best}`);
  const at = (part: number): number => took[Math.floor(took.length * part)] ?? 0;
  assert.ok(at(0.5) <= 0.9 * CARRY && at(0.9) <= 1.2 * CARRY, `the line carries a batch for ${at(0.5)} to ${at(0.9)} ms`);
}

test('a broker that acknowledges late gets half of what the line allows, or more', () => {
  fc.assert(
    fc.property(conditions, seed, (line, from) => {
      const site = new Site(line, from);
      site.acknowledge(100);
      assertGood(site, 100);
    }),
    { numRuns: 120 },
  );
});

test('two lanes at once get as much, and neither is left behind a line that is full', () => {
  fc.assert(
    fc.property(conditions, seed, (line, from) => {
      const site = new Site(line, from, ['data', 'history']);
      site.acknowledge(200);
      assertGood(site, 200);
    }),
    { numRuns: 120 },
  );
});

test('the batches follow when the line or the broker changes', () => {
  fc.assert(
    fc.property(conditions, conditions, seed, (first, second, from) => {
      const site = new Site(first, from);
      site.acknowledge(150);
      site.conditions = { ...second, roundTrip: Math.min(first.roundTrip, second.roundTrip) };
      site.acknowledge(150);
      assertGood(site, 100);
    }),
    { numRuns: 120 },
  );
});

test('a break does not slow the growth for ever', () => {
  fc.assert(
    fc.property(conditions, seed, fc.integer({ min: 0, max: 20 }), (line, from, breaks) => {
      const site = new Site(line, from);
      for (let i = 0; i < breaks; i++) {
        site.acknowledge(1 + (i % 4));
        site.cut();
      }
      site.acknowledge(200);
      assertGood(site, 100);
    }),
    { numRuns: 120 },
  );
  const pace = new LinkPace();
  pace.sent({ lane: 'history', bytes: 4096, readings: 100 }, 0);
  pace.over(100);
  const acknowledge = (): number => {
    const before = pace.most;
    pace.sent({ lane: 'history', bytes: Math.floor(before), readings: 100 }, 1000);
    pace.acknowledged('history', 1010, 5);
    return pace.most / before;
  };
  const growth = Array.from({ length: 12 }, acknowledge);
  assert.ok(growth[0] !== undefined && growth[0] < 1.11, `${growth}`);
  assert.ok((growth.at(-1) ?? 0) > 1.9, `a larger batch than the one of the break was acknowledged: ${growth}`);
});
