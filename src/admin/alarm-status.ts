import { plainValue } from '../core/point.ts';
import type { AlarmView } from '../rules/alarm-view.ts';
import type { RuleEngine } from '../rules/engine.ts';
import type { Moment } from '../rules/rule-state.ts';
import type { JsonValue } from './live/live-types.ts';
import type { GatewayStatus } from './target.ts';

/** The alarms that are not normal, and what rules on trial would have done. */
export function alarmStatus(
  rules: Pick<RuleEngine, 'alarms' | 'observations'>,
  moment: Moment,
): Pick<GatewayStatus, 'alarms' | 'observed'> {
  const observed = rules.observations(moment).map(plain);
  return { alarms: rules.alarms(moment).map(plain), ...(observed.length > 0 && { observed }) };
}

function plain<Alarm extends AlarmView>({ type, value, ...alarm }: Alarm) {
  const said: JsonValue | undefined = value === undefined ? undefined : plainValue(value, type);
  return { ...alarm, value: said };
}
