/** What a commit under way carries, for the log to take up again when it has ended. */
import type { Party } from '../delivery/hand-over.ts';
import type { ClockList } from './layout.ts';

export interface Carried {
  readonly upTo: number;
  readonly segment: number;
  readonly leaseEnd: number;
  readonly clock: readonly ClockList[];
  readonly alarms: ReadonlyMap<string, unknown>;
  readonly newInventory: { revision: number; body: string } | undefined;
  /** Those whose state it carries. */
  readonly parties: readonly Party[];
}
