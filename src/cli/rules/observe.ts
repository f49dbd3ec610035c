/** `sluice rules observe`: what the rules on trial of a running gateway would have done. */
import { request } from '../../admin/client.ts';
import type { GatewayStatus, ObservationStatus } from '../../admin/target.ts';
import { STATE_WORDS } from '../alarm.ts';
import { localDate } from '../local-time.ts';
import { paint, type RunningOptions, socketOf } from '../running.ts';
import { clean } from '../terminal/clean.ts';
import { lengthWords } from './timeline.ts';

export async function rulesObserve(options: RunningOptions): Promise<void> {
  const { observed = [] } = (await request(socketOf(options), 'GET', '/api/v1/status')) as GatewayStatus;
  process.stdout.write(options.json ? `${JSON.stringify(observed)}\n` : `${observedText(observed)}\n`);
}

export function observedText(observed: readonly ObservationStatus[]): string {
  if (observed.length === 0) return 'no rule is only observed; write observe: true at a rule to try it';
  return observed.map(lines).join('\n');
}

function lines({ rule, severity, state, since, observedSince, count, longest, message }: ObservationStatus): string {
  const often =
    count === 0 ? 'no alarm would have begun' : count === 1 ? '1 alarm would have begun' : `${count} alarms would have begun`;
  const head = `${rule} (${severity}): ${often}${count === 0 ? '' : `, the longest ${lengthWords(longest)}`}, since ${localDate(observedSince)}`;
  if (state === 'normal') return head;
  return `${paint(33, head)}\n    now ${STATE_WORDS[state]}, since ${localDate(since)}: ${clean(message)}`;
}
