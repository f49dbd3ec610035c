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
    this.#growth.restore(growth, at);
    this.#slots.restore(window, at, off);
    if (off !== undefined) this.#settle(at, off);
  }

  value(at: number, value: Value): void {
    const [grown] = this.#growth.take(at, value);
    this.#slots.slide(at);
    if (grown === undefined) return;
    this.#spread(grown, at);
    let sum = 0;
    for (const { data } of this.#slots.parts()) sum += data[0] as number;
    sum = rounded(sum);
    const { above, over } = this.#setting;
    this.measured = { words: phrase('growth', { time: lasting(over) }), value: sum };
    const watched = this.#slots.reach(at) * 2 >= over;
    this.verdict = watched || (above !== undefined && sum > above) ? this.#judge(sum) : 'unknown';
  }

  bad(): void {}
  advance(): void {}

  clockChanged(at: number, off: number | undefined): void {
    this.#slots.offKnown(off, at);
    if (off === undefined) this.#growth.forget();
    else this.#settle(at, off);
  }

  save(at: number): unknown {
    return { growth: this.#growth.save(at), window: this.#slots.save(at) };
  }

  #settle(at: number, off: number): void {
    for (const grown of this.#growth.settle(off, undefined)) this.#spread(grown, at);
  }

  /** Each part of the window at `now` gets its share of the time; what lies before the window is no growth of it. */
  #spread({ from, to, amount }: Grown, now: number): void {
    const slots = this.#slots;
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
