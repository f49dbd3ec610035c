/** What rules have done since the start, as the status has it. */
import type { ActionsStatus } from '../control/actions/actions.ts';
import { type ActionFigures, isFailing } from '../control/actions/tally.ts';
import type { GatewayStatus } from './target.ts';

/** Actions in the status and in the metrics. The sums have all. */
const MOST_SHOWN = 100;

/** @param utc of monotonic ms */
export function actionStatus(
  { kinds, actions, acting }: ActionsStatus,
  utc: (at: number) => number,
): Pick<GatewayStatus, 'actions'> {
  if (!acting && actions.length === 0) return {};
  return {
    actions: {
      kinds,
      of: actions.length,
      failing: actions.filter(isFailing).length,
      list: actions.slice(0, MOST_SHOWN).map((one) => plain(one, utc)),
    },
  };
}

function plain({ rule, action, last, error, ...more }: ActionFigures, utc: (at: number) => number) {
  const { place, started, done, failed, superseded, dropped } = more;
  return {
    ...{ rule, action, place, started, done, failed, superseded, dropped },
    last: last === undefined ? null : { result: last.result, time: utc(last.at) },
    error: error === undefined ? null : { message: error.message, time: utc(error.at) },
  };
}
