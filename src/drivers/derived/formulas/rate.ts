/**
 * The speed of a counter between its readings. Rollovers and resets are those of `counter:` (codecs/counter.ts): a fall from above
 * 90 % of the modulus is a rollover, any other one a reset, after which the counter counts from 0.
 */
import { type Amount, advance, type CounterState } from '../../../codecs/counter.ts';
import {
  because,
  type Calculation,
  type CalculationSettings,
  type Formula,
  fieldOf,
  good,
  isNumber,
  type Result,
} from '../formula.ts';

export const rate: Formula = {
  name: 'rate',
  doc: 'The speed of a counter between two readings: m3 gives L/min, kW.h gives kW. Rollovers and resets are seen.',
  roles: [{ name: 'counter', unit: (own) => `(${own}).s` }],
  takes: ['modulus', 'maxPerSecond'],
  create: ({ staleAfter, modulus, maxPerSecond }: CalculationSettings): Calculation => {
    let state: CounterState | undefined;
    let lastAt = 0;
    let last: Result = because('not-ready');
    return {
      step: ([input], { at }) => {
        if (input === undefined) return last;
        const { raw, scale } = input;
        const amount: Amount = typeof raw === 'bigint' ? raw : Number(raw);
        const most = modulus === undefined ? Number.POSITIVE_INFINITY : Number(modulus);
        // Both are of one kind: a text of the modulus is exact.
        const rules = { modulus: typeof amount === 'bigint' && modulus !== undefined ? BigInt(modulus) : most, maxPerSecond };
        if (state !== undefined && typeof state.value !== typeof amount) state = undefined;
        const before = state;
        const next = advance(state, amount, at, rules);
        state = next.state;
        if (next.verdict === 'outside') return because('out-of-range', last.value);
        if (next.verdict === 'too-fast') return because('too-fast', last.value);
        const passed = at - lastAt;
        if (before === undefined || next.state === undefined) {
          lastAt = at;
          return last;
        }
        if (passed <= 0) return last;
        lastAt = at;
        const grown = Math.max(0, growth(before.total, next.state.total));
        const value = (grown * scale) / (passed / 1000);
        last = good(value);
        return passed > staleAfter ? because('partial', value) : last;
      },
      save: (at) =>
        state && {
          value: typeof state.value === 'bigint' ? `${state.value}n` : state.value,
          ago: at - lastAt,
          ...(state.at === undefined ? {} : { changed: at - state.at }),
          ...(last.reason === 0 ? { rate: last.value } : {}),
        },
      restore: (saved, _now, savedAt) => {
        const value = amountOf(fieldOf(saved, 'value'));
        const [ago, changed, speed] = [fieldOf(saved, 'ago'), fieldOf(saved, 'changed'), fieldOf(saved, 'rate')];
        // Without the time between both readings there is no speed.
        if (value === undefined || !isNumber(ago, 0) || savedAt === undefined) return;
        lastAt = savedAt - ago;
        state = { value, total: value, at: isNumber(changed, 0) ? savedAt - changed : undefined };
        if (isNumber(speed)) last = good(speed);
      },
    };
  },
};

/** 64-bit integers stay exact. */
function growth(from: Amount, to: Amount): number {
  return typeof from === 'bigint' && typeof to === 'bigint' ? Number(to - from) : Number(to) - Number(from);
}

function amountOf(saved: unknown): Amount | undefined {
  if (typeof saved === 'string' && /^\d{1,20}n$/.test(saved)) return BigInt(saved.slice(0, -1));
  return isNumber(saved, 0) ? saved : undefined;
}
