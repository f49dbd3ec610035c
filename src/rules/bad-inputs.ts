/** The inputs of a rule whose last reading is bad, where its `quality` gives them a meaning. */
import type { ResolvedRule } from '../config/kinds.ts';
import type { MemoryVerdict } from './rule-kind.ts';

export class BadInputs {
  readonly #meaning: 'alarm' | 'normal' | undefined;
  readonly #bad = new Set<number>();

  constructor({ quality }: ResolvedRule) {
    this.#meaning = quality === undefined || quality.bad === 'ignore' ? undefined : quality.bad;
  }

  /** A bad reading decides, and not the condition. */
  get decide(): boolean {
    return this.#bad.size > 0;
  }

  bad(input: number): void {
    if (this.#meaning !== undefined) this.#bad.add(input);
  }
  good(input: number): void {
    if (this.#meaning !== undefined) this.#bad.delete(input);
  }

  /** @param said by the condition; undefined: nothing happened */
  verdict(said: MemoryVerdict | undefined): MemoryVerdict | undefined {
    return said === undefined || !this.decide ? said : this.#meaning;
  }
}
