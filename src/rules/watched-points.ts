/**
 * Which rules look at which points of a record, and in which order. A shape is looked up once: a record of a shape without rules costs
 * one look-up, however many rules there are.
 */
import type { ResolvedRule } from '../config/kinds.ts';
import type { Sample, Shape } from '../core/point.ts';
import { reasonAt } from '../core/point.ts';
import { ABSENT } from '../core/reasons.ts';
import type { RuleMachine } from './rule-machine.ts';

/** A point of a shape that a rule looks at. */
export interface Watched {
  readonly index: number;
  readonly machine: RuleMachine;
  /** 0: the point of the rule, from 1 on: a further input of its condition. */
  readonly input: number;
  /** Entries behind this one that are inputs of the same rule: a record is judged as a whole. */
  follows: number;
}
type Input = Pick<Watched, 'machine' | 'input'>;

const UNWATCHED: readonly Watched[] = Object.freeze([]);

export class WatchedPoints {
  readonly #byPoint = new Map<string, Input[]>();
  readonly #watched = new WeakMap<Shape, readonly Watched[]>();

  /** @param shapes known already; others are taken in when their first sample comes */
  constructor(machines: Iterable<RuleMachine>, shapes: Iterable<Shape>) {
    for (const machine of machines) {
      for (const [input, point] of [machine.point, ...machine.inputs].entries()) {
        const inputs = this.#byPoint.get(point) ?? [];
        this.#byPoint.set(point, inputs);
        inputs.push({ machine, input });
      }
    }
    for (const shape of shapes) this.#bind(shape);
  }

  of(shape: Shape): readonly Watched[] {
    return this.#watched.get(shape) ?? this.#bind(shape);
  }

  /** Another rule of the point, which does not only advise, finds something. */
  suspects({ name, device, point }: ResolvedRule): boolean {
    const all = this.#byPoint.get(`${device}.${point}`) ?? [];
    return all.some(({ machine }) => !machine.advisory && machine.suspects && machine.name !== name);
  }

  #bind(shape: Shape): readonly Watched[] {
    const found = shape.points.flatMap((info, index) =>
      (this.#byPoint.get(`${shape.device}.${info.name}`) ?? []).map(({ machine, input }) => {
        machine.condition.know(info, input);
        return { index, machine, input, follows: 0 };
      }),
    );
    const watched = found.length === 0 ? UNWATCHED : inOrder(found);
    this.#watched.set(shape, watched);
    return watched;
  }
}

/**
 * Within one record a suppressing rule acts before those that it suppresses, what advises asks what all others found, and the
 * inputs of a rule come one after the other.
 */
function inOrder(found: Watched[]): readonly Watched[] {
  const first = new Map<RuleMachine, number>();
  for (const [i, { machine }] of found.entries()) if (!first.has(machine)) first.set(machine, i);
  const last = ({ machine }: Watched) => Number(machine.advisory);
  found.sort(
    (a, b) => last(a) - last(b) || a.machine.rank - b.machine.rank || (first.get(a.machine) ?? 0) - (first.get(b.machine) ?? 0),
  );
  for (let i = found.length - 2; i >= 0; i--) {
    const [entry, next] = [found[i] as Watched, found[i + 1] as Watched];
    if (entry.machine === next.machine) entry.follows = next.follows + 1;
  }
  return found;
}

/** Whether one of the inputs behind `i` is in the record. */
export function moreOf(sample: Sample, watched: readonly Watched[], i: number, follows: number): boolean {
  for (let next = i + 1; next <= i + follows; next++)
    if (reasonAt(sample, (watched[next] as Watched).index) !== ABSENT) return true;
  return false;
}
