/**
 * Refuses flows that Node-RED takes and can never start, before it saves them: with a group or subflow inside of itself it crashes or hangs,
 * also after each restart. The editor draws none, but an import into the editor or a program may bring them.
 */
import { nestingFault } from '../revisions/nesting.ts';
import type { RedFlowsApi, RedFlowUtil } from './node-red-types.ts';

/** To be called when the flows of the last run are loaded: these are there already. */
export function checkDeploys(api: RedFlowsApi, util: RedFlowUtil): void {
  const { setFlows } = api;
  // Before Node-RED ends its safe mode for them.
  api.setFlows = async (asked) => {
    refuseHanging(asked.flows?.flows);
    return setFlows(asked);
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
  if (!Array.isArray(flows)) return;
  const nodes = flows.filter((node): node is Record<string, unknown> => typeof node === 'object' && node !== null);
  const fault = nestingFault(nodes);
  if (fault !== undefined)
    throw Object.assign(new Error(`these flows would never start: ${fault}`), { code: 'nested', status: 400 });
}
