import type { AlarmTransition } from '../core/alarm.ts';
import { plainValue } from '../core/point.ts';
import type { GatewayEvent } from '../core/ports.ts';

/** What a rule that is only observed would have reported as an alarm. */
export function observationEvent({
  rule,
  occurrence,
  state,
  severity,
  point,
  value,
  type,
  message,
}: AlarmTransition): GatewayEvent {
  const plain = value === undefined ? null : plainValue(value, type);
  return {
    event: 'observation',
    severity: 'info',
    message: `${rule} is only observed: ${message}`,
    data: { rule, point, state, occurrence, severity, value: plain },
  };
}
