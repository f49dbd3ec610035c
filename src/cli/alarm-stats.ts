/** How the alarms of a gateway do, in words: for `sluice alarm stats` and `sluice status`. */
import { request } from '../admin/client.ts';
import type { GatewayStatus } from '../admin/target.ts';
import { localDate } from './local-time.ts';
import { paint, type RunningOptions, socketOf } from './running.ts';
import { rough } from './status-details.ts';

type Figures = GatewayStatus['alarmFigures'];

export async function alarmStats(options: RunningOptions): Promise<void> {
  const { alarmFigures } = (await request(socketOf(options), 'GET', '/api/v1/status')) as GatewayStatus;
  process.stdout.write(options.json ? `${JSON.stringify(alarmFigures)}\n` : statsText(alarmFigures));
}

export function statsText(figures: Figures): string {
  const { since, annunciated, perHour, perDay, flood, chattering, standing, worst } = figures;
  const floods =
    flood.floods === 0 ? 'none' : `${flood.floods}, ${rough(flood.time)} in all; ${flood.alarms} alarms in the last one`;
  return [
    `alarms      ${annunciated} since ${localDate(since)}`,
    `average     ${tenth(perHour)} an hour (24 hours), ${tenth(perDay)} a day (30 days)`,
    `floods      ${flood.active ? paint(31, `one continues, ${flood.alarms} alarms so far`) : floods}`,
    `chattering  ${chattering.now === 0 ? 'none' : names(chattering)}${chattering.episodes === 0 ? '' : ` (${chattering.episodes} times so far)`}`,
    `standing    ${standing.now === 0 ? 'none is active for more than 24 hours' : names(standing)}`,
    ...worst.map(
      ({ rule, count, share }, i) =>
        `${(i === 0 ? 'worst' : '').padEnd(12)}${rule}: ${count} in 30 days (${Math.round(share * 100)} %)`,
    ),
    '',
  ].join('\n');
}

/** What a person should know at once; nothing otherwise. */
export function figureLines({ flood, chattering, standing }: Figures): string[] {
  return [
    ...(flood.active ? [paint(31, `  alarm flood: ${flood.alarms} alarms so far; see \`sluice alarm stats\``)] : []),
    ...(chattering.now > 0 ? [`  chattering: ${names(chattering)}; a deadband or a delay calms an alarm`] : []),
    ...(standing.now > 0 ? [`  active for more than 24 hours: ${names(standing)}`] : []),
  ];
}

function names({ now, rules }: { readonly now: number; readonly rules: readonly string[] }): string {
  const more = now - rules.length;
  return `${rules.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function tenth(n: number): string {
  return String(Math.round(n * 10) / 10);
}
