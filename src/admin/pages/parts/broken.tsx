/** The banner of every view while the gateway runs with its last good configuration. */
import type { JSX } from 'preact';
import { dateTime } from '../words/times.ts';
import { useShell } from './shell.ts';
import { Told } from './small.tsx';

export function Broken(): JSX.Element | null {
  const { words, model } = useShell();
  const broken = model.state?.configuration;
  if (broken === undefined || broken === null) return null;
  return (
    <section class="card broken" role="alert">
      <p class="fault">{words.t('broken.title')}</p>
      <p>{words.t('broken.what', { time: dateTime(words, broken.kept) })}</p>
      <ul>
        {broken.faults.map((fault) => (
          <li key={fault}>
            <Told>{fault}</Told>
          </li>
        ))}
      </ul>
    </section>
  );
}
