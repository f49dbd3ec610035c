/**
 * What alarms have to do with each other: one suppresses others by design, and the first of a group is marked. Invariants:
 *
 * - Related rules act in the order of time, also when a tick comes late, so that the outcome depends on the readings only.
 * - Within one moment a suppressing rule acts before those that it suppresses, and what it frees is looked at last: a record that ends
 *   both conditions raises no alarm in between.
 * - An alarm is suppressed while its condition holds only; what is normal stays normal, and what waits for a person goes on waiting.
 * - Bounded: nothing is kept beside one entry for each related rule.
 */
import type { RuleMachine } from './rule-machine.ts';

export class Relations {
  readonly #dependents = new Map<RuleMachine, RuleMachine[]>();
  readonly #freed = new Map<RuleMachine, number>();
  readonly #touched: (machine: RuleMachine) => void;
  /** Rules whose order in time matters. */
  readonly #related: RuleMachine[] = [];
  readonly #machines: ReadonlyMap<string, RuleMachine>;

  /** @param touched a rule has another state now, though nothing came in for it */
  constructor(machines: ReadonlyMap<string, RuleMachine>, touched: (machine: RuleMachine) => void) {
    this.#machines = machines;
    this.#touched = touched;
    const groups = new Map<string, RuleMachine[]>();
    for (const machine of machines.values()) {
      const { group, suppressedBy = [] } = machine.rule;
      // What is only observed acts on nothing.
      machine.suppressors = suppressedBy
        .flatMap((name) => machines.get(name) ?? [])
        .filter((other) => other !== machine && other.tally === undefined);
      for (const other of machine.suppressors) {
        const dependents = this.#dependents.get(other) ?? [];
        this.#dependents.set(other, dependents);
        dependents.push(machine);
      }
      machine.peers = [];
      if (group === undefined || machine.tally !== undefined) continue;
      const peers = groups.get(group) ?? [];
      groups.set(group, peers);
      peers.push(machine);
      machine.peers = peers;
    }
    for (const machine of machines.values()) {
      const suppresses = this.#dependents.has(machine);
      machine.onTurn = suppresses ? (at) => this.#turned(machine, at) : undefined;
      if (suppresses || machine.suppressors.length > 0 || machine.peers.length > 1) this.#related.push(machine);
    }
    this.#rank();
  }

  get any(): boolean {
    return this.#related.length > 0;
  }

  /** Does what has come due for related rules up to and including `now`, in the order of time. */
  advance(now: number): void {
    const due = this.#related.filter((machine) => machine.wake <= now).sort(inTime);
    for (let i = 0; i < due.length; i++) {
      const machine = due[i] as RuleMachine;
      const moment = machine.wake;
      machine.advance(moment);
      this.#touched(machine);
      if (machine.wake <= now) insert(due, machine, i + 1);
      // What was freed shows itself after all that happens at the same time.
      if (this.#freed.size > 0 && (due[i + 1]?.wake ?? Number.POSITIVE_INFINITY) > moment) this.settle();
    }
  }

  /** Looks at what suppressing rules have freed since. */
  settle(): void {
    if (this.#freed.size === 0) return;
    const freed = [...this.#freed];
    this.#freed.clear();
    for (const [machine, at] of freed) if (machine.unsuppress(at)) this.#touched(machine);
  }

  /** Brings every alarm in line with the rules that suppress it: after a start, and after the rules were replaced. */
  check(at: number): void {
    for (const machine of this.#machines.values()) {
      const by = machine.suppressors.find(({ life }) => life.suppresses);
      if (by === undefined ? machine.unsuppress(at) : machine.suppress(at, by.name)) this.#touched(machine);
    }
  }

  /** A suppressing rule may have begun or ended. */
  #turned(machine: RuleMachine, at: number): void {
    for (const dependent of this.#dependents.get(machine) ?? []) {
      if (!machine.life.suppresses) this.#freed.set(dependent, at);
      else if (dependent.suppress(at, machine.name)) this.#touched(dependent);
    }
  }

  /** A rule has a higher rank than all that suppress it. The configuration has no rings; where there is one, it is cut. */
  #rank(): void {
    const open = new Set<RuleMachine>();
    const done = new Set<RuleMachine>();
    for (const start of this.#related) {
      const stack: RuleMachine[] = [start];
      for (let machine = stack.at(-1); machine !== undefined; machine = stack.at(-1)) {
        if (done.has(machine)) {
          stack.pop();
          continue;
        }
        open.add(machine);
        const waits = machine.suppressors.filter((other) => !done.has(other) && !open.has(other));
        if (waits.length > 0) {
          stack.push(...waits);
          continue;
        }
        machine.rank = Math.max(0, ...machine.suppressors.map((other) => other.rank + 1));
        done.add(machine);
        stack.pop();
      }
    }
  }
}

function inTime(a: RuleMachine, b: RuleMachine): number {
  return a.wake - b.wake || a.rank - b.rank;
}

/** Puts one into a list that is sorted from `from` on. */
function insert(sorted: RuleMachine[], machine: RuleMachine, from: number): void {
  let low = from;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (inTime(sorted[middle] as RuleMachine, machine) <= 0) low = middle + 1;
    else high = middle;
  }
  sorted.splice(low, 0, machine);
}
