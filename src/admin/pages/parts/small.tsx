/** Small parts that many views use. Names of the field stand in `bdi`: they may be of any script and hold any sign. */
import type { ComponentChildren, JSX } from 'preact';
import type { LiveReading } from '../../live/live-types.ts';
import { age, dateTime } from '../words/times.ts';
import { qualityOf, qualityWords, unitText, valueText } from '../words/values.ts';
import { useShell } from './shell.ts';

export type Mood = 'good' | 'warn' | 'bad' | 'quiet';

/** A state in words, with a sign before it: colour alone says nothing. */
export function Badge({ mood, children }: { mood: Mood; children: ComponentChildren }): JSX.Element {
  return <span class={`badge ${mood}`}>{children}</span>;
}

export function Name({ children }: { children: string }): JSX.Element {
  return <bdi class="name">{children}</bdi>;
}

/** Words that come from the gateway itself: they are English in every language of the page. */
export function Told({ children }: { children: string }): JSX.Element {
  return (
    <bdi class="told" lang="en">
      {children}
    </bdi>
  );
}

export function Age({ time }: { time: number }): JSX.Element {
  const { words, now } = useShell();
  return (
    <time dateTime={isoTime(time)} title={dateTime(words, time)}>
      {age(words, time, now)}
    </time>
  );
}

const isoTime = (time: number): string => (Math.abs(time) < 8.64e15 ? new Date(time).toISOString() : '');

/** The value of a reading with its unit and its quality. */
export function Value({
  reading,
  unit,
  type,
}: {
  reading: LiveReading | undefined;
  unit?: string | undefined;
  type?: string | undefined;
}): JSX.Element {
  const { words } = useShell();
  if (reading === undefined) return <span class="quiet">{words.t('value.none')}</span>;
  const quality = qualityOf(reading);
  const [, value] = reading;
  return (
    <span class={`value ${quality}`}>
      {quality !== 'bad' && (
        <span class="number">
          <bdi>{valueText(words, value, type)}</bdi>
          {typeof value !== 'boolean' && unitText(unit) !== '' && <span class="unit">{`\u202f${unitText(unit)}`}</span>}
        </span>
      )}
      {/* A space for those who hear it. */ ' '}
      <span class="quality">{quality === 'good' ? words.t('value.good') : qualityWords(words, reading)}</span>
    </span>
  );
}

export function Row({ name, children }: { name: string; children: ComponentChildren }): JSX.Element {
  return (
    <div class="row">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
