/** The words of alarms: states (ISA-18.2), severities and transitions. */
import type { PointType, Value } from './point.ts';

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
  readonly message: string;
  /** Of a rule that is only observed: no alarm, and no reason for an action. */
  readonly observed?: true | undefined;
}
/** ISA-18.2 states. */
export const ALARM_STATES = [
  'normal',
  'active-unacknowledged',
  'active-acknowledged',
  'returned-unacknowledged',
  'shelved',
  'out-of-service',
] as const;
export type AlarmState = (typeof ALARM_STATES)[number];
export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];
