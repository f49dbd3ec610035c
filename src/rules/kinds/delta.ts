import * as z from 'zod';
import { duration } from '../../config/schema-parts.ts';
import type { Value } from '../../core/point.ts';
import { duration as lasting, phrase, type Sentence } from '../../core/sentence.ts';
import { resave } from '../delay.ts';
import { type Grown, Growth, type GrowthSettings } from '../growth.ts';
import { judgeOf, type Limits, limitFault, limitKeys, limitWords } from '../limit.ts';
import { type ConditionMemory, isOffLost, type Measured, type MemoryStart, type MemoryVerdict, ruleKind } from '../rule-kind.ts';
import { Slots } from '../slots.ts';
import { rounded } from '../statistic.ts';

interface Setting extends Limits, GrowthSettings {
  readonly over: number;
}

/**
 * How much a counter grew in a window that slides in steps of a sixtieth: 60 amounts a rule. Growth between two readings counts as
 * even over the time between them. `above` needs no whole window; `below` says nothing before half of the window was watched.
 * A restart: the growth while the gateway was off counts where it is known for how long. Until then the window begins anew. What grew in
 * a time that nobody will ever know is growth of no window.
 */
export const delta = ruleKind({
  key: 'delta',
  schema: z.strictObject({
    ...limitKeys('the growth'),
    over: duration({ min: 1000, max: 31 * 86_400_000 }).describe('The length of the window, which ends with the newest reading.'),
    ...counterKeys(),
  }),
  doc: 'In alarm while a counter grew more than `above`, or less than `below`, in a time.',
  needs: 'number',
  check: limitFault,
  create: (setting, deadband) => ({ type: 'memory', start: (from) => new DeltaMemory(setting, deadband, from) }),
});

/** The keys of each kind that watches a counter. */
export function counterKeys() {
  const rollover = z
    .number()
    .positive()
    .max(2 ** 53)
    .optional()
    .describe(
      'How many values the counter has: 65536 for 16 bits. It begins again at 0 after the last one. Without this key a smaller value is a reset.',
    );
  const maxPerSecond = z
    .number()
    .positive()
    .max(1e15)
    .optional()
    .describe(
      'The fastest growth that is possible, a second. A larger step counts nothing: it is a glitch, or after three readings that agree another meter.',
    );
  return { rollover, maxPerSecond };
}

class DeltaMemory implements ConditionMemory {
  readonly due = Number.POSITIVE_INFINITY;
  readonly words: Sentence;
  readonly resave: number;
  verdict: MemoryVerdict = 'unknown';
  measured: Measured | undefined;
  readonly #setting: Setting;
  readonly #judge: (value: number) => MemoryVerdict;
  readonly #growth: Growth;
  readonly #slots: Slots;
  /** What the first reading of this run showed while nobody knows how long the gateway was off. */
  #earlier: (Grown & { readonly to: number }) | undefined;

  constructor(setting: Setting, deadband: number, start: MemoryStart) {
    this.#setting = setting;
    this.#judge = judgeOf(setting, deadband);
    this.#growth = new Growth(setting);
    this.#slots = new Slots({ over: setting.over, parts: 60, fields: 1 });
    this.words = limitWords(setting);
    this.resave = resave(setting.over);
    if (isOffLost(start)) return;
    const { at, saved, off } = start;
    const { growth, window } = (saved ?? {}) as { growth?: unknown; window?: unknown };
    this.#growth.restore(growth, at, off);
    this.#slots.restore(window, at, off);
  }

  value(at: number, value: Value): void {
    const grown = this.#growth.take(at, value);
    const slots = this.#slots;
    slots.slide(at);
    if (grown === undefined) return;
    if (grown.isEarlier) {
      this.#earlier = { ...grown, to: at };
      return;
    }
    this.#spread(slots, grown.from, at, grown.amount, at);
    let sum = 0;
    for (const { data } of slots.parts()) sum += data[0] as number;
    sum = rounded(sum);
    const { above, over } = this.#setting;
    this.measured = { words: phrase('growth', { time: lasting(over) }), value: sum };
    const watched = slots.reach(at) * 2 >= over;
    this.verdict = watched || (above !== undefined && sum > above) ? this.#judge(sum) : 'unknown';
  }

  bad(): void {}
  advance(): void {}

  clockChanged(at: number, off: number | undefined): void {
    const earlier = this.#earlier;
    this.#earlier = undefined;
    this.#slots.offKnown(off, at);
    if (off === undefined) {
      this.#growth.forget();
      return;
    }
    this.#growth.offKnown(off);
    if (earlier === undefined) return;
    const { from, to, amount } = earlier;
    if (this.#growth.allows(amount, to - from + off)) this.#spread(this.#slots, from - off, to, amount, at);
  }

  save(at: number): unknown {
    const growth = this.#growth.save(at);
    if (this.#earlier === undefined) return { growth, window: this.#slots.save(at) };
    const { from, to, amount } = this.#earlier;
    const slots = this.#slots.copy();
    slots.offKnown(0, at);
    this.#spread(slots, from, to, amount, at);
    return { growth, window: slots.save(at) };
  }

  /** Each part of the window at `now` gets its share of the time; what lies before the window is no growth of it. */
  #spread(slots: Slots, from: number, to: number, amount: number, now: number): void {
    let at = Math.max(from, slots.earliest(now));
    if (at > to) return;
    do {
      const end = Math.min(slots.border(at), to);
      const share = to === from ? amount : (amount * (end - at)) / (to - from);
      const data = slots.into(at, now);
      if (data !== undefined) data[0] = (data[0] as number) + share;
      at = end;
    } while (at < to);
  }
}
