/** Rules on trial: what they would have done. They raise no alarm, so there is nothing to acknowledge. */
import type { JSX } from 'preact';
import type { ObservedStatus } from '../../live/live-types.ts';
import { hrefOfPoint } from '../gateway/route.ts';
import { useShell } from '../parts/shell.ts';
import { More, useSlice } from '../parts/slice.tsx';
import { Badge, Name } from '../parts/small.tsx';
import { shortTime } from '../words/times.ts';

const SLICE = 20;

export function Observed({ rules }: { rules: readonly ObservedStatus[] }): JSX.Element | null {
  const { words } = useShell();
  const slice = useSlice(rules, SLICE);
  if (rules.length === 0) return null;
  return (
    <>
      <h2>{words.t('observed.title')}</h2>
      <p class="quiet">{words.t('observed.what')}</p>
      <ul class="alarms">
        {slice.shown.map((rule) => (
          <OneRule key={rule.rule} observed={rule} />
        ))}
      </ul>
      <More slice={slice} size={SLICE} words="alarms.more" />
    </>
  );
}

function OneRule({ observed }: { observed: ObservedStatus }): JSX.Element {
  const { words, now } = useShell();
  const [device = '', point = ''] = observed.point.split('.');
  return (
    <li class="card alarm quiet">
      <h3>
        <Name>{observed.rule}</Name>
      </h3>
      <p class="signs">
        <Badge mood="quiet">{words.t('observed.badge')}</Badge>
        <span>{words.count('observed.count', observed.count, { time: shortTime(words, observed.observedSince, now) })}</span>
      </p>
      {observed.state !== 'normal' && (
        <p class="message">
          {words.t('observed.now', { time: shortTime(words, observed.since, now) })} <bdi>{words.message(observed)}</bdi>
        </p>
      )}
      <p class="quiet">
        <a href={hrefOfPoint(device, point)}>
          <Name>{observed.point}</Name>
        </a>
      </p>
    </li>
  );
}
