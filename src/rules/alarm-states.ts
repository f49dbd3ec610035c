/**
 * The states of an alarm and what leads from one to the next, as one table (ISA-18.2 and IEC 62682, alarm state transition diagram).
 * An alarm that must be acknowledged stays until a person acknowledges it, also when its condition is over; any other ends with its condition.
 */
import type { AlarmState } from '../core/alarm.ts';

/** `activate`, `return`: the condition holds, or is over, its delays included. `expire`: the end of the shelving has come. */
export type AlarmEvent = 'activate' | 'return' | 'acknowledge' | 'shelve' | 'unshelve' | 'expire';

/** The conditions that decide where an arrow leads. */
export interface AlarmSituation {
  /** The condition holds now, whatever the state says. */
  readonly holds: boolean;
  readonly mustAcknowledge: boolean;
}
type Target = AlarmState | ((situation: AlarmSituation) => AlarmState);

const back: Target = ({ holds }) => (holds ? 'active-unacknowledged' : 'normal');

/** An event that is missing changes nothing. */
export const ALARM_TABLE: Readonly<Record<AlarmState, Readonly<Partial<Record<AlarmEvent, Target>>>>> = {
  normal: { activate: 'active-unacknowledged', shelve: 'shelved' },
  'active-unacknowledged': {
    return: ({ mustAcknowledge }) => (mustAcknowledge ? 'returned-unacknowledged' : 'normal'),
    acknowledge: 'active-acknowledged',
    shelve: 'shelved',
  },
  'active-acknowledged': { return: 'normal', shelve: 'shelved' },
  'returned-unacknowledged': { activate: 'active-unacknowledged', acknowledge: 'normal', shelve: 'shelved' },
  shelved: { shelve: 'shelved', unshelve: back, expire: back },
  // The rules issue puts alarms out of service; nothing leads there yet.
  'out-of-service': {},
};

/** The state after an event; the same state where the table has no arrow. */
export function nextState(state: AlarmState, event: AlarmEvent, situation: AlarmSituation): AlarmState {
  const target = ALARM_TABLE[state][event];
  if (target === undefined) return state;
  return typeof target === 'function' ? target(situation) : target;
}
