/** What rules have done since the start: what failed comes first. */
import type { JSX } from 'preact';
import type { LiveAction, LiveActions } from '../../live/live-types.ts';
import { useShell } from '../parts/shell.ts';
import { More, useSlice } from '../parts/slice.tsx';
import { Badge, type Mood, Name, Told } from '../parts/small.tsx';
import { shortTime } from '../words/times.ts';

const SLICE = 8;
type Result = NonNullable<LiveAction['last']>['result'];
const MOODS: Readonly<Record<Result, Mood>> = { done: 'good', failed: 'bad', superseded: 'quiet', dropped: 'bad' };

export function Actions({ actions }: { actions: LiveActions | null | undefined }): JSX.Element | null {
  const { words } = useShell();
  const slice = useSlice(actions?.list ?? [], SLICE);
  if (actions === undefined || actions === null) return null;
  const { done, failed, waiting } = actions;
  const sum = { done: words.number(done), failed: words.number(failed), waiting: words.number(waiting) };
  return (
    <section class="card acts">
      <h2>{words.t('actions.title')}</h2>
      <p class="quiet">{words.t('actions.sum', sum)}</p>
      <ul>
        {slice.shown.map((action) => (
          <OneAction key={`${action.rule} ${action.kind} ${action.target}`} action={action} />
        ))}
      </ul>
      <More slice={slice} size={SLICE} words="alarms.more" />
    </section>
  );
}

function OneAction({ action }: { action: LiveAction }): JSX.Element {
  const { words, now } = useShell();
  const { rule, kind, target, done, failed, last, error } = action;
  return (
    <li>
      <h3>
        {words.t(`actions.kind.${kind}`)} <Name>{target}</Name>
      </h3>
      <p class="signs">
        {last === null ? (
          <Badge mood="quiet">{words.t('actions.running')}</Badge>
        ) : (
          <>
            <Badge mood={MOODS[last.result]}>{words.t(`actions.result.${last.result}`)}</Badge>
            <span>{shortTime(words, last.time, now)}</span>
          </>
        )}
        <span>{words.t('actions.counts', { done: words.number(done), failed: words.number(failed) })}</span>
      </p>
      <p class="quiet">
        {words.t('actions.rule')} <Name>{rule}</Name>
      </p>
      {error !== undefined && (
        <p class="message">
          {words.t('actions.error')} <Told>{error}</Told>
        </p>
      )}
    </li>
  );
}
