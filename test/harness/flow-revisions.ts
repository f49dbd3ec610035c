/** The revisions of the flows of a gateway with the real Node-RED, as its socket tells them. */
import { request } from '../../src/admin/client.ts';
import type { FlowsList, FlowsResult, Revision } from '../../src/core/flow-revisions.ts';
import type { FlowSite } from './node-red-site.ts';
import { DEADLINE_MS, waitFor } from './wait-for.ts';

export const listFlows = ({ gateway }: FlowSite): Promise<FlowsList> =>
  request(gateway.socket, 'GET', '/api/v1/flows', undefined, DEADLINE_MS) as Promise<FlowsList>;

export const changeFlows = ({ gateway }: FlowSite, what: string, body: object): Promise<FlowsResult> =>
  request(gateway.socket, 'POST', `/api/v1/flows/${what}`, body, DEADLINE_MS) as Promise<FlowsResult>;

export const revision = (site: FlowSite, number: number): Promise<Revision> =>
  waitFor(`revision ${number}`, async () => (await listFlows(site)).revisions.find((one) => one.number === number));

/** Starts the gateway. Its empty flows are revision 1 then; a deploy before that look would itself be the first that is seen. */
export async function upWithFlows(site: FlowSite): Promise<void> {
  await site.gateway.up();
  await site.until('running');
  await revision(site, 1);
}
