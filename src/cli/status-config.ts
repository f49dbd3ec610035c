/** The part of the status page about a configuration file that is broken. */
import type { GatewayStatus } from '../admin/target.ts';
import { localDate } from './local-time.ts';
import { clean } from './terminal/clean.ts';

export function configWrong({ configuration }: GatewayStatus): { head: string; text: string; colour: 31 }[] {
  if (configuration === undefined) return [];
  const { file, faults, kept } = configuration;
  const text = `The gateway runs with the last good configuration, kept ${localDate(kept)}. Correct the file, then run "sluice check" and "sluice reload". ${faults.map(clean).join('; ')}`;
  return [{ head: `the configuration ${clean(file)} is broken`, text, colour: 31 }];
}
