/** The detector of unusual readings alone: bounded, finite, the same live and replayed, hard to blind. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Detector, detectorSchema, type Finding, LEARNS_FIRST, NEWS } from '../../../../src/rules/anomaly/detector.ts';

const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const hourOf = (at: number) => Math.floor((at % DAY) / HOUR);
/** 3 to 5 with the hour, and a little noise that repeats. */
const usual = (at: number) => 4 + Math.sin((2 * Math.PI * (at % DAY)) / DAY) + ((at / MINUTE) % 7) / 50;

function made(hourly = true, margin = 0): Detector {
  return new Detector({ hourly, margin, enough: 0.05 });
}

/** Readings each five minutes. @returns findings */
function feed(detector: Detector, from: number, to: number, value: (at: number) => number = usual): Finding[] {
  const found: Finding[] = [];
  for (let at = from; at < to; at += 5 * MINUTE) {
    const finding = detector.observe(at, hourOf(at), value(at));
    if (finding !== undefined) found.push(finding);
  }
  return found;
}

const restarted = (detector: Detector, at: number, hourly = true) =>
  new Detector({ hourly, margin: 0, enough: 0.05 }, detectorSchema.parse(JSON.parse(JSON.stringify(detector.save(at)))), at);

test('a value outside of all that was is found, with its range', () => {
  const detector = made(false);
  feed(detector, 0, 10 * DAY);
  const found = detector.observe(10 * DAY, 0, 7.9);
  assert.equal(found?.aspect, 'value');
  assert.ok(found.low > 2.9 && found.low < 3.1 && found.high > 5 && found.high < 5.2, JSON.stringify(found));
  assert.ok(found.score > 1 && found.score < 2);
});

test('a value that is usual at noon and not at night is found at night only', () => {
  const day = (at: number) => (hourOf(at) >= 8 && hourOf(at) < 18 ? 20 : 5) + ((at / MINUTE) % 7) / 10;
  const [hourly, plain] = [made(true), made(false)];
  for (const detector of [hourly, plain]) feed(detector, 0, 10 * DAY, day);
  const night = 10 * DAY + 2 * HOUR;
  assert.equal(hourly.observe(night, 2, 20)?.aspect, 'hour');
  assert.equal(plain.observe(night, 2, 20), undefined);
});

test('a slow average that leaves its range is found while each reading is usual', () => {
  const detector = made(false);
  const swing = (at: number) => ((at / (5 * MINUTE)) % 2 === 0 ? 0 : 10);
  feed(detector, 0, 5 * DAY, swing);
  const found = feed(detector, 5 * DAY, 5 * DAY + 3 * HOUR, () => 10);
  assert.equal(found[0]?.aspect, 'average');
  assert.ok(found.every(({ aspect }) => aspect === 'average'));
});

test('a second between readings finds the slow change that five minutes find', () => {
  for (const every of [1000, 10_000, 5 * MINUTE]) {
    const detector = made(false);
    const feedEvery = (from: number, to: number, value: (at: number) => number) => {
      let count = 0;
      for (let at = from; at < to; at += every) if ((detector.observe(at, 0, value(at))?.score ?? 0) > 0.05) count++;
      return count;
    };
    assert.equal(
      feedEvery(0, 2 * DAY, (at) => 10 + Math.sin((2 * Math.PI * at) / HOUR)),
      0,
      `${every}`,
    );
    const drift = feedEvery(
      2 * DAY,
      2 * DAY + 6 * HOUR,
      (at) => 10 + (4 * (at - 2 * DAY)) / (6 * HOUR) + Math.sin((2 * Math.PI * at) / HOUR),
    );
    assert.ok(drift > 0, `${every}`);
  }
});

test('nothing is found before a day was learned, whatever comes', () => {
  const detector = made();
  assert.deepEqual(
    feed(detector, 0, LEARNS_FIRST, (at) => (at % (50 * MINUTE) === 0 ? 1000 : 1)),
    [],
  );
});

test('the same height is news once in six hours, and a greater one at once', () => {
  const detector = made(false);
  feed(detector, 0, 3 * DAY);
  const at = 3 * DAY;
  const first = detector.observe(at, 0, 9)?.score ?? 0;
  assert.ok(first > 0);
  assert.equal(detector.observe(at + 1, 0, 9), undefined);
  assert.ok((detector.observe(at + 2, 0, 99)?.score ?? 0) > first);
  feed(detector, at + 5 * MINUTE, at + NEWS + HOUR);
  assert.ok(detector.observe(at + NEWS + HOUR, 1, 999) !== undefined);
});

test('one outlier, while it learns or later, does not make it blind', () => {
  for (const outlier of [1e308, -1e308, 1e9, Number.MAX_VALUE]) {
    for (const when of [0, 7 * 5 * MINUTE, 12 * HOUR, 4 * DAY]) {
      const detector = made(false);
      feed(detector, 0, 6 * DAY, (at) => (at === when ? outlier : usual(at)));
      const found = detector.observe(6 * DAY, 0, 25);
      assert.ok(found !== undefined, `${outlier} at ${when}`);
      assert.ok(found.high - found.low < 8, JSON.stringify(found));
    }
  }
});

test('what is forgotten is what nobody saw for two months', () => {
  const detector = made(false);
  feed(detector, 0, 2 * DAY);
  detector.observe(2 * DAY, 0, 7);
  feed(detector, 2 * DAY + 5 * MINUTE, 20 * DAY);
  assert.equal(detector.observe(20 * DAY, 0, 6), undefined);
  feed(detector, 20 * DAY + 5 * MINUTE, 85 * DAY);
  assert.ok(detector.observe(85 * DAY, 0, 6) !== undefined);
});

test('a reading that is judged and not learned changes nothing that was learned', () => {
  const [one, two] = [made(), made()];
  feed(one, 0, 3 * DAY);
  feed(two, 0, 3 * DAY);
  for (let at = 3 * DAY; at < 3 * DAY + 8 * HOUR; at += 5 * MINUTE) one.observe(at, hourOf(at), 500, false);
  two.pause(3 * DAY + 8 * HOUR - 5 * MINUTE);
  const [a, b] = [one.save(4 * DAY), two.save(4 * DAY)];
  for (const key of ['average', 'usual', 'ranges', 'learned', 'lastAgo', 'last', 'step'] as const)
    assert.deepEqual(a[key], b[key], key);
});

test('one step of the instrument outside of the range is nothing, and neither is the margin', () => {
  const detector = made(false);
  // Each value stays for an hour, so that the average moves as well; it is low at the end.
  const end = 3 * DAY + HOUR;
  feed(detector, 0, end, (at) => 20 + (Math.floor(at / HOUR) % 3) / 10);
  assert.equal(detector.observe(end, 0, 20.3), undefined);
  assert.ok(detector.observe(end + 1, 0, 20.5) !== undefined);
  const wide = made(false, 5);
  feed(wide, 0, 3 * DAY, () => 20);
  assert.equal(wide.observe(3 * DAY, 0, 25, false), undefined);
  assert.ok(wide.observe(3 * DAY + 1, 0, 25.1, false) !== undefined);
});

test('a constant value is never unusual, and a change of it is', () => {
  const detector = made();
  assert.deepEqual(
    feed(detector, 0, 3 * DAY, () => 0),
    [],
  );
  assert.ok(Number.isFinite(detector.observe(3 * DAY, 0, 1e308)?.score));
});

const anyValue = fc.oneof(
  { weight: 8, arbitrary: fc.double({ min: -50, max: 50, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1e308, -1e308, Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, 1e-300, -0) },
);
const anyStep = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 2 * HOUR }) },
  { weight: 1, arbitrary: fc.constantFrom(0, -5 * HOUR, 40 * DAY, 400 * DAY) },
);
const series = fc.array(
  fc.record({
    step: anyStep,
    value: anyValue,
    hour: fc.option(fc.integer({ min: 0, max: 23 }), { nil: undefined }),
    learns: fc.boolean(),
  }),
  { maxLength: 400 },
);

test('every number is finite, every memory is bounded, whatever comes', () => {
  fc.assert(
    fc.property(series, (steps) => {
      const detector = made();
      let at = 0;
      for (const { step, value, hour, learns } of steps) {
        at += step;
        const found = detector.observe(at, hour, value, learns);
        if (found === undefined) continue;
        for (const number of [found.score, found.low, found.high, found.measured]) assert.ok(Number.isFinite(number));
        assert.ok(found.low <= found.high);
      }
      const text = JSON.stringify(detector.save(at));
      assert.ok(text.length < 8000, `${text.length}`);
      detectorSchema.parse(JSON.parse(text));
    }),
    { numRuns: 300 },
  );
});

test('a restart in the middle changes nothing', () => {
  fc.assert(
    fc.property(series, fc.nat(), (steps, cut) => {
      const whole = made();
      let broken = made();
      let at = 0;
      for (const [i, { step, value, hour, learns }] of steps.entries()) {
        at += Math.max(0, step);
        if (i === cut % (steps.length + 1)) broken = restarted(broken, at);
        assert.deepEqual(broken.observe(at, hour, value, learns), whole.observe(at, hour, value, learns));
      }
      assert.deepEqual(broken.save(at), whole.save(at));
    }),
    { numRuns: 300 },
  );
});

test('the same readings give the same findings, and no finding knows what comes after it', () => {
  fc.assert(
    fc.property(series, fc.nat(), (steps, cut) => {
      const run = (some: typeof steps) => {
        const detector = made();
        let at = 0;
        return some.map(({ step, value, hour, learns }) => {
          at += step;
          return detector.observe(at, hour, value, learns);
        });
      };
      const all = run(steps);
      assert.deepEqual(run(steps), all);
      const part = steps.slice(0, cut % (steps.length + 1));
      assert.deepEqual(run(part), all.slice(0, part.length));
    }),
    { numRuns: 200 },
  );
});
