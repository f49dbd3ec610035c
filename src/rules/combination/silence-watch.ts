/** A condition of silence as a part of others. It listens from the start on: a restart forgets the silence before it. */
import type { Value } from '../../core/point.ts';
import type { MemoryVerdict } from '../rule-kind.ts';
import type { Watch } from '../watch.ts';

export class SilenceWatch implements Watch {
  readonly changed = false;
  readonly resave = Number.POSITIVE_INFINITY;
  readonly words = '';
  readonly measured = undefined;
  readonly sentence = undefined;
  readonly after: number;
  #since: number;
  #silent = false;

  constructor(after: number, start: number) {
    this.after = after;
    this.#since = start;
  }

  get verdict(): MemoryVerdict {
    return this.#silent ? 'alarm' : 'normal';
  }
  get due(): number {
    return this.#silent ? Number.POSITIVE_INFINITY : this.#since + this.after;
  }

  value(at: number, _value: Value, _input: number): MemoryVerdict {
    this.#since = Math.max(this.#since, at);
    this.#silent = false;
    return this.verdict;
  }
  advance(at: number): MemoryVerdict {
    if (at >= this.due) this.#silent = true;
    return this.verdict;
  }
  bad(): undefined {}
  know(): void {}
  acknowledged(): undefined {}
  save(): undefined {}
  saved(): void {}
  clockChanged(): undefined {}
}
