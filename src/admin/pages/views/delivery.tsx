/** Forwarders: what waits, since when, and why. */
import type { JSX } from 'preact';
import type { LiveForwarder } from '../../live/live-types.ts';
import { useShell } from '../parts/shell.ts';
import { Age, Badge, type Mood, Name, Row, Told } from '../parts/small.tsx';
import { useAsked } from '../parts/use-asked.ts';
import { shortTime } from '../words/times.ts';

interface Waiting {
  readonly forwarders: readonly { readonly name: string; readonly readings: number; readonly exact: boolean }[];
}

const MOODS: Readonly<Record<LiveForwarder['state'], Mood>> = {
  connected: 'good',
  connecting: 'warn',
  waiting: 'bad',
  stopped: 'bad',
};
/** Counting what waits on the disk is a question to the log. */
const ASK_EVERY = 30_000;

export function Delivery(): JSX.Element {
  const { words, model } = useShell();
  const waiting = useAsked<Waiting>('/api/v1/waiting', ASK_EVERY);
  const forwarders = model.state?.forwarders ?? [];
  return (
    <>
      <h1 tabIndex={-1}>{words.t('delivery.title')}</h1>
      {forwarders.length === 0 && <p>{words.t('delivery.none')}</p>}
      <div class="cards">
        {forwarders.map((forwarder) => (
          <Forwarder
            key={forwarder.name}
            forwarder={forwarder}
            depth={waiting.answer?.forwarders.find(({ name }) => name === forwarder.name)}
          />
        ))}
      </div>
    </>
  );
}

interface ForwarderProps {
  readonly forwarder: LiveForwarder;
  readonly depth: Waiting['forwarders'][number] | undefined;
}

function Forwarder({ forwarder, depth }: ForwarderProps): JSX.Element {
  const { words, now } = useShell();
  const { name, state, mode, fault, nextTry, oldestUnsent, lastAck, url, type } = forwarder;
  const n = depth?.readings ?? forwarder.waiting;
  return (
    <section class="card">
      <h2>
        <Name>{name}</Name> <small>{type}</small>
      </h2>
      <div class="state">
        <Badge mood={MOODS[state]}>{words.t(`forwarder.${state}`)}</Badge>
        {state === 'connected' && <p>{words.t(`forwarder.${mode}`)}</p>}
        {nextTry !== null && <p>{words.t('forwarder.nextTry', { time: shortTime(words, nextTry, now) })}</p>}
        {fault !== undefined && (
          <p>
            <Told>{fault}</Told>
          </p>
        )}
      </div>
      <dl>
        <Row name={words.t('forwarder.depth')}>
          {depth?.exact === false ? words.t('forwarder.about', { n }) : words.number(n)}
        </Row>
        <Row name={words.t('forwarder.oldest')}>
          {oldestUnsent === null ? words.t('forwarder.nothing') : <Age time={oldestUnsent} />}
        </Row>
        <Row name={words.t('forwarder.lastAck')}>{lastAck === null ? words.t('forwarder.never') : <Age time={lastAck} />}</Row>
        <Row name={words.t('forwarder.address')}>
          <Name>{url}</Name>
        </Row>
      </dl>
    </section>
  );
}
