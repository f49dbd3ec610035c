/** Routes of the flows of Node-RED: their revisions, and flows that come with the gateway. */
import * as z from 'zod';
import { FLOWS_BODY } from '../limits.ts';
import { JSON_TYPE, sendText } from '../respond.ts';
import { asking, keys, text, whole, wholeText } from './fields.ts';
import { jsonRoute, type Route, writingRoute } from './route.ts';

const LAST = 999_999_999_999;
const MODE_WORDS = '"add" or "replace"';
const FLOWS_WORDS = 'an export of Node-RED: a list of nodes, or an object with it';

const revision = () => whole('the number of a revision: ', 1, LAST);
/** Who looked at an older list changes nothing. */
const newest = { newest: revision().optional() };

export const FLOWS: readonly Route[] = [
  jsonRoute({
    ...{ method: 'GET', path: '/api/v1/flows', needs: 'flows', answer: 'Flows' },
    packs: true,
    says: 'The state of Node-RED and the revisions of its flows, the newest first: who deployed, when, and what changed.',
    run: (_, { target }) => target.flows.list(),
  }),
  writingRoute({
    ...{
      method: 'GET',
      path: '/api/v1/flows/export',
      needs: 'flows',
      answers: { types: [JSON_TYPE], schema: 'FlowNodes' },
      query: keys({ revision: wholeText(1, LAST).optional() }),
    },
    says: 'The flows of a revision, or those of now, as Node-RED imports them. The passwords of nodes are not in it.',
    example: { revision: 12 },
    run: async ({ revision }, { target, res }) => sendText(res, 200, JSON_TYPE, `${await target.flows.export(revision)}\n`),
  }),
  jsonRoute({
    ...{ method: 'GET', path: '/api/v1/flows/examples', needs: 'flows', answer: 'FlowExamples' },
    packs: true,
    says: 'The flows that come with the gateway, each with its page.',
    run: async (_, { target }) => ({ examples: await target.flows.examples() }),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/flows/undo', commands: 'flows', answer: 'FlowsChanged', body: keys(newest) },
    says: 'Puts the flows back to the revision before the newest. An undo after an undo goes back further. With `newest` it is a conflict (409) when another revision is the newest by now.',
    example: { newest: 12 },
    run: (asked, { target, by }) => target.changeFlows({ act: 'undo', ...asked }, by),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/flows/restore', commands: 'flows', answer: 'FlowsChanged' },
    says: 'Puts the flows back to a revision, with the passwords of its nodes.',
    example: { revision: 9 },
    body: keys({ revision: revision(), ...newest }),
    run: (asked, { target, by }) => target.changeFlows({ act: 'restore', ...asked }, by),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/flows/import', commands: 'flows', answer: 'FlowsChanged', longest: FLOWS_BODY },
    says: 'Imports flows. `add` puts them beside what is there, with fresh ids. `replace` puts them in place of all flows. Types of nodes that Node-RED lacks are named, and nothing changes.',
    example: { mode: 'add', flows: [{ id: 't1', type: 'tab', label: 'Mine' }] },
    body: keys({
      flows: z.union([z.array(z.unknown()), z.looseObject({})], { error: FLOWS_WORDS }).describe(FLOWS_WORDS),
      mode: z.enum(['add', 'replace'], { error: MODE_WORDS }).describe(MODE_WORDS).default('add'),
      ...newest,
    }),
    run: (asked, { target, by }) => target.changeFlows({ act: 'import', ...asked }, by),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/flows/load', commands: 'flows', answer: 'FlowsChanged' },
    says: 'Adds a flow that comes with the gateway, as tabs of its own. Flows that are there stay as they are.',
    example: { name: 'sms-gateway' },
    body: keys({ name: text('the name of a shipped flow'), ...newest }),
    run: (asked, { target, by }) => target.changeFlows({ act: 'load', ...asked }, by),
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/flows/restart', commands: 'restart-flows', answer: 'FlowsRestarted', body: keys(asking) },
    says: 'Ends Node-RED and starts it again with the same flows. The answer comes when the next process passes messages, after 145 seconds at most. The status is 503 while it starts or ends already, while it gets other flows, and where it is switched off. The status is 502 when it was ended and did not start again.',
    example: {},
    run: (asked, { target, by }) => target.restartFlows(by, asked),
  }),
];
