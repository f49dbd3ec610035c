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
        // A time too short for a double is none either.
        const seconds = passed / 1000;
        if (seconds <= 0) return last;
        lastAt = at;
        const grown = Math.max(0, growth(before.total, next.state.total));
        const value = (grown * scale) / seconds;
        if (!Number.isFinite(value)) return because('not-a-number', last.value);
        last = good(value);
        return passed > staleAfter ? because('partial', value) : last;
      },
      save: (at) =>
        state && {
          ...savedCount(state, at),
          ago: at - lastAt,
          ...(state.before === undefined ? {} : { before: savedCount(state.before, at) }),
          ...(state.strange === undefined
            ? {}
            : { strange: { ...state.strange, value: textOf(state.strange.value), at: at - state.strange.at } }),
          ...(last.reason === 0 ? { rate: last.value } : {}),
        },
      restore: (saved, _now, savedAt) => {
        const [ago, speed] = [fieldOf(saved, 'ago'), fieldOf(saved, 'rate')];
        // Without the time between both readings there is no speed.
        const found = savedAt === undefined || !isNumber(ago, 0) ? undefined : countOf(saved, savedAt);
        if (found === undefined || savedAt === undefined || !isNumber(ago, 0)) return;
        lastAt = savedAt - ago;
        const before = countOf(fieldOf(saved, 'before'), savedAt);
        const strange = strangeOf(fieldOf(saved, 'strange'), savedAt);
        const isAlike = (amount: Amount): boolean => typeof amount === typeof found.value;
        state = {
          ...found,
          ...(before !== undefined && isAlike(before.value) ? { before } : {}),
          ...(strange !== undefined && isAlike(strange.value) ? { strange } : {}),
        };
        if (isNumber(speed)) last = good(speed);
      },
    };
  },
};

type Count = Pick<CounterState, 'value' | 'total' | 'at'>;

function savedCount({ value, total, at: changed }: Count, at: number): object {
  return { value: textOf(value), total: textOf(total), ...(changed === undefined ? {} : { changed: at - changed }) };
}

function countOf(saved: unknown, savedAt: number): Count | undefined {
  const [value, total, changed] = [
    amountOf(fieldOf(saved, 'value')),
    amountOf(fieldOf(saved, 'total')),
    fieldOf(saved, 'changed'),
  ];
  if (value === undefined || total === undefined || typeof value !== typeof total) return undefined;
  return { value, total, at: isNumber(changed, 0) ? savedAt - changed : undefined };
}

function strangeOf(saved: unknown, savedAt: number): CounterState['strange'] {
  const [value, ago, seen] = [amountOf(fieldOf(saved, 'value')), fieldOf(saved, 'at'), fieldOf(saved, 'seen')];
  return value !== undefined && isNumber(ago, 0) && isNumber(seen, 1) ? { value, at: savedAt - ago, seen } : undefined;
}

const textOf = (amount: Amount): string | number => (typeof amount === 'bigint' ? `${amount}n` : amount);

/** 64-bit integers stay exact. */
function growth(from: Amount, to: Amount): number {
  return typeof from === 'bigint' && typeof to === 'bigint' ? Number(to - from) : Number(to) - Number(from);
}

function amountOf(saved: unknown): Amount | undefined {
  if (typeof saved === 'string' && /^\d{1,20}n$/.test(saved)) return BigInt(saved.slice(0, -1));
  return isNumber(saved, 0) ? saved : undefined;
}
