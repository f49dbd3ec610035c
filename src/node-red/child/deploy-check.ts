/**
 * Refuses flows that Node-RED takes and can never start, before it saves them: with a group or subflow inside of itself it crashes or hangs,
 * also after each restart. The editor draws none, but an import into the editor or a program may bring them. Refuses what the next start
 * would not read, too: single tabs, one after the other, come to more than one deploy takes.
 */
import { deeperThan, nestingFault, nodesIn } from '../revisions/nesting.ts';
import type { RedFlowsApi, RedFlowUtil, RedRuntimeFlows } from './node-red-types.ts';
import { DEEPEST, MOST_ON_DISK } from './start-check.ts';

/** The code of such a refusal. */
export const NESTED = 'nested';

/** To be called when the flows of the last run are loaded: these are there already. */
export function checkDeploys(api: RedFlowsApi, util: RedFlowUtil, flows: Pick<RedRuntimeFlows, 'getFlows'>): void {
  const { setFlows, setState } = api;
  // Before Node-RED ends its safe mode for them.
  api.setFlows = async (asked) => {
    refuseHanging(asked.flows?.flows);
    return setFlows(asked);
  };
  // The editor can start flows that the start held back.
  api.setState = async (asked) => {
    if (asked.state === 'start') refuseHanging(flows.getFlows()?.flows);
    return setState(asked);
  };
  // Single tabs, and flows that are read again from the disk.
  const { parseConfig } = util;
  util.parseConfig = (config) => {
    refuseHanging(config);
    return parseConfig(config);
  };
}

/** @throws what the editor shows */
function refuseHanging(flows: unknown): void {
  const fault = fileFault(flows) ?? nestingFault(nodesIn(flows));
  if (fault !== undefined)
    throw Object.assign(new Error(`these flows would never start: ${fault}`), { code: NESTED, status: 400 });
}

/** Why the next start would move the file of these flows away. */
function fileFault(flows: unknown): string | undefined {
  if (deeperThan(flows, DEEPEST)) return `they have more than ${DEEPEST} lists and objects inside each other`;
  const bytes = flows === undefined ? 0 : Buffer.byteLength(JSON.stringify(flows));
  return bytes > MOST_ON_DISK ? `they have ${bytes} bytes, and at most ${MOST_ON_DISK} are read` : undefined;
}
