/** Pairs of readings that follow each other closely enough to say what was between them. */
import { fieldOf, isNumber } from './formula.ts';

export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly first: number;
  readonly last: number;
}

export class Stretches {
  readonly #longest: number;
  #last: { readonly value: number; readonly at: number } | undefined;

  /** @param longest two readings further apart, ms, have a gap between them */
  constructor(longest: number) {
    this.#longest = longest;
  }

  /** @returns the stretch that ends with this reading; `gap`: nobody knows what was before it; undefined: no time went by */
  take(value: number, at: number): Stretch | 'gap' | undefined {
    const before = this.#last;
    if (before !== undefined && at <= before.at) {
      this.#last = { value, at: before.at };
      return undefined;
    }
    this.#last = { value, at };
    if (before === undefined || at - before.at > this.#longest) return 'gap';
    return { from: before.at, to: at, first: before.value, last: value };
  }

  forget(): void {
    this.#last = undefined;
  }

  save(at: number): unknown {
    return this.#last && { value: this.#last.value, ago: at - this.#last.at };
  }

  /** @param savedAt undefined: the reading is of an unknown time, and nothing follows from it */
  restore(saved: unknown, savedAt: number | undefined): void {
    const [value, ago] = [fieldOf(saved, 'value'), fieldOf(saved, 'ago')];
    if (savedAt === undefined || !isNumber(value) || !isNumber(ago, 0)) return;
    this.#last = { value, at: savedAt - ago };
  }
}
