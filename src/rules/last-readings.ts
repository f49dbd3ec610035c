/** What a rule last heard of its inputs: the value of its point, whether that still is the newest word, and which inputs are bad. */
import type { ResolvedRule } from '../config/kinds.ts';
import type { PointInfo, PointType, Value } from '../core/point.ts';
import { BadInputs } from './bad-inputs.ts';
import type { Watch } from './watch.ts';
import type { Seen } from './words.ts';

export class LastReadings {
  /** The value of the point of the rule. */
  value: Value | undefined;
  /** No bad reading and no restart came after the value. */
  fresh = false;
  /** Unit and type of the point, once a shape named them. */
  unit: string | undefined;
  type: PointType | undefined;
  readonly #bad: BadInputs;
  /** The time of the newest reading of each input. */
  readonly #newest: number[];

  constructor(rule: ResolvedRule) {
    this.#bad = new BadInputs(rule);
    this.#newest = new Array<number>((rule.inputs?.length ?? 0) + 1).fill(Number.NEGATIVE_INFINITY);
  }

  /** Whether bad readings decide, and not the condition; and what then holds. */
  get meaning(): Pick<BadInputs, 'decide' | 'verdict'> {
    return this.#bad;
  }

  /** @returns false: a newer reading of the input came before this one, which says nothing of now */
  isNew(time: number, input: number): boolean {
    if (time < (this.#newest[input] as number)) return false;
    this.#newest[input] = time;
    return true;
  }

  take(value: Value, input: number): void {
    if (input === 0) {
      this.value = value;
      this.fresh = true;
    }
    this.#bad.good(input);
  }

  /** @param unused an uncertain value, which says nothing whatever a bad one means */
  doubt(input: number, unused: boolean): void {
    if (input === 0) this.fresh = false;
    if (!unused) this.#bad.bad(input);
  }

  know({ unit, type }: PointInfo): void {
    this.unit = unit;
    this.type = type;
  }

  /** For a message. */
  seen(watch: Watch | undefined): Seen {
    const { value, fresh, unit } = this;
    return { value, fresh, unit, sentence: watch?.sentence, measured: watch?.measured };
  }
}
