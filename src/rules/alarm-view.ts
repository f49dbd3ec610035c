import type { ResolvedRule } from '../config/kinds.ts';
import type { AlarmState, AlarmTransition } from '../core/alarm.ts';
import type { Messages } from '../core/languages.ts';
import type { PointType, Value } from '../core/point.ts';
import { otherWords, wordsIn } from '../core/sentence.ts';
import type { AlarmLife } from './alarm-life.ts';
import type { Moment } from './rule-state.ts';
import { pointOf } from './words.ts';

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
  /** The words with which the alarm began, or those of its shelving, in the language of the gateway. */
  readonly message: string;
  /** The same in the other languages, where they differ. */
  readonly messages?: Messages | undefined;
  /** UTC milliseconds at which the shelving, or the time out of service, ends. */
  readonly shelvedUntil?: number | undefined;
  /** It was the first of its group. */
  readonly firstOut?: true | undefined;
}

/** An alarm whatever its state, for what acts on it. */
export interface AlarmSight extends AlarmView {
  /** The condition holds, whatever the state says. */
  readonly holds: boolean;
  /** It latches and was not reset since it began. */
  readonly owesReset: boolean;
}

export function viewOf(
  rule: ResolvedRule,
  life: AlarmLife,
  { at, wall }: Moment,
  value: Value | undefined,
  type: PointType | undefined,
): AlarmView {
  const { language = 'en' } = rule;
  const message = wordsIn(life.message, language);
  const messages = otherWords(life.message, message);
  return {
    ...{ rule: rule.name, point: pointOf(rule), state: life.state, severity: rule.severity },
    ...{ since: wall - (at - life.since), occurrence: life.occurrence, value, type, message },
    ...(messages !== undefined && { messages }),
    ...(life.firstOut && { firstOut: true }),
    ...(life.shelvedUntil !== Number.POSITIVE_INFINITY && { shelvedUntil: wall + life.shelvedUntil - at }),
  };
}
