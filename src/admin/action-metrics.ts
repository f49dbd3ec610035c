/** What rules have done since the start (src/control/actions/tally.ts). */
import { RESULTS } from '../control/actions/tally.ts';
import { flag, type Metric, type Sample } from './metric.ts';
import type { ActionStatus, ActionsReport } from './target.ts';

function kinds(name: string, type: 'gauge' | 'counter', help: string, key: 'started' | 'waiting'): Metric {
  const samples = ({ actions }: { actions?: ActionsReport | undefined }): Sample[] =>
    (actions?.kinds ?? []).map((one) => [{ kind: one.kind }, one[key]]);
  return { name, type, labels: ['kind'], help, read: samples };
}
const labelsOf = ({ rule, action, place = '' }: ActionStatus) => ({ rule, action, place });

export const ACTION_METRICS: readonly Metric[] = [
  kinds('sluice_action_tries', 'counter', 'Tries of actions that began since the start.', 'started'),
  {
    ...{ name: 'sluice_actions', type: 'counter', labels: ['kind', 'result'] },
    help: 'Actions that ended since the start: done, failed, superseded by a newer one, dropped since too many waited. An output fails at each try, another action after its last one.',
    read: ({ actions }) =>
      (actions?.kinds ?? []).flatMap((one) => RESULTS.map((result): Sample => [{ kind: one.kind, result }, one[result]])),
  },
  kinds('sluice_actions_waiting', 'gauge', 'Actions that wait or run.', 'waiting'),
  {
    ...{ name: 'sluice_rule_actions', type: 'counter', labels: ['rule', 'action', 'place', 'result'] },
    help: 'The same for each action of a rule, for a hundred of them at most.',
    read: ({ actions }) =>
      (actions?.list ?? []).flatMap((one) => RESULTS.map((result): Sample => [{ ...labelsOf(one), result }, one[result]])),
  },
  {
    ...{ name: 'sluice_rule_action_failing', type: 'gauge', labels: ['rule', 'action', 'place'] },
    help: '1 where the action failed or was left out when it ended last.',
    read: ({ actions }) =>
      (actions?.list ?? []).map(
        ({ last, ...one }): Sample => [
          labelsOf({ last, ...one }),
          last === null ? undefined : flag(last.result === 'failed' || last.result === 'dropped'),
        ],
      ),
  },
  {
    ...{ name: 'sluice_rule_action_last_seconds', type: 'gauge', unit: 'seconds', labels: ['rule', 'action', 'place'] },
    help: 'How long ago the action ended last.',
    read: ({ actions, gateway }) =>
      (actions?.list ?? []).map(
        (one): Sample => [labelsOf(one), one.last === null ? undefined : (gateway.time - one.last.time) / 1000],
      ),
  },
];
