/** Volume of a tank from its level, by a strapping table: straight lines between measured pairs. */
import {
  AS_READ,
  because,
  type Calculation,
  type CalculationSettings,
  type Formula,
  fixed,
  good,
  type Result,
} from '../formula.ts';

/** @param table pairs of level and volume; levels rise */
export function volumeAt(table: readonly (readonly [number, number])[], level: number): Result {
  const [bottom, top] = [table[0], table.at(-1)];
  if (bottom === undefined || top === undefined) return because('invalid');
  if (level < bottom[0]) return because('out-of-range', bottom[1]);
  if (level > top[0]) return because('out-of-range', top[1]);
  // The first pair above; tables have up to 1,000 pairs.
  let [low, high] = [0, table.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((table[middle]?.[0] ?? 0) <= level) low = middle;
    else high = middle;
  }
  const [[l0, v0], [l1, v1]] = [table[low] ?? bottom, table[high] ?? top];
  return good(l1 === l0 ? v0 : v0 + ((v1 - v0) * (level - l0)) / (l1 - l0));
}

export const tankVolume: Formula = {
  name: 'tank-volume',
  doc: 'Volume of a tank from its level, by a strapping table. Its levels are in the unit of the input.',
  roles: [fixed('level', AS_READ)],
  needs: ['table'],
  create: ({ table = [] }: CalculationSettings): Calculation => ({
    step: ([input]) => volumeAt(table, input?.value ?? 0),
  }),
};
