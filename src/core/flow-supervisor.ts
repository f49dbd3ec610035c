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
  /** Since the daemon started: times that it was started again after it ended by itself; ends of the last hour. */
  readonly restarts: number;
  readonly crashes: number;
  /** How long the last message took through it, ms. */
  readonly checkTime?: number | undefined;
  /** Lines of its log: those that were passed on, and those that were left out because there were too many. */
  readonly lines: { readonly passed: number; readonly suppressed: number };
}

/** Nothing here throws, and nothing waits for it: acquisition, rules and delivery never depend on flows. */
export interface FlowSupervisor {
  status(): FlowStatus;
}
