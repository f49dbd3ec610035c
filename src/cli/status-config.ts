/** Parts of the status page about a configuration file that is broken, and about a disk that others fill. */
import type { GatewayStatus } from '../admin/target.ts';
import { formatSize } from '../core/units.ts';
import { localDate } from './local-time.ts';
import { clean } from './terminal/clean.ts';

/** The share of its room from which on a log counts as full. */
const FULL = 0.9;

/** Others fill the disk: the log gives up its oldest readings, so that the disk never becomes full. */
export function spaceWrong({ log }: GatewayStatus): { head: string; text: string; colour: 33 }[] {
  // A log that has not reached its room takes nothing away.
  if (log.room === undefined || log.bytes < log.room * FULL) return [];
  const text = `The log may take ${formatSize(log.room)} of ${formatSize(log.maxBytes)}, so that buffer.minFree stays free: it thins and drops its oldest readings. Remove files of other programs, or take a larger disk.`;
  return [{ head: 'others fill the disk', text, colour: 33 }];
}

/** Where the configuration in force came from, where upstream has a part in it. */
export function configLines({ inForce }: GatewayStatus): string[] {
  const { origin, version, trial, last } = inForce;
  if (trial !== undefined)
    return [`The configuration is version ${trial.version} from upstream, on trial until ${localDate(trial.until)}.`];
  const about = last === undefined || last.outcome === 'confirmed' ? '' : ` ${clean(last.message)}`;
  if (origin === 'upstream') return [`The configuration is version ${version} from upstream.${about}`];
  return last === undefined ? [] : [`The configuration is the file on the board.${about}`];
}

export function upstreamWrong({ inForce: { fault } }: GatewayStatus): { head: string; text: string; colour: 33 }[] {
  return fault === undefined ? [] : [{ head: 'no configuration from upstream is taken', text: fault, colour: 33 }];
}

export function configWrong({ configuration }: GatewayStatus): { head: string; text: string; colour: 31 }[] {
  if (configuration === undefined) return [];
  const { file, faults, kept } = configuration;
  const text = `The gateway runs with the last good configuration, kept ${localDate(kept)}. Correct the file, then run "sluice check" and "sluice reload". ${faults.map(clean).join('; ')}`;
  return [{ head: `the configuration ${clean(file)} is broken`, text, colour: 31 }];
}
