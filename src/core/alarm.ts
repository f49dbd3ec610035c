/** The words of alarms: states (ISA-18.2), severities and transitions. */

import type { PointType, Value } from './point.ts';
import type { Sentence } from './sentence.ts';

/** A transition of an alarm, as `…/alarm/<rule>` carries it (seq and log are added by the log). */
export interface AlarmTransition {
  readonly rule: string;
  /** Counts the activations of this rule, from 1. */
  readonly occurrence: number;
  readonly state: AlarmState;
  readonly severity: Severity;
  /** `device.point` */
  readonly point: string;
  /** The reading that caused it; absent for a silent point. */
  readonly value?: Value | undefined;
  /** The type of the point, where there is a value. */
  readonly type?: PointType | undefined;
  /** Monotonic time of the cause: the reading's time, or when a delay ran out. */
  readonly at: number;
  /** In the language of the gateway. */
  readonly message: string;
  /** The same as data, for readers in other languages. */
  readonly said?: Sentence | undefined;
  /** The rule is only observed: this is no alarm, and no reason for an action. */
  readonly observed?: true | undefined;
  readonly cause: AlarmCause;
  /** It was the first of its group that began while all others were normal. */
  readonly firstOut?: true | undefined;
}
/**
 * What made a transition. `reading`: a value, at once. `delay`: time passed: an onDelay, an offDelay or a window ran out. `silence`: no value came. `operator`: a
 * person or a program by command. `expiry`: the end of a shelving or of a time out of service. `suppression`: a rule that suppresses this one began or ended.
 * `reload`: the rule was changed or removed. `restart`: a delay ran out while the gateway was off. `action`: the state is as before, and
 * the message says that an action of the rule failed.
 */
export const ALARM_CAUSES = [
  'reading',
  'delay',
  'silence',
  'operator',
  'expiry',
  'suppression',
  'reload',
  'restart',
  'action',
] as const;
export type AlarmCause = (typeof ALARM_CAUSES)[number];
/**
 * States of ISA-18.2 and IEC 62682. `latched`: the condition is over, and a person must reset the alarm. `suppressed`: by design, while
 * another rule is active.
 */
export const ALARM_STATES = [
  'normal',
  'active-unacknowledged',
  'active-acknowledged',
  'returned-unacknowledged',
  'latched',
  'shelved',
  'suppressed',
  'out-of-service',
] as const;
export type AlarmState = (typeof ALARM_STATES)[number];
export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];
