/** Cumulative values of counters: the sentences at the head of src/codecs/counter.ts, one after another. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Amount, CounterRules, CounterState } from '../../../src/codecs/counter.ts';
import { advance } from '../../../src/codecs/counter.ts';
import { DeviceMemory } from '../../../src/codecs/modbus-memory.ts';
import type { ModbusPoint } from '../../../src/codecs/modbus-point.ts';
import { shapeOf, widthOf } from '../../../src/codecs/modbus-point.ts';
import { compileRequest } from '../../../src/codecs/modbus-registers.ts';
import { reasonAt } from '../../../src/core/point.ts';
import { reasonName } from '../../../src/core/reasons.ts';

/** Readings ten seconds apart -> the cumulative value after each, or why it was not counted. */
function play(rules: CounterRules, readings: readonly Amount[], every = 10_000): (Amount | string)[] {
  let state: CounterState | undefined;
  return readings.map((value, i) => {
    const next = advance(state, value, i * every, rules);
    state = next.state;
    return next.verdict === 'counted' ? (next.state as CounterState).total : next.verdict;
  });
}

test('it begins at the counter itself, and follows it', () => {
  assert.deepEqual(play({ modulus: 65_536 }, [100, 100, 130, 131]), [100, 100, 130, 131]);
});

test('a fall from above 90 % of the modulus is a rollover, from below a reset', () => {
  assert.deepEqual(play({ modulus: 65_536 }, [65_530, 4, 10]), [65_530, 65_540, 65_546]);
  assert.deepEqual(play({ modulus: 1000 }, [901, 5]), [901, 1005]);
  assert.deepEqual(play({ modulus: 1000 }, [900, 5]), [900, 905]);
  assert.deepEqual(play({ modulus: 1000 }, [500, 0, 3, 10]), [500, 500, 503, 510]);
  assert.deepEqual(play({ modulus: 1000 }, [500, 20, 15, 30]), [500, 520, 535, 550]);
  // A display of seven digits that shows its modulus less one.
  assert.deepEqual(play({ modulus: 10_000_000 }, [9_999_999, 0]), [9_999_999, 10_000_000]);
});

test('decimals stay decimals, 64-bit integers whole', () => {
  assert.deepEqual(play({ modulus: 100_000 }, [0.1, 0.3, 0.6, 99_999.9, 0.2]), [0.1, 0.3, 0.6, 99_999.9, 100_000.2]);
  const modulus = 10n ** 18n;
  assert.deepEqual(play({ modulus }, [modulus - 1n, 4n, 5n]), [modulus - 1n, modulus + 4n, modulus + 5n]);
  // Kept in 64 bits, so that the cumulative value of all of them begins again with its counter.
  assert.deepEqual(play({ modulus: 2n ** 64n }, [2n ** 64n - 1n, 4n, 5n]), [2n ** 64n - 1n, 4n, 5n]);
});

test('what is outside of 0 to modulus is no reading of it', () => {
  assert.deepEqual(play({ modulus: 1000 }, [5, 1001, -1, 6]), [5, 'outside', 'outside', 6]);
  assert.deepEqual(play({ modulus: 1000 }, [-1]), ['outside']);
});

test('a counter that is back where it was was not reset, however long it stood lower', () => {
  assert.deepEqual(play({ modulus: 65_536 }, [5000, 0, 5001]), [5000, 5000, 5001]);
  assert.deepEqual(play({ modulus: 65_536 }, [5000, 0, 0, 0, 5000, 5002]), [5000, 5000, 5000, 5000, 5000, 5002]);
  assert.deepEqual(play({ modulus: 65_536 }, [5000, 7, 5003]), [5000, 5007, 5007], 'it never goes back');
  // It counted from there, so it was reset; and what lies more than a tenth above is not where it was.
  assert.deepEqual(play({ modulus: 65_536 }, [5000, 0, 1, 5001]), [5000, 5000, 5001, 10_001]);
  assert.deepEqual(play({ modulus: 65_536 }, [5000, 0, 6000]), [5000, 5000, 11_000]);
  assert.deepEqual(play({ modulus: 65_536 }, [3, 0, 4]), [3, 3, 7]);
});

test('a step that is too fast is not counted, nor what follows from it', () => {
  const rules = { modulus: 100_000, maxPerSecond: 1 };
  assert.deepEqual(play(rules, [5000, 5010, 5021, 5021]), [5000, 5010, 'too-fast', 5021], 'ten a reading are allowed');
  assert.deepEqual(play(rules, [5000, 90_000, 5005]), [5000, 'too-fast', 5005]);
  assert.deepEqual(play(rules, [5000, 0, 0, 5001]), [5000, 5000, 5000, 5001]);
  // A fall to another number than 0 would have counted that many.
  assert.deepEqual(play(rules, [5000, 4000, 5001]), [5000, 'too-fast', 5001]);
  // It stood still: the time is that since it last moved.
  assert.deepEqual(play(rules, [5000, 5000, 5000, 5030, 5041]), [5000, 5000, 5000, 5030, 'too-fast']);
});

test('three readings in a row that agree are believed: an exchanged counter adds nothing', () => {
  const rules = { modulus: 100_000, maxPerSecond: 1 };
  assert.deepEqual(play(rules, [5000, 90_000, 90_001, 90_003, 90_004]), [5000, 'too-fast', 'too-fast', 5000, 5001]);
  assert.deepEqual(play(rules, [5000, 4000, 4000, 4000, 4002]), [5000, 'too-fast', 'too-fast', 5000, 5002]);
  assert.deepEqual(play(rules, [5000, 90_000, 70_000, 80_000, 5001]), [5000, 'too-fast', 'too-fast', 'too-fast', 5001]);
  assert.deepEqual(play(rules, [5000, 90_000, 5000, 90_000, 90_000, 5000]).slice(-2), ['too-fast', 5000]);
});

test('of another run it may not be known how long ago it moved: then no step is too fast', () => {
  const before = { value: 5000, total: 7000, at: undefined };
  const next = advance(before, 9000, 10, { modulus: 100_000, maxPerSecond: 1 });
  assert.deepEqual([next.verdict, next.state?.total], ['counted', 11_000]);
});

test('property: rollovers, resets and stand-stills add up to what was really counted', () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ add: fc.integer({ min: 0, max: 50 }), reset: fc.constant(false) }) },
    { weight: 1, arbitrary: fc.record({ add: fc.integer({ min: 0, max: 9 }), reset: fc.constant(true) }) },
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 999 }),
      fc.array(step, { maxLength: 200 }),
      fc.constantFrom(1, 0.1, 0.01),
      (start, steps, scale) => {
        const decimals = Math.round(-Math.log10(scale));
        const shown = (n: number) => Number(`${n}e-${decimals}`);
        let raw = start;
        let counted = start;
        let state = advance(undefined, shown(raw), 0, { modulus: shown(1000) }).state;
        for (const { add, reset } of steps) {
          // A reset from the last tenth cannot be told from a rollover, by anyone; one that stands still and comes back is another case.
          if (reset && (raw > 900 || raw < 100)) continue;
          raw = reset ? add : (raw + add) % 1000;
          counted += add;
          const next = advance(state, shown(raw), 0, { modulus: shown(1000) });
          state = next.state;
          assert.equal(state?.total, shown(counted));
        }
      },
    ),
  );
});

test('property: it never goes back, whatever is read', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -5, max: 1005 }), { maxLength: 60 }),
      fc.option(fc.constantFrom(0.1, 1, 10), { nil: undefined }),
      (readings, maxPerSecond) => {
        let state: CounterState | undefined;
        let total: Amount = Number.NEGATIVE_INFINITY;
        for (const [i, value] of readings.entries()) {
          state = advance(state, value, i * 10_000, { modulus: 1000, maxPerSecond }).state;
          assert.ok(state === undefined || state.total >= total);
          total = state?.total ?? total;
        }
      },
    ),
  );
});

const counter = (keys: Partial<ModbusPoint>): ModbusPoint => ({
  ...{ name: 'n', table: 'holding', address: 0, type: 'uint16', counter: { modulus: 65_536 } },
  ...keys,
});
/** What a sample has of its points, and of the cumulative ones behind them. */
function reader(points: readonly ModbusPoint[], memory = new DeviceMemory(points, 'd')) {
  const shape = shapeOf('d', points);
  const decode = compileRequest(shape, points, 0, memory);
  let at = 0;
  return {
    shape,
    read: (...words: number[]) => {
      at += 10_000;
      const sample = decode(Uint8Array.from(words.flatMap((w) => [(w >> 8) & 255, w & 255])), at);
      return Object.fromEntries(
        sample.values.map((value, i) => {
          const reason = reasonAt(sample, i);
          const name = shape.points[i]?.name ?? '?';
          return [name, reason === 0 ? value : reason >= 128 ? `${value} ${reasonName(reason)}` : reasonName(reason)];
        }),
      );
    },
  };
}

test('the cumulative value is a point of its own behind those of the request', () => {
  const { shape, read } = reader([
    counter({ name: 'energy', type: 'uint32', scale: 0.01, unit: 'kW.h', counter: { modulus: 10_000_000 } }),
    counter({ name: 'starts', address: 2, counter: { modulus: 65_536, total: 'all-starts' } }),
    { name: 'power', table: 'holding', address: 3, type: 'uint16' },
  ]);
  assert.deepEqual(
    shape.points.map((p) => [p.name, p.type, p.storage, p.unit, p.writable]),
    [
      ['energy', 'uint32', 'number', 'kW.h', false],
      ['starts', 'uint16', 'number', undefined, false],
      ['power', 'uint16', 'number', undefined, false],
      ['energy-total', 'float64', 'number', 'kW.h', false],
      ['all-starts', 'float64', 'number', undefined, false],
    ],
  );
  const words = (n: number) => [n >> 16, n & 65_535];
  assert.deepEqual(read(...words(9_999_990), 65_535, 7), {
    ...{ energy: 99_999.9, starts: 65_535, power: 7, 'energy-total': 99_999.9, 'all-starts': 65_535 },
  });
  assert.deepEqual(read(...words(15), 2, 8), {
    ...{ energy: 0.15, starts: 2, power: 8, 'energy-total': 100_000.15, 'all-starts': 65_538 },
  });
});

test('what is bad or doubtful is not counted: the cumulative value says the same of itself', () => {
  const { read } = reader([
    counter({ invalid: [65_535], range: { max: 60_000 }, counter: { modulus: 65_000, maxPerSecond: 100 } }),
  ]);
  assert.deepEqual(read(65_535), { n: 'invalid', 'n-total': 'invalid' });
  assert.deepEqual(read(60_001), { n: '60001 out-of-range', 'n-total': 'invalid' }, 'nothing was counted yet');
  assert.deepEqual(read(5000), { n: 5000, 'n-total': 5000 });
  assert.deepEqual(read(65_535), { n: 'invalid', 'n-total': 'invalid' });
  assert.deepEqual(read(60_001), { n: '60001 out-of-range', 'n-total': '5000 out-of-range' });
  assert.deepEqual(read(59_000), { n: '59000 too-fast', 'n-total': '5000 too-fast' });
  assert.deepEqual(read(5003), { n: 5003, 'n-total': 5003 });
  const beyond = reader([counter({ counter: { modulus: 10_000 } })]);
  assert.deepEqual(beyond.read(10_001), { n: '10001 out-of-range', 'n-total': 'invalid' });
});

test('with a scale factor the modulus moves with it', () => {
  const { read } = reader([
    counter({ name: 'wh', type: 'uint16', scaleFactor: 'sf', counter: { modulus: 65_536 } }),
    { name: 'sf', table: 'holding', address: 1, type: 'int16' },
  ]);
  assert.deepEqual(read(65_530, 1), { wh: 655_300, sf: 1, 'wh-total': 655_300 });
  assert.deepEqual(read(4, 0x8000), { wh: 'invalid', sf: -32_768, 'wh-total': 'invalid' });
  assert.deepEqual(read(4, 1), { wh: 40, sf: 1, 'wh-total': 655_400 });
});

test('64-bit counters are told whole; another order, type or scale is another counter', () => {
  const p = counter({ type: 'uint64', counter: { modulus: '1000000000000000000' } });
  const memory = new DeviceMemory([p], 'd');
  const big = reader([p], memory);
  assert.equal(big.shape.points[1]?.type, 'uint64');
  assert.deepEqual(big.read(0x0de0, 0xb6b3, 0xa763, 0xfffe), { n: 10n ** 18n - 2n, 'n-total': 10n ** 18n - 2n });
  assert.deepEqual(big.read(0, 0, 0, 1), { n: 1n, 'n-total': 10n ** 18n + 1n });
  assert.equal(widthOf(p), 4);
  const other = reader([{ ...p, scale: 0.5, counter: { modulus: '0x10000000000000000' } }], memory);
  assert.deepEqual(other.read(0, 0, 0, 7), { n: 3.5, 'n-total': 3.5 });
});

test('of what report: leaves out both are left out, and kept together', () => {
  const limited = { report: { change: 5 } };
  const shape = shapeOf('d', [counter(limited), counter({ name: 'm' }), counter({ name: 'o', ...limited })]);
  assert.deepEqual(shape.report, [{ change: 5 }, undefined, { change: 5 }, 0, undefined, 2]);
  assert.equal(shapeOf('d', [counter({})]).report, undefined);
});
