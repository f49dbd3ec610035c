/** The port over which the gateway runs Node-RED, whatever it runs as. */

/**
 * - `stopped`: nobody wants it, or something is missing (`reason`).
 * - `starting`: earlier processes are proven ended, then the process starts and loads its nodes.
 * - `running`: it passes messages. `safe-mode`: the same, with the flows stopped.
 * - `unhealthy`: a message did not come back in time; it is ended when that goes on.
 * - `stopping`: it was asked to end, and the process group is killed when it does not.
 * - `backing-off`: it ended by itself and starts again later.
 */
export const FLOW_STATES = ['stopped', 'starting', 'running', 'unhealthy', 'backing-off', 'safe-mode', 'stopping'] as const;
export type FlowState = (typeof FLOW_STATES)[number];

/** The socket for flows. Counts are since the daemon started. */
export interface FlowDoorStatus {
  readonly open: boolean;
  /** Why it cannot be made, in words. */
  readonly fault?: string | undefined;
  /** Clients with the token, and their subscriptions. */
  readonly connections: number;
  readonly subscriptions: number;
  /** Lines of clients, and those that were none. */
  readonly lines: number;
  readonly faults: number;
  /** Wrong tokens, and connections that were closed because there were too many. */
  readonly refusedHellos: number;
  readonly refusedConnections: number;
  /** Readings and transitions of alarms that clients were given; readings that were dropped because a client took too few. */
  readonly readings: number;
  readonly alarms: number;
  readonly dropped: number;
  /** A flow takes fewer than come, in words; absent while nothing was dropped for a minute. */
  readonly slow?: string | undefined;
  readonly calls: number;
  /** Calls that act, done and refused. */
  readonly commands: number;
  readonly refusedCommands: number;
  /** Readings of flows: taken, refused, and left out because there were too many. */
  readonly puts: number;
  readonly refusedPuts: number;
  readonly leftOutPuts: number;
}

/** In the state directory: space that is allocated for the log, and given free when flows filled the disk. */
export const SPARE_FILE = 'node-red.spare';
/** Beside it: empty files, whose entries the log may need. */
export const SPARE_FOLDER = 'node-red.spare-files';

/** What flows take of the disk. Bytes. */
export interface FlowDisk {
  /** The folder of Node-RED, as it was measured last; absent: not yet. At least so much where it is above `most`. */
  readonly used?: number | undefined;
  /** What it may take: `nodeRed.disk`, and at most a quarter of the file system. */
  readonly most: number;
  /** Free where the state directory lies; absent: not known. */
  readonly free?: number | undefined;
  /** Kept for the log in node-red.spare; 0 while it was needed, and where the file system cannot allocate it. */
  readonly spare: number;
  /** Why flows are stopped for the disk, in words; absent while there is room. */
  readonly full?: string | undefined;
}

/** Times are monotonic milliseconds. */
export interface FlowStatus {
  readonly state: FlowState;
  readonly since: number;
  /** Words for people: why it is in this state, where that is not plain. */
  readonly reason?: string | undefined;
  /** Why no flow runs although Node-RED does, in words; absent while nothing is missing. */
  readonly fault?: string | undefined;
  /** When it starts again, while it backs off. */
  readonly nextStart?: number | undefined;
  /** `service`: the unit of systemd. `user`: a child under a user of its own. `same-user`: a child under the user of the gateway. */
  readonly runsAs: 'service' | 'user' | 'same-user';
  readonly version?: string | undefined;
  readonly pid?: number | undefined;
  /** Bytes; as it reported last. `proportional` is PSS: pages that it shares count by share. */
  readonly memory?: { readonly resident: number; readonly proportional?: number | undefined } | undefined;
  /** Why the flows do not run; absent while they may. */
  readonly safeMode?: string | undefined;
  /** Absent while Node-RED is switched off. */
  readonly disk?: FlowDisk | undefined;
  /** Since the daemon started: times that it was started again after it ended by itself; ends of the last hour. */
  readonly restarts: number;
  readonly crashes: number;
  /** How long the last message took through it, ms. */
  readonly checkTime?: number | undefined;
  /** Absent where there is none. */
  readonly door?: FlowDoorStatus | undefined;
  /** Lines of its log: those that were passed on, and those that were left out because there were too many. */
  readonly lines: { readonly passed: number; readonly suppressed: number };
}

/** A restart that somebody asked for: what the next process does. */
export interface FlowsRestarted {
  /** `safe-mode`: it is up, and its flows are still stopped. */
  readonly state: Extract<FlowState, 'running' | 'safe-mode'>;
}

/** Where HTTP-in nodes answer inside Node-RED; the front gives them an origin of their own, without it. */
export const NODE_ROOT = '/http-in';

/** Nothing here throws, and nothing waits for it: acquisition, rules and delivery never depend on flows. */
export interface FlowSupervisor {
  status(): FlowStatus;
  /** The Unix socket of the editor and of HTTP-in nodes, while it can be reached. */
  readonly editor: string | undefined;
}
