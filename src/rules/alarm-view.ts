import type { AlarmState, AlarmTransition } from '../core/alarm.ts';
import type { PointType, Value } from '../core/point.ts';

/** An alarm that is not normal, for pages and commands. */
export interface AlarmView {
  readonly rule: string;
  /** `device.point` */
  readonly point: string;
  readonly state: AlarmState;
  readonly severity: AlarmTransition['severity'];
  /** UTC milliseconds as known now. */
  readonly since: number;
  readonly occurrence: number;
  /** The last value of the point that the rule has seen. */
  readonly value?: Value | undefined;
  /** The type of the point, as soon as a shape has said it. */
  readonly type: PointType | undefined;
  /** The words with which the alarm began, or those of its shelving. */
  readonly message: string;
  /** UTC milliseconds at which the shelving ends. */
  readonly shelvedUntil?: number | undefined;
  /** It was the first of its group. */
  readonly firstOut?: true | undefined;
}
