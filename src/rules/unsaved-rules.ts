/** Which states of rules are to be saved with the next commit. */
import type { SavedFigures } from './alarm-figures.ts';
import type { RuleMachine } from './rule-machine.ts';
import type { Moment, RuleState } from './rule-state.ts';

/** Rule states to be stored with the next commit. */
export interface DirtyRules {
  readonly changed: readonly RuleState[];
  /** Names whose stored state is to be deleted. */
  readonly removed: readonly string[];
  /** To be stored under FIGURES_KEY. */
  readonly figures?: SavedFigures | undefined;
}

export const CLEAN: DirtyRules = Object.freeze({ changed: [], removed: [] });
/** Delays and silence grow by themselves: all rules are asked this often (ms) whether that is worth a write. */
const ASK_ALL_EVERY = 1000;

export class UnsavedRules {
  /** Rules that something was done to since `take`; all when it is past `#askAll`. */
  readonly #touched = new Set<RuleMachine>();
  readonly #removed = new Set<string>();
  /** As they were before a trial. */
  #kept: RuleState[] = [];
  #askAll = Number.NEGATIVE_INFINITY;

  touch(machine: RuleMachine): void {
    this.#touched.add(machine);
  }

  /** The rule is gone: its stored state goes as well. */
  remove(rule: string): void {
    this.#removed.add(rule);
  }

  /** A rule that comes back before its removal was stored must overwrite what is stored. */
  comesBack(machine: RuleMachine): void {
    if (this.#removed.delete(machine.name)) machine.touch();
  }

  /** It is stored as it is now, and no more. */
  keep(state: RuleState): void {
    this.#kept.push(state);
  }

  /** All are asked next time. */
  askAll(): void {
    this.#askAll = Number.NEGATIVE_INFINITY;
  }

  /** Nothing can be unsaved now. */
  quiet(at: number, last: boolean): boolean {
    return !last && at < this.#askAll && this.#touched.size === 0;
  }

  /** @param last the run ends: memories are taken as they are @param held the stored state of that rule stays */
  take(machines: Iterable<RuleMachine>, moment: Moment, last: boolean, held: (rule: string) => boolean): DirtyRules {
    const all = last || moment.at >= this.#askAll;
    const changed = this.#kept;
    this.#kept = [];
    for (const machine of all ? machines : this.#touched) {
      if (held(machine.name) || !machine.unsaved(moment.at, last)) continue;
      changed.push(machine.save(moment));
      machine.saved(moment.at);
    }
    if (all) this.#askAll = moment.at + ASK_ALL_EVERY;
    this.#touched.clear();
    if (changed.length === 0 && this.#removed.size === 0) return CLEAN;
    const removed = [...this.#removed];
    this.#removed.clear();
    return { changed, removed };
  }
}
