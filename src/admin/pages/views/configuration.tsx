/** Which configuration is in force, who sent it, and what became of the last one from upstream. */
import type { JSX } from 'preact';
import { useShell } from '../parts/shell.ts';
import { Badge, type Mood, Name, Row, Told } from '../parts/small.tsx';
import { dateTime, shortTime } from '../words/times.ts';

type InForce = NonNullable<NonNullable<ReturnType<typeof useShell>['model']['state']>['inForce']>;

const MOODS: Readonly<Record<NonNullable<InForce['last']>['outcome'], Mood>> = {
  confirmed: 'good',
  'rolled-back': 'warn',
  replaced: 'quiet',
};

export function Configuration(): JSX.Element | null {
  const { words, model, now } = useShell();
  const inForce = model.state?.inForce;
  if (inForce === undefined) return null;
  const { origin, version = 0, sender, trial, last, fault } = inForce;
  return (
    <section class="card configuration">
      <h2>{words.t('configuration.title')}</h2>
      {trial !== undefined && (
        <Badge mood="warn">{words.t('configuration.trial', { time: shortTime(words, trial.until, now) })}</Badge>
      )}
      {fault !== undefined && (
        <p class="fault">
          <Told>{fault}</Told>
        </p>
      )}
      <dl>
        <Row name={words.t('configuration.inForce')}>{words.t(`configuration.origin.${origin}`, { version })}</Row>
        {sender !== undefined && (
          <>
            <Row name={words.t('configuration.forwarder')}>
              <Name>{sender.forwarder}</Name>
            </Row>
            <Row name={words.t('configuration.key')}>
              <Name>{sender.key}</Name>
            </Row>
            <Row name={words.t('configuration.came')}>{dateTime(words, sender.time)}</Row>
          </>
        )}
      </dl>
      {last !== undefined && (last.outcome !== 'confirmed' || last.version !== inForce.version) && <Last last={last} />}
    </section>
  );
}

function Last({ last }: { last: NonNullable<InForce['last']> }): JSX.Element {
  const { words } = useShell();
  return (
    <dl class="last">
      <Row name={words.t('configuration.last')}>{words.t('configuration.version', { version: last.version })}</Row>
      <Row name={words.t('configuration.outcome')}>
        <Badge mood={MOODS[last.outcome]}>{words.t(`configuration.outcome.${last.outcome}`)}</Badge>
      </Row>
      <Row name={words.t('configuration.decided')}>{dateTime(words, last.time)}</Row>
      <Row name={words.t('configuration.forwarder')}>
        <Name>{last.forwarder}</Name>
      </Row>
      {last.key !== undefined && (
        <Row name={words.t('configuration.key')}>
          <Name>{last.key}</Name>
        </Row>
      )}
      <Row name={words.t('configuration.why')}>
        <Told>{last.message}</Told>
      </Row>
    </dl>
  );
}
