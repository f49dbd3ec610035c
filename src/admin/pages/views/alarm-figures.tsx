/** How the alarms do, by ISA-18.2 and IEC 62682. */
import type { JSX } from 'preact';
import type { LiveFigures } from '../../live/live-types.ts';
import { useShell } from '../parts/shell.ts';

export function AlarmFigures({ figures }: { figures: LiveFigures | undefined }): JSX.Element | null {
  const { words } = useShell();
  if (figures === undefined) return null;
  const { annunciated, perHour, perDay, flood, chattering, standing, worst } = figures;
  // An alarm may stand of which no figure is left: the count began anew while it was active.
  if (annunciated === 0 && flood === undefined && chattering.length === 0 && standing.length === 0) return null;
  return (
    <section class="card figures">
      <h2>{words.t('alarms.figures')}</h2>
      <ul>
        <li>{words.t('alarms.rate', { hour: words.number(perHour), day: words.number(perDay) })}</li>
        {flood !== undefined && <li class="bad">{words.t('alarms.flood', { n: words.number(flood) })}</li>}
        {chattering.length > 0 && <li>{words.t('alarms.chattering', { rules: chattering.join(', ') })}</li>}
        {standing.length > 0 && <li>{words.t('alarms.standing', { rules: standing.join(', ') })}</li>}
        {worst.length > 0 && (
          <li>
            {words.t('alarms.worst')} <bdi>{worst.map(({ rule, count }) => `${rule} (${words.number(count)})`).join(', ')}</bdi>
          </li>
        )}
      </ul>
    </section>
  );
}
