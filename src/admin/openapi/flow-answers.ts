/** The schemas of the answers about flows of Node-RED. */
import * as z from 'zod';
import {
  type FlowExample,
  type FlowsList,
  type FlowsResult,
  REVISION_ORIGINS,
  type Revision,
  type RevisionChanges,
  type RevisionTab,
} from '../../core/flow-revisions.ts';
import { FLOW_STATES, type FlowsRestarted } from '../../core/flow-supervisor.ts';
import type { Answers } from './answer-types.ts';
import { count, flag, list, moment, shape, text, word } from './parts.ts';

const labels = (is: string) => list(z.string(), is);

const revision = shape<Revision>({
  number: count('its number; none is used twice'),
  time: moment('when it was kept'),
  estimated: z.literal(true).describe('the gateway did not know the time').optional(),
  who: text('who deployed; `unknown` where no request of a person was seen'),
  door: text('the way by which the request came').optional(),
  origin: word(REVISION_ORIGINS, 'how the flows came; `found`: Node-RED started with them'),
  of: text('`undo` and `restore`: the revision whose flows these are; `example`: its name').optional(),
  hash: text('the first 16 digits of the SHA-256 of its content'),
  bytes: count('bytes of the flows as JSON'),
  stored: count('bytes of its file'),
  tabs: list(shape<RevisionTab>({ label: text('the label of the tab'), nodes: count('nodes on it') }), 'the first 100 tabs'),
  moreTabs: count('further tabs'),
  nodes: count('nodes, with tabs, subflows and configuration nodes'),
  ranWell: flag('whether it is the last one with which Node-RED ran for ten minutes without a fault'),
  changes: shape<RevisionChanges>({
    added: labels('labels of tabs that came'),
    removed: labels('labels of tabs that went'),
    changed: labels('labels of tabs that changed'),
    other: flag('whether configuration nodes, subflows or further tabs changed'),
    passwords: flag('whether passwords of nodes changed'),
  })
    .describe('against the revision before; absent for the oldest')
    .optional(),
});

type FlowAnswers = Pick<Answers, 'Flows' | 'FlowNodes' | 'FlowExamples' | 'FlowsChanged' | 'FlowsRestarted'>;

export const FLOW_ANSWERS: { readonly [K in keyof FlowAnswers]: z.ZodType<FlowAnswers[K]> } = {
  Flows: shape<FlowsList>({
    state: word([...FLOW_STATES, 'off'] as const, 'the state of Node-RED; `off`: it is not configured'),
    faults: list(z.string(), 'why it does not run, or why the newest flows have no revision; in words'),
    current: count('the revision that Node-RED has now').nullable(),
    revisions: list(revision, 'the newest first'),
    held: count('deploys that waited for their revision because too many came, since the start'),
    damaged: count('revisions that were damaged, since the start'),
  }),
  FlowNodes: list(z.looseObject({}), 'the nodes, as Node-RED exports them'),
  FlowExamples: shape<Answers['FlowExamples']>({
    examples: list(
      shape<FlowExample>({
        name: text('its name'),
        title: text('what it does'),
        text: text('its page, Markdown'),
        nodes: count('its nodes'),
      }),
      'the shipped flows, by name',
    ),
  }),
  FlowsChanged: shape<FlowsResult>({
    revision: count('the new revision; null where it could not be kept').nullable(),
    flows: word(['started', 'stopped'], 'whether flows run now'),
    passwords: word(
      ['restored', 'kept', 'lost'],
      'the passwords of nodes; `lost`: of another secret, and the editor asks for them',
    ),
    added: labels('labels of the tabs that came'),
  }),
  FlowsRestarted: shape<FlowsRestarted>({
    state: word(['running', 'safe-mode'], 'what the next process does; `safe-mode`: its flows are still stopped'),
  }),
};
