/** Reports by events that the gateway runs with its last good configuration, and that the file is in order again. */
import { type BrokenConfig, bareBrokenWords, brokenWords } from '../core/broken-config.ts';
import type { GatewayEvent } from '../core/ports.ts';

export function brokenEvent(broken: BrokenConfig): GatewayEvent {
  const { file, faults, kept } = broken;
  return {
    ...{ event: 'config', severity: 'warning', message: brokenWords(broken) },
    bare: bareBrokenWords(broken),
    data: { file, faults: faults.length, kept, inForce: 'last-good' },
  };
}

export function correctedEvent({ file }: BrokenConfig): GatewayEvent {
  return {
    ...{ event: 'config', severity: 'info', message: `The configuration ${file} is in order again and in force.` },
    data: { file, faults: 0, inForce: 'file' },
  };
}
