/** What the supervisor (supervisor.ts) needs of the gateway. */
import type { NodeRedConfig } from '../config/node-red.ts';
import type { Clock } from '../core/clock.ts';
import type { FlowState } from '../core/flow-supervisor.ts';
import type { Logger } from '../core/logger.ts';
import type { GatewayEvent } from '../core/ports.ts';
import type { FlowDoor } from './door/door.ts';
import type { FlowWay } from './way.ts';

export interface SupervisorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tell: (event: GatewayEvent) => void;
  readonly random: () => number;
  readonly way: (config: NodeRedConfig) => FlowWay;
  /** The secret that encrypts the credentials of flows; made with the first start. */
  readonly secret: () => Promise<string>;
  readonly title: () => string;
  /** The socket for flows; absent: there is none. */
  readonly door?: Pick<FlowDoor, 'open' | 'ended' | 'close' | 'status'> | undefined;
  /** Why the flows of an earlier daemon did not run. */
  readonly savedSafeMode: () => Promise<string | undefined>;
  readonly saveSafeMode: (why: string | undefined) => Promise<void>;
  /** The state directory, and what the log leaves free on its disk, bytes. Absent: the disk is not watched. */
  readonly disk?: { readonly stateDir: string; readonly minFree: () => number } | undefined;
  /** It has another state. Nothing in it throws or waits. */
  readonly changed?: ((state: FlowState) => void) | undefined;
  /** Watches the flows. Nothing in it throws or waits. */
  readonly watcher?: FlowWatcher;
}

export interface FlowWatcher {
  /** Its flows can be asked for, and may be other ones than before. */
  deployed(): void;
  /** It began without flows, since those on its disk could not be read. */
  lost(): void;
  /** A message passed through the runtime. */
  passed(): void;
  /** The process is gone. */
  ended(): void;
}
