/** Points that nobody may write while the condition of a rule holds: also while its alarm is shelved, since shelving hides an alarm and heals nothing. */
import type { ResolvedRule } from '../../config/kinds.ts';
import type { AlarmState } from '../../core/alarm.ts';
import type { Principal } from '../../core/commands.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Handlers } from '../commands.ts';

export interface InterlockSide {
  readonly rules: () => ReadonlyMap<string, ResolvedRule>;
  readonly look: (rule: string) => LockLook | undefined;
}

/** The alarm of a rule, as a lock sees it. */
interface LockLook {
  readonly state: AlarmState;
  /** The condition of the rule holds now. */
  readonly holds: boolean;
  /** The rule latches, and nobody has reset its alarm: also while that is shelved, or waits for its acknowledgement. */
  readonly owesReset: boolean;
  readonly message: string;
}

/** What a person does first, where the cause is gone and the alarm was not reset. */
const FIRST: Readonly<Partial<Record<AlarmState, string>>> = {
  shelved: 'end its shelving and reset it first',
  suppressed: 'reset it when nothing suppresses it',
  'returned-unacknowledged': 'acknowledge it and reset it first',
};

export class Interlocks {
  readonly #side: InterlockSide;
  #of: ReadonlyMap<string, ResolvedRule> | undefined;
  #byPoint = new Map<string, string[]>();

  constructor(side: InterlockSide) {
    this.#side = side;
  }

  /** @throws SluiceError write-refused */
  assertFree(point: string, by: Principal): void {
    for (const rule of this.#locking(point)) {
      const now = this.#side.look(rule);
      // A trip stays one until a person resets it. A rule out of service says nothing.
      const locked = now !== undefined && now.state !== 'out-of-service' && (now.holds || now.owesReset);
      if (!locked || (by.door === 'rule' && by.who === ruleName(rule))) continue;
      const why = now.holds
        ? `while its alarm is active (${now.message}); write it when the cause is gone`
        : `until its alarm is reset (${now.message}); ${FIRST[now.state] ?? 'reset the alarm first'}`;
      throw new SluiceError('write-refused', `${point} is locked by the rule ${rule} ${why}`, {
        data: { sent: false, interlock: rule },
      });
    }
  }

  #locking(point: string): readonly string[] {
    const rules = this.#side.rules();
    if (rules !== this.#of) {
      this.#of = rules;
      this.#byPoint = new Map();
      for (const { name, interlock = [], observe } of rules.values())
        for (const locked of observe === true ? [] : interlock)
          this.#byPoint.set(locked, [...(this.#byPoint.get(locked) ?? []), name]);
    }
    return this.#byPoint.get(point) ?? [];
  }
}

/** The principal of what a rule does. */
export const ruleName = (rule: string): string => `rule ${rule}`;
export const rulePrincipal = (rule: string): Principal => ({ who: ruleName(rule), door: 'rule', role: 'operator' });

/** The commands to the field, with the interlocks in front: when a command comes, and again when its turn comes. */
export function interlocked<H extends Required<Pick<Handlers, 'write'>>>(handlers: H, interlocks: Interlocks): H {
  return {
    ...handlers,
    async write(command, by, options = {}) {
      interlocks.assertFree(command.point, by);
      const begin = (): void => {
        interlocks.assertFree(command.point, by);
        options.begin?.();
      };
      return handlers.write(command, by, { ...options, begin });
    },
  };
}
