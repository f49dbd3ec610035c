/**
 * The states of an alarm and what leads from one to the next, as one table (ISA-18.2 and IEC 62682, alarm state transition diagram).
 * Three ways keep an alarm from people: an operator takes it out of service, an operator shelves it, or another rule suppresses it by
 * design. The first of them that applies is the state. An alarm that nobody has seen, or that was tripped and waits for its reset,
 * survives its condition.
 */
import type { AlarmState } from '../core/alarm.ts';

/** Every event, for tests that go through the table. */
export const ALARM_EVENTS = [
  /** The condition holds, or is over, its delays included. */
  'activate',
  'return',
  'acknowledge',
  'reset',
  'shelve',
  'unshelve',
  /** The end of the shelving has come. */
  'expire',
  /** A suppressing rule became active; none is active any more. */
  'suppress',
  'unsuppress',
  /** Out of service, and back. */
  'remove',
  'restore',
] as const;
export type AlarmEvent = (typeof ALARM_EVENTS)[number];

/** The conditions that decide where an arrow leads. */
export interface AlarmSituation {
  /** The condition holds now, whatever the state says. */
  readonly holds: boolean;
  /** The alarm must be acknowledged, and nobody has done so since it began. */
  readonly owesAcknowledgement: boolean;
  /** The alarm latches, and nobody has reset it since it began. */
  readonly owesReset: boolean;
  /** A rule that suppresses this one is active. */
  readonly suppressed: boolean;
}
type Target = AlarmState | ((situation: AlarmSituation) => AlarmState);

/** The condition holds. */
const begins = ({ suppressed }: AlarmSituation): AlarmState => (suppressed ? 'suppressed' : 'active-unacknowledged');
/** The condition is over. */
const ends = ({ owesAcknowledgement, owesReset }: AlarmSituation): AlarmState =>
  owesAcknowledgement ? 'returned-unacknowledged' : owesReset ? 'latched' : 'normal';
/** Nothing keeps the alarm from people any longer. */
const back: Target = (situation) => (situation.holds ? begins(situation) : ends(situation));
const away = { shelve: 'shelved', remove: 'out-of-service' } as const;

/** An event that is missing changes nothing. */
export const ALARM_TABLE: Readonly<Record<AlarmState, Readonly<Partial<Record<AlarmEvent, Target>>>>> = {
  normal: { activate: begins, ...away },
  'active-unacknowledged': { return: ends, acknowledge: 'active-acknowledged', suppress: 'suppressed', ...away },
  'active-acknowledged': { return: ends, suppress: 'suppressed', ...away },
  'returned-unacknowledged': { activate: begins, acknowledge: ends, ...away },
  latched: { activate: begins, reset: 'normal', ...away },
  shelved: { shelve: 'shelved', unshelve: back, expire: back, remove: 'out-of-service' },
  suppressed: { return: ends, unsuppress: 'active-unacknowledged', ...away },
  'out-of-service': { restore: back, expire: back },
};

/** The state after an event; the same state where the table has no arrow. */
export function nextState(state: AlarmState, event: AlarmEvent, situation: AlarmSituation): AlarmState {
  const target = ALARM_TABLE[state][event];
  if (target === undefined) return state;
  return typeof target === 'function' ? target(situation) : target;
}
