/** How the gateway and the process of Node-RED pass flows to each other, and the bounds of it. */
import { MOST_FLOWS } from '../core/flow-revisions.ts';

/** On the socket of the editor. Node-RED has nothing there. */
export const FLOW_PATH = '/-/flows';
export const FLOW_KEY_HEADER = 'x-sluice-flow-key';
/** Bytes of the first line. A hundred tabs with long labels take a third of it. */
export const LONGEST_HEAD = 64 * 1024;
/** Bytes of the passwords of nodes, encrypted. */
export const MOST_CREDENTIALS = 500_000;
export const MOST_FLOWS_BODY = LONGEST_HEAD + MOST_CREDENTIALS + MOST_FLOWS + 2;
