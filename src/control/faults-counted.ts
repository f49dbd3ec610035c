/** A configuration that was refused, for whom the names of points are not meant: its faults suggest some, without their device. */
import { SluiceError } from '../core/errors.ts';

/** @returns undefined where the words have no list of faults */
export function faultsCounted(thrown: unknown): string | undefined {
  if (!(thrown instanceof SluiceError) || thrown.code !== 'config-invalid') return undefined;
  const { faults } = thrown.data;
  if (typeof faults !== 'number') return undefined;
  return `the configuration was refused, with ${faults === 1 ? 'one fault' : `${faults} faults`}; "sluice check" on the board lists them`;
}
