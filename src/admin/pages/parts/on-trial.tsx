/** The banner of every view while a configuration from upstream is on trial. */
import type { JSX } from 'preact';
import { shortTime } from '../words/times.ts';
import { useShell } from './shell.ts';

export function OnTrial(): JSX.Element | null {
  const { words, model, now } = useShell();
  const { trial, sender } = model.state?.inForce ?? {};
  if (trial === undefined) return null;
  return (
    <section class="card trial" role="status">
      <p class="wait">{words.t('trial.title', { version: trial.version, time: shortTime(words, trial.until, now) })}</p>
      <p>{words.t('trial.what', { forwarder: sender?.forwarder ?? '' })}</p>
    </section>
  );
}
