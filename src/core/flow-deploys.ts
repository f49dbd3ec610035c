/** Who changes flows. The front of the editor says it, and the revisions of flows record it. */
import type { Principal } from './commands.ts';

/** `flows`: nodes, wires or tabs. `state`: flows are stopped or started. */
export type FlowChange = 'flows' | 'state';

export interface FlowDeploys {
  /**
   * Somebody changes flows. It is called before the request goes to Node-RED. Never throws.
   * @returns to call where nothing came of it: Node-RED refused the request
   */
  deploying(by: Principal, what: FlowChange): () => void;
}
