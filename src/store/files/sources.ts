/** Everything small that log.db must hold, as the writer or others know it: a file that is made anew begins with it. */
import type { NoticeMessage } from '../../core/ports.ts';
import type { ClockList, LanesRow } from './layout.ts';

interface BootColumns {
  readonly first: number;
  readonly machine: string;
  readonly origin: number;
  readonly at_last: number;
  readonly proven: number;
}

/** The knowledge that comes from outside the file. */
export interface Sources {
  readonly logs: readonly { readonly ordinal: number; readonly name: string; readonly lease: number }[];
  /** Without the rest where only the number is known. */
  readonly boots: readonly ({ readonly boot: number; readonly log: number } & Partial<BootColumns>)[];
  readonly shapes: readonly { readonly id: number; readonly body: string }[];
  readonly clock: readonly ClockList[];
  readonly lanes: readonly LanesRow[];
  readonly alarms: readonly (readonly [rule: string, json: string])[];
  readonly inventory: { readonly revision: number; readonly body: string } | undefined;
  /** Logs and boots whose lanes the runtime directory has, and up to where they were committed. */
  readonly tails: readonly { readonly log: string; readonly boot: number; readonly committed: number }[];
  /** The lanes are the true ones: the process that knows them lives. */
  readonly alive: boolean;
  /** For each log, the last number that lies in history.db. */
  readonly compacted: readonly (readonly [log: number, seq: number])[];
}

/** The task of a salvage that goes on beside a new file. A file of its own keeps it, so that it outlives a kill. */
export interface SalvageTask {
  readonly why: string;
  readonly sources: Sources;
  /** Logs up to this ordinal are not given out before it is over. */
  readonly upTo: number;
  /** Newest transitions of rules, whose notices are still to come. */
  readonly alarms: readonly NoticeMessage[];
}
