/** What rules have done, in words: for `sluice status`. An older gateway reports nothing of it. */
import type { ActionStatus, GatewayStatus } from '../admin/target.ts';
import { localTime } from './local-time.ts';
import { count } from './status-words.ts';
import { clean } from './terminal/clean.ts';

type Actions = GatewayStatus['actions'];

/** Actions that the page names; the others are counted. */
const MOST_NAMED = 5;
const RESULTS: Readonly<Record<NonNullable<ActionStatus['last']>['result'], string>> = {
  ...{ done: 'done', failed: 'failed', superseded: 'replaced by a newer one', dropped: 'left out, since too many waited' },
};

/** Those that failed when they were to be done last: what, and why. */
export function failingActions(actions: Actions, now: number): { readonly head: string; readonly text?: string | undefined }[] {
  if (actions === undefined || actions.failing === 0) return [];
  const failing = actions.list.slice(0, Math.min(MOST_NAMED, actions.failing));
  const named = failing.map(({ rule, action, last, error }) => ({
    head: `the action "${clean(action)}" of the rule ${rule} ${last === null ? '' : `${RESULTS[last.result]} at ${localTime(last.time, now)}`}`,
    text: error === null ? undefined : error.message,
  }));
  const more = actions.failing - failing.length;
  return more > 0 ? [...named, { head: `${count(more, 'further action')} of rules failed; see \`sluice status -v\`` }] : named;
}

export function actionLines(actions: Actions): string[] {
  if (actions === undefined) return [];
  const sum = (key: 'done' | 'failed' | 'dropped' | 'waiting'): number => actions.kinds.reduce((all, kind) => all + kind[key], 0);
  const left = sum('dropped') > 0 ? `, ${sum('dropped')} left out` : '';
  const waiting = sum('waiting') > 0 ? `, ${sum('waiting')} waiting` : '';
  return [`actions  ${sum('done')} done, ${sum('failed')} failed${left} since the start${waiting}`];
}

/** With every figure. */
export function actionDetails(actions: Actions, now: number): string[] {
  if (actions === undefined) return [];
  const lines = actions.list.map(({ rule, action, started, done, failed, superseded, dropped, last, error }) => {
    const more = [
      ...(superseded > 0 ? [`${superseded} replaced`] : []),
      ...(dropped > 0 ? [`${dropped} left out`] : []),
      ...(last === null ? [] : [`the last ${RESULTS[last.result]} at ${localTime(last.time, now)}`]),
      ...(error === null ? [] : [`last error at ${localTime(error.time, now)}: ${clean(error.message)}`]),
    ];
    return `action   ${rule}: ${clean(action)}: ${count(started, 'try', 'tries')}, ${done} done, ${failed} failed${more.map((one) => `, ${one}`).join('')}`;
  });
  const hidden = actions.of - actions.list.length;
  return hidden > 0 ? [...lines, `         ${count(hidden, 'further action')} of rules`] : lines;
}
