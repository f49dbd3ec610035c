/** Whether a command may still begin. */
import { SluiceError } from '../../core/errors.ts';

export interface TimeSide {
  /** UTC ms as the gateway knows it. */
  readonly now: () => number;
  readonly clockKnown: () => boolean;
}

/** @param expires UTC ms; undefined: never. @throws SluiceError expired, clock-unknown */
export function inTime(expires: number | undefined, { now, clockKnown }: TimeSide): void {
  if (expires === undefined) return;
  if (!clockKnown())
    throw new SluiceError(
      'clock-unknown',
      'the gateway does not know the time, so it cannot tell whether the command expired; nothing was done',
    );
  if (expires <= now()) throw new SluiceError('expired', 'the command came too late, or waited too long; nothing was done');
}
