/** `report:`: golden timelines, and a property against a model that looks through everything that was ever read. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { report } from '../../../src/config/report.ts';
import type { PointInfo, Report, Sample, Shape, Value } from '../../../src/core/point.ts';
import { reasonAt } from '../../../src/core/point.ts';
import type { ReasonName } from '../../../src/core/reasons.ts';
import { ABSENT, GOOD, qualityOf, reasonCode } from '../../../src/core/reasons.ts';
import { parseDuration } from '../../../src/core/units.ts';
import { Reports } from '../../../src/pipeline/report.ts';

const root = path.join(import.meta.dirname, '..', '..', 'cases', 'report');
const info = (name: string): PointInfo => ({ name, type: 'float64', storage: 'number' });
const shapeOf = (limits: readonly (Report | number | undefined)[]): Shape => ({
  device: 'd',
  points: limits.map((_, i) => info(`p${i}`)),
  report: limits,
});
/** Which points of a sample are kept, and that nothing else of it changes. */
function kept(reports: Reports, sample: Sample): boolean[] {
  const out = reports.take(sample);
  if (out === undefined) return sample.values.map(() => false);
  assert.deepEqual([out.shape, out.at, out.values], [sample.shape, sample.at, sample.values]);
  const flags = sample.values.map((_, i) => reasonAt(out, i) !== ABSENT);
  for (const [i, flag] of flags.entries()) if (flag) assert.equal(reasonAt(out, i), reasonAt(sample, i));
  assert.ok(flags.includes(true), 'a record without readings is none');
  if (sample.values.every((_, i) => flags[i])) assert.equal(out, sample);
  return flags;
}

const files = globSync('*.yaml', { cwd: root }).sort();
test('there are golden timelines', () => assert.ok(files.length >= 12));
for (const file of files) {
  test(`timeline ${file}`, () => {
    const written = parse(readFileSync(path.join(root, file), 'utf8')) as { report: unknown; timeline: string };
    const shape = shapeOf([report().parse(written.report)]);
    const reports = new Reports();
    for (const line of written.timeline.trim().split('\n')) {
      const [when = '', value = '', ...rest] = line.trim().split(/\s+/);
      const [expected, reason] = [rest.at(-1), rest.length > 1 ? reasonCode(rest[0] as ReasonName) : GOOD];
      const told = value === '-' ? 0 : value.endsWith('n') ? BigInt(value.slice(0, -1)) : JSON.parse(value);
      const sample: Sample = { shape, at: parseDuration(when) as number, values: [told], reasons: Uint8Array.of(reason) };
      assert.equal(kept(reports, sample)[0] ? 'kept' : 'left', expected, line);
    }
  });
}

interface Read {
  readonly at: number;
  readonly value: number;
  readonly reason: number;
  kept: boolean;
}

/** Slow and plain: the sentences of the reference page, one after another, over all that was read so far. */
function model(limits: Report, past: readonly Read[], now: Omit<Read, 'kept'>): boolean {
  const last = past.findLast((read) => read.kept);
  if (last === undefined) return true;
  if (qualityOf(last.reason) !== qualityOf(now.reason)) return true;
  const age = now.at - last.at;
  const before = past.at(-1) as Read;
  const isOver = (time: number) => age + Math.min((now.at - before.at) / 2, time / 10) >= time;
  if (limits.atMost !== undefined && !isOver(limits.atMost)) return false;
  if (limits.atLeast !== undefined && isOver(limits.atLeast)) return true;
  if (last.reason !== now.reason) return true;
  const given = [limits.change, limits.percent, limits.atLeast].some((limit) => limit !== undefined);
  if (!given) return true;
  if (qualityOf(now.reason) === 'bad' || now.value === last.value) return false;
  if (limits.change === undefined && limits.percent === undefined) return true;
  // Values are whole here: decimals have their own golden case.
  const difference = Math.abs(now.value - last.value);
  const byChange = limits.change !== undefined && difference >= limits.change;
  return byChange || (limits.percent !== undefined && difference * 100 >= limits.percent * Math.abs(last.value));
}

const time = (max: number) => fc.option(fc.integer({ min: 1, max }), { nil: undefined });
const limitsOf = fc
  .record({
    change: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined }),
    percent: fc.option(fc.constantFrom(1, 10, 50, 200), { nil: undefined }),
    atLeast: time(40_000),
    atMost: time(20_000),
  })
  .filter((l) => l.atLeast === undefined || l.atMost === undefined || l.atLeast >= l.atMost);
const reasonOf = fc.oneof(
  { weight: 12, arbitrary: fc.constant(GOOD) },
  { weight: 2, arbitrary: fc.constantFrom(reasonCode('timeout'), reasonCode('crc'), reasonCode('out-of-range')) },
  { weight: 1, arbitrary: fc.constant(ABSENT) },
);
const readOf = fc.record({ value: fc.integer({ min: -8, max: 8 }), reason: reasonOf });

test('property: what is kept is what the sentences say, for every point on its own', () => {
  fc.assert(
    fc.property(
      fc.array(fc.option(limitsOf, { nil: undefined }), { minLength: 1, maxLength: 4 }).chain((limits) =>
        fc.record({
          limits: fc.constant(limits),
          steps: fc.array(
            fc.record({
              wait: fc.oneof(fc.constantFrom(1000, 995, 1005, 10_000), fc.integer({ min: 0, max: 30_000 })),
              reads: fc.array(readOf, { minLength: limits.length, maxLength: limits.length }),
            }),
            { maxLength: 40 },
          ),
        }),
      ),
      ({ limits, steps }) => {
        const shape = shapeOf(limits);
        const reports = new Reports();
        const past: Read[][] = limits.map(() => []);
        let at = 5.25;
        for (const { wait, reads } of steps) {
          at += wait;
          const reasons = Uint8Array.from(reads.map((r) => r.reason));
          const sample: Sample = {
            ...{ shape, at, values: reads.map((r): Value => r.value) },
            reasons: reasons.every((r) => r === GOOD) ? null : reasons,
          };
          const expected = reads.map(({ value, reason }, i) => {
            if (reason === ABSENT) return false;
            const limit = limits[i];
            const flag = limit === undefined || model(limit, past[i] as Read[], { at, value, reason });
            past[i]?.push({ at, value, reason, kept: flag });
            return flag;
          });
          assert.deepEqual(kept(reports, sample), expected);
        }
      },
    ),
    { numRuns: 1000 },
  );
});

test('property: no two kept of one quality are closer than atMost, less a tenth', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ wait: fc.integer({ min: 1, max: 3000 }), value: fc.integer({ min: 0, max: 3 }) }), { maxLength: 60 }),
      limitsOf,
      (steps, limits) => {
        const { atMost = 1 } = limits;
        const shape = shapeOf([limits]);
        const reports = new Reports();
        let at = 0;
        let last = Number.NEGATIVE_INFINITY;
        for (const { wait, value } of steps) {
          at += wait;
          if (!kept(reports, { shape, at, values: [value], reasons: null })[0]) continue;
          assert.ok(at - last >= atMost * 0.9, `${last} and ${at}`);
          last = at;
        }
      },
    ),
  );
});

test('a point that follows another is kept exactly with it', () => {
  const shape = shapeOf([{ change: 5 }, undefined, 0]);
  const reports = new Reports();
  const read = (at: number, ...values: number[]) => kept(reports, { shape, at, values, reasons: null });
  assert.deepEqual(read(0, 1, 1, 1), [true, true, true]);
  assert.deepEqual(read(1, 2, 1, 100), [false, true, false]);
  assert.deepEqual(read(2, 6, 1, 1), [true, true, true]);
});

test('what the log did not take is forgotten, so that the next reading is kept', () => {
  const shape = shapeOf([{ change: 5 }]);
  const reports = new Reports();
  const read = (at: number, value: number) => kept(reports, { shape, at, values: [value], reasons: null })[0];
  assert.equal(read(0, 1), true);
  assert.equal(read(1, 1), false);
  reports.forget(shape);
  assert.equal(read(2, 1), true);
});
