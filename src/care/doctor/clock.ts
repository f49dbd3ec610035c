/** Whether the clock of the system can be believed, and who keeps it right. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { BELIEVED_UNTIL, BUILT } from '../../core/version.ts';
import { systemProbes } from '../../time/probes.ts';
import { type ClockProbes, timeService } from '../../time/services.ts';
import { type Finding, fault, ok, type Roots, unknown, warning } from './finding.ts';

export async function checkClock(now: number, roots: Roots, probes: ClockProbes = systemProbes): Promise<Finding[]> {
  const date = new Date(now).toISOString().slice(0, 16).replace('T', ' ');
  const remedy = 'Set it: date -s "2026-12-31 12:00". Let a time service keep it: timedatectl set-ntp true.';
  if (now < BUILT || now > BELIEVED_UNTIL)
    return [fault('clock', 'clock-wrong', `The clock says ${date} UTC, which cannot be.`, remedy)];
  const { name, synchronised, why } = await timeService(probes);
  const service =
    name === undefined
      ? warning(
          'clock',
          'no-time-service',
          `No time service runs; the clock says ${date} UTC.`,
          'timedatectl set-ntp true, or install chrony. Without a network: gateway.clock.gps.',
        )
      : synchronised
        ? ok('clock', 'clock', `${name} keeps the clock right: ${date} UTC.`)
        : warning(
            'clock',
            'not-synchronised',
            `${name} has not set the clock yet${why === undefined ? '' : `: ${why}`}.`,
            'Look at the network, and whether a firewall lets UDP port 123 out.',
          );
  return [service, ...rtc(roots)];
}

function rtc(roots: Roots): Finding[] {
  let clocks: string[] = [];
  try {
    clocks = readdirSync(path.join(roots.sys, 'class', 'rtc'));
  } catch {
    // None, or the system does not say.
  }
  return [
    clocks.length > 0
      ? ok('clock', 'rtc', 'The board has a clock that runs without power.')
      : unknown(
          'clock',
          'no-rtc',
          'The board shows no clock with a battery. After a power cut the time is known when a time service answers.',
        ),
  ];
}
