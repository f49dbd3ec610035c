/** `sluice alarm`: the alarms of a running gateway, and what an operator does with them. */
import { request } from '../admin/client.ts';
import type { AlarmStatus } from '../admin/live/live-types.ts';
import type { AlarmReply, GatewayStatus } from '../admin/target.ts';
import type { AlarmState } from '../core/alarm.ts';
import { SluiceError } from '../core/errors.ts';
import { parseDuration } from '../core/units.ts';
import { localDate } from './local-time.ts';
import { paint, type RunningOptions, socketOf } from './running.ts';
import { clean } from './terminal/clean.ts';

export const STATE_WORDS: Readonly<Record<AlarmState, string>> = {
  normal: 'normal',
  'active-unacknowledged': 'ALARM, not acknowledged',
  'active-acknowledged': 'ALARM, acknowledged',
  'returned-unacknowledged': 'over, not acknowledged',
  latched: 'over, to be reset',
  shelved: 'shelved',
  suppressed: 'suppressed by design',
  'out-of-service': 'out of service',
};

export async function alarmList(options: RunningOptions): Promise<void> {
  const { alarms } = (await request(socketOf(options), 'GET', '/api/v1/status')) as GatewayStatus;
  if (options.json) process.stdout.write(`${JSON.stringify(alarms)}\n`);
  else process.stdout.write(alarms.length === 0 ? 'no alarms\n' : `${alarms.map(alarmLine).join('\n')}\n`);
}

/** `fridge-warm (critical): ALARM, not acknowledged, since 31 Jan 2026 14:00:00 UTC+06:00` and the message below it. */
export function alarmLine(alarm: AlarmStatus): string {
  const colour = alarm.state.startsWith('active') ? 31 : 33;
  const since = `since ${localDate(alarm.since)}`;
  const until = alarm.shelvedUntil === undefined ? '' : `, until ${localDate(alarm.shelvedUntil)}`;
  const first = alarm.firstOut === true ? ', first-out' : '';
  const head = `${alarm.rule} (${alarm.severity}${first}): ${STATE_WORDS[alarm.state]}, ${since}${until}`;
  return `${paint(colour, head)}\n    ${clean(alarm.message)}`;
}

export async function alarmAcknowledge(rule: string, options: RunningOptions & { occurrence?: number }): Promise<void> {
  const { occurrence } = options;
  const body = occurrence === undefined ? { rule } : { rule, occurrence };
  show((await request(socketOf(options), 'POST', '/api/v1/acknowledge', body)) as AlarmReply, options);
}

export async function alarmShelve(rule: string, options: RunningOptions & { for: string; reason?: string }): Promise<void> {
  const length = lengthOf(options.for);
  const reason = reasonOf(options.reason, 'door open for defrosting', '; or leave out --reason');
  const body = reason === undefined ? { rule, for: length } : { rule, for: length, reason };
  show((await request(socketOf(options), 'POST', '/api/v1/shelve', body)) as AlarmReply, options);
}

export async function alarmUnshelve(rule: string, options: RunningOptions): Promise<void> {
  show((await request(socketOf(options), 'POST', '/api/v1/shelve', { rule, for: null })) as AlarmReply, options);
}

export async function alarmReset(rule: string, options: RunningOptions & { occurrence?: number }): Promise<void> {
  const { occurrence } = options;
  const body = occurrence === undefined ? { rule } : { rule, occurrence };
  show((await request(socketOf(options), 'POST', '/api/v1/reset', body)) as AlarmReply, options);
}

export async function alarmOutOfService(rule: string, options: RunningOptions & { reason: string; for?: string }): Promise<void> {
  const reason = reasonOf(options.reason, 'new sensor', '');
  const body = { rule, reason, ...(options.for !== undefined && { for: lengthOf(options.for) }) };
  show((await request(socketOf(options), 'POST', '/api/v1/out-of-service', body)) as AlarmReply, options);
}

export async function alarmInService(rule: string, options: RunningOptions): Promise<void> {
  show((await request(socketOf(options), 'POST', '/api/v1/in-service', { rule })) as AlarmReply, options);
}

/** @throws SluiceError usage */
function lengthOf(written: string): number {
  const length = parseDuration(written);
  if (length === undefined) throw new SluiceError('usage', `${written} is not a duration; write for example 30m or 8h`);
  return length;
}

/** @throws SluiceError usage: it has no words, as where a variable of a script is empty */
function reasonOf(written: string | undefined, example: string, otherwise: string): string | undefined {
  if (written?.trim() === '')
    throw new SluiceError('usage', `--reason is empty: write why, for example --reason "${example}"${otherwise}`);
  return written;
}

function show(reply: AlarmReply, { json }: RunningOptions): void {
  const until = reply.until === undefined ? '' : ` until ${localDate(reply.until)}`;
  process.stdout.write(json ? `${JSON.stringify(reply)}\n` : `${reply.rule}: ${STATE_WORDS[reply.state]}${until}\n`);
}
