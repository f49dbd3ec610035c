/** What the gateway tells pages that stay open. */
import { plainValue } from '../../core/point.ts';
import type { Inventory, LatestValue } from '../../core/ports.ts';
import { reasonName } from '../../core/reasons.ts';
import type { LiveBeat, LiveReading, LiveState } from './live-types.ts';

export interface LiveSource {
  /** `b17`. Numbers of samples count from 1 in each start of the daemon. */
  boot(): string;
  /** Another object after every change. */
  inventory(): Inventory;
  /** The number of the newest sample. */
  newest(): number;
  /** Readings that samples with a higher number brought. */
  changed(after: number): Iterable<LatestValue>;
  state(): LiveState;
  /** Changes of the time in this start. Readings of before have another time after each. */
  steps(): number;
  /** UTC ms as known now; monotonic ms. */
  time(): Pick<LiveBeat, 'time' | 'up'>;
}

export function liveReading({ time, value, type, reason }: LatestValue): LiveReading {
  const plain = value === null ? null : plainValue(value, type as Parameters<typeof plainValue>[1]);
  return reason === 0 ? [time, plain] : [time, plain, reasonName(reason)];
}
