/** The request of an opening, and its findings. */
import type { Machine } from '../../core/clock.ts';
import type { Shape } from '../../core/point.ts';
import type { NoticeMessage } from '../../core/ports.ts';
import type { BootInfo, ForwarderState, LogHead } from '../files/layout.ts';
import type { Repair } from '../files/repair-report.ts';
import type { SalvageTask } from '../files/sources.ts';
import type { SavedStates } from './saved-states.ts';

export interface OpenRequest {
  readonly file: string;
  /** Memory-backed folder with the tail of an earlier run; undefined when there is none. */
  readonly runtimeDir: string | undefined;
  readonly maxSize: number;
  readonly maxAge: number;
  /** How many sequence numbers to reserve ahead. */
  readonly lease: number;
  readonly machine?: Machine | undefined;
  /** A damaged file is read for so long for what is small in it, milliseconds; absent: SALVAGE_BOUNDS. */
  readonly smallWithin?: number | undefined;
  /** Tries before this one, which the disk did not let through; and whether none follows. */
  readonly tries: number;
  readonly last: boolean;
}

export interface Opened {
  /** Every log that still holds something, oldest first; the last one is written to. */
  readonly logs: readonly LogHead[];
  readonly boot: number;
  /** The newest boots, oldest first, with their clock mappings; the last one is this boot. */
  readonly boots: readonly BootInfo[];
  /** First number of this boot. */
  readonly next: number;
  readonly leaseEnd: number;
  readonly shapes: readonly (readonly [id: number, shape: Shape])[];
  readonly forwarders: readonly ForwarderState[];
  /** States of rules, by name, and of counters, by `device.point`; and how many are too large to be taken up. */
  readonly savedStates: SavedStates;
  readonly statesLeft: number;
  /** The newest transition of each rule that the log still holds: retained topics are rebuilt from them. */
  readonly lastAlarms: readonly NoticeMessage[];
  readonly inventory: { readonly revision: number; readonly body: string } | undefined;
  readonly recovered: { readonly records: number; readonly notices: number };
  /** Files that were found damaged or missing at the start, and the records that came back. */
  readonly repairs: readonly Repair[];
  /** The rest of a damaged log.db comes back while this run goes on; names of the logs that ended with it. */
  readonly salvage: { readonly task: SalvageTask; readonly ended: readonly string[] } | undefined;
  /** Path that log.db was moved to at this start. */
  readonly quarantined: string | undefined;
  readonly bytes: number;
}
