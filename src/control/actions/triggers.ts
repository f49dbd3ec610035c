/** What a transition of an alarm means for the actions of its rule. Pure; the memory survives a restart, so nothing happens twice. */
import type { Trigger } from '../../config/actions.ts';
import type { AlarmState, AlarmTransition } from '../../core/alarm.ts';

/** What of an alarm has been acted on. */
export interface Seen {
  readonly state: AlarmState;
  /** The newest activation whose beginning was acted on. */
  readonly acted: number;
  /** That activation is not over; its condition is not over. */
  readonly open: boolean;
  readonly holding: boolean;
}

export const UNSEEN: Seen = { state: 'normal', acted: 0, open: false, holding: false };

const ACTIVE: readonly AlarmState[] = ['active-unacknowledged', 'active-acknowledged'];
/** The condition is over. */
const OVER: readonly AlarmState[] = ['normal', 'returned-unacknowledged', 'latched'];
/** States in which an alarm waits for a person. */
const WAITS: readonly AlarmState[] = ['active-unacknowledged', 'returned-unacknowledged'];

export const isActive = (state: AlarmState): boolean => ACTIVE.includes(state);
export const waitsForPerson = (state: AlarmState): boolean => WAITS.includes(state);

export interface Step {
  readonly seen: Seen;
  readonly triggers: readonly Trigger[];
}

export function stepOf(before: Seen, t: Pick<AlarmTransition, 'state' | 'occurrence' | 'cause' | 'firstOut'>): Step {
  const triggers: Trigger[] = [];
  let { acted, open, holding } = before;
  const active = isActive(t.state);
  if (active && t.occurrence > acted) {
    triggers.push('active');
    if (t.firstOut === true) triggers.push('firstOut');
    acted = t.occurrence;
    open = true;
    holding = true;
  }
  const over = OVER.includes(t.state);
  if (holding && over) {
    triggers.push('returned');
    holding = false;
  }
  const cameBack = before.state === 'returned-unacknowledged' && (t.state === 'normal' || t.state === 'latched');
  const byPerson = t.state === 'active-acknowledged' || (cameBack && t.cause === 'operator');
  if (open && byPerson && before.state !== 'active-acknowledged') triggers.push('acknowledged');
  if (t.state === 'shelved' && before.state !== 'shelved') triggers.push('shelved');
  if (open && t.state === 'normal') {
    triggers.push('normal');
    open = false;
  }
  return { seen: { state: t.state, acted, open, holding }, triggers };
}
