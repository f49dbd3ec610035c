import * as z from 'zod';
import type { Value } from '../../core/point.ts';
import { joined, phrase, type Sentence } from '../../core/sentence.ts';
import { ruleKind } from '../rule-kind.ts';

/** Bits of the widest integer. */
const WIDTH = 64;

/** 0 is the least significant, as under `bit:` of a point. */
const bitList = () =>
  z
    .array(
      z
        .int()
        .min(0)
        .max(WIDTH - 1),
    )
    .min(1)
    .max(WIDTH)
    .optional();

/**
 * Bits of a status word. A negative number counts in two's complement, so the bits of an int16 are those of its register.
 * In alarm: all bits are as written, or with `any` one of them. Back: that is over. A value that is not whole has no bits.
 */
export const bits = ruleKind({
  key: 'bits',
  schema: z
    .strictObject({
      set: bitList().describe('Numbers of bits that are 1 in alarm. Bit 0 is the least significant.'),
      clear: bitList().describe('Numbers of bits that are 0 in alarm.'),
      any: z.boolean().optional().describe('`true`: one of the bits is enough. Without it all must be as written.'),
    })
    .refine(({ set, clear }) => set !== undefined || clear !== undefined, {
      message: 'write the numbers of the bits that are 1 or 0 in alarm, for example {set: [3]} or {clear: [0]}',
    })
    .refine(({ set = [], clear = [] }) => !set.some((bit) => clear.includes(bit)), {
      message: 'a bit cannot be both set and clear; remove it from one of the lists',
      path: ['clear'],
    }),
  doc: 'In alarm while bits of a whole number are 1 (`set`) or 0 (`clear`).',
  needs: 'number',
  check: (_setting, deadband) => (deadband > 0 ? 'bits are 0 or 1, so a deadband has no meaning; remove it' : undefined),
  create({ set = [], clear = [], any = false }) {
    const [low, high] = masks([...set, ...clear]);
    const [wantedLow, wantedHigh] = masks(set);
    return {
      type: 'value',
      words: words(set, clear, any),
      judge(value) {
        const halves = halvesOf(value);
        if (halves === undefined) return 'between';
        // A bit that is as written is 0 here.
        const wrongLow = (halves[0] ^ wantedLow) & low;
        const wrongHigh = (halves[1] ^ wantedHigh) & high;
        const holds = any ? wrongLow !== low || wrongHigh !== high : wrongLow === 0 && wrongHigh === 0;
        return holds ? 'alarm' : 'normal';
      },
    };
  },
});

function masks(numbers: readonly number[]): readonly [low: number, high: number] {
  const mask = (from: number) =>
    numbers.filter((bit) => bit >= from && bit < from + 32).reduce((sum, bit) => sum | (1 << (bit - from)), 0);
  return [mask(0), mask(32)];
}

/** The lower and the upper 32 bits; undefined for a value that is not a whole number. */
function halvesOf(value: Value): readonly [number, number] | undefined {
  if (typeof value === 'bigint') return [Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n))];
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) return undefined;
  return [value | 0, Math.floor(value / 2 ** 32) | 0];
}

/** `bits 3 and 5 set and bit 0 clear` */
function words(set: readonly number[], clear: readonly number[], any: boolean): Sentence {
  const join = (parts: readonly Sentence[]) => joined(any ? 'or' : 'and', parts);
  const part = (numbers: readonly number[], state: 'set' | 'clear') =>
    numbers.length === 0
      ? []
      : [phrase(numbers.length === 1 ? 'bit' : 'bits', { bits: join(numbers.map(String)), state: phrase(state) })];
  return join([...part(set, 'set'), ...part(clear, 'clear')]);
}
