/** Alarms, with what the reader may do about them: a role that may not gets no button. */
import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import type { AlarmStatus } from '../../live/live-types.ts';
import { call } from '../gateway/calls.ts';
import { hrefOfPoint } from '../gateway/route.ts';
import { inOrder } from '../gateway/verdict.ts';
import { mayDo, refusalWords, useShell } from '../parts/shell.ts';
import { More, useSlice } from '../parts/slice.tsx';
import { Badge, type Mood, Name } from '../parts/small.tsx';
import { shortTime, span } from '../words/times.ts';
import { valueText } from '../words/values.ts';
import type { WordKey } from '../words/words.ts';
import { Actions } from './actions.tsx';
import { AlarmFigures } from './alarm-figures.tsx';
import { Observed } from './observed.tsx';

const SLICE = 20;
const MINUTE = 60_000;
/** The gateway takes up to seven days. */
const LENGTHS = [15 * MINUTE, 60 * MINUTE, 8 * 60 * MINUTE, 24 * 60 * MINUTE, 7 * 24 * 60 * MINUTE];
const MOODS: Readonly<Record<AlarmStatus['severity'], Mood>> = { critical: 'bad', warning: 'warn', info: 'quiet' };

export function Alarms(): JSX.Element {
  const { words, model, session } = useShell();
  const alarms = inOrder(model.state?.alarms ?? []);
  return (
    <>
      <h1 tabIndex={-1}>{words.t('alarms.title')}</h1>
      {alarms.length === 0 ? <p>{words.t('alarms.none')}</p> : <AlarmList alarms={alarms} most={SLICE} />}
      {alarms.length > 0 && !mayDo(session, 'acknowledge') && <p class="quiet">{words.t('alarms.viewer')}</p>}
      <Actions actions={model.state?.actions} />
      <AlarmFigures figures={model.state?.alarmFigures} />
      <Observed rules={model.state?.observed ?? []} />
    </>
  );
}

export function AlarmList({ alarms, most }: { alarms: readonly AlarmStatus[]; most: number }): JSX.Element {
  const slice = useSlice(alarms, most);
  return (
    <>
      <ul class="alarms">
        {slice.shown.map((alarm) => (
          <Alarm key={alarm.rule} alarm={alarm} />
        ))}
      </ul>
      <More slice={slice} size={most} words="alarms.more" />
    </>
  );
}

function Alarm({ alarm }: { alarm: AlarmStatus }): JSX.Element {
  const { words, now } = useShell();
  const [device = '', point = ''] = alarm.point.split('.');
  return (
    <li class={`card alarm ${MOODS[alarm.severity]}`}>
      <h2>
        <Name>{alarm.rule}</Name>
      </h2>
      <p class="signs">
        <Badge mood={MOODS[alarm.severity]}>{words.t(`alarms.severity.${alarm.severity}`)}</Badge>
        <span>{words.t(`alarms.state.${alarm.state}`)}</span>
        {alarm.firstOut === true && <Badge mood="bad">{words.t('alarms.firstOut')}</Badge>}
      </p>
      <p class="message">
        <bdi>{alarm.message}</bdi>
      </p>
      <p class="quiet">
        <a href={hrefOfPoint(device, point)}>
          <Name>{alarm.point}</Name>
        </a>
        {alarm.value !== undefined && alarm.value !== null && <bdi>{valueText(words, alarm.value)}</bdi>}
        <span>{words.t('alarms.since', { time: shortTime(words, alarm.since, now) })}</span>
        {alarm.shelvedUntil !== undefined && (
          <span>{words.t('alarms.until', { time: shortTime(words, alarm.shelvedUntil, now) })}</span>
        )}
      </p>
      <Doings alarm={alarm} />
    </li>
  );
}

function Doings({ alarm }: { alarm: AlarmStatus }): JSX.Element | null {
  const { words, model, session, announce, recheck } = useShell();
  const [shelving, setShelving] = useState(false);
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState('');
  const opener = useRef<HTMLButtonElement>(null);
  const { rule, occurrence, state } = alarm;
  const mayAcknowledge = mayDo(session, 'acknowledge') && state.endsWith('unacknowledged');
  const mayShelve = mayDo(session, 'shelve') && state !== 'out-of-service';
  const mayServe = mayDo(session, 'in-service') && state === 'out-of-service';
  const mayReset = mayDo(session, 'reset') && state === 'latched';
  if (!mayAcknowledge && !mayShelve && !mayServe && !mayReset) return null;

  const act = async (path: string, body: object, done: WordKey): Promise<void> => {
    setBusy(true);
    setFault('');
    try {
      await call(path, body, session?.csrf);
      announce(words.t(done, { rule }));
      setShelving(false);
    } catch (thrown) {
      setFault(words.t('alarms.failed', { why: refusalWords(words, thrown) }));
      recheck();
    } finally {
      setBusy(false);
    }
  };
  const close = (): void => {
    setShelving(false);
    opener.current?.focus();
  };
  const disabled = busy || model.link !== 'live';
  return (
    <div class="actions">
      {mayAcknowledge && (
        <button
          type="button"
          disabled={disabled}
          aria-label={words.t('alarms.acknowledgeOf', { rule })}
          onClick={() => act('/api/v1/acknowledge', { rule, occurrence }, 'alarms.acknowledged')}
        >
          {words.t('alarms.acknowledge')}
        </button>
      )}
      {mayReset && (
        <button
          type="button"
          disabled={disabled}
          aria-label={words.t('alarms.resetOf', { rule })}
          onClick={() => act('/api/v1/reset', { rule, occurrence }, 'alarms.wasReset')}
        >
          {words.t('alarms.reset')}
        </button>
      )}
      {mayServe && (
        <button
          type="button"
          disabled={disabled}
          aria-label={words.t('alarms.inServiceOf', { rule })}
          onClick={() => act('/api/v1/in-service', { rule }, 'alarms.isInService')}
        >
          {words.t('alarms.inService')}
        </button>
      )}
      {mayShelve && state === 'shelved' && (
        <button
          type="button"
          disabled={disabled}
          aria-label={words.t('alarms.unshelveOf', { rule })}
          onClick={() => act('/api/v1/shelve', { rule, for: null }, 'alarms.unshelved')}
        >
          {words.t('alarms.unshelve')}
        </button>
      )}
      {mayShelve && state !== 'shelved' && (
        <button
          ref={opener}
          type="button"
          class="second"
          disabled={disabled}
          aria-expanded={shelving}
          aria-label={words.t('alarms.shelveOf', { rule })}
          onClick={() => setShelving(!shelving)}
        >
          {words.t('alarms.shelve')}
        </button>
      )}
      {shelving && state !== 'shelved' && (
        <ShelveForm
          rule={rule}
          disabled={disabled}
          cancel={close}
          shelve={(length, reason) =>
            act('/api/v1/shelve', { rule, for: length, ...(reason === '' ? {} : { reason }) }, 'alarms.shelved')
          }
        />
      )}
      {fault !== '' && (
        <p role="alert" class="fault">
          {fault}
        </p>
      )}
    </div>
  );
}

interface ShelveFormProps {
  readonly rule: string;
  readonly disabled: boolean;
  cancel(): void;
  shelve(length: number, reason: string): Promise<void>;
}

function ShelveForm({ rule, disabled, cancel, shelve }: ShelveFormProps): JSX.Element {
  const { words } = useShell();
  const [length, setLength] = useState(LENGTHS[1] as number);
  const [reason, setReason] = useState('');
  return (
    <form
      class="shelve"
      onKeyDown={(event) => event.key === 'Escape' && cancel()}
      onSubmit={(event) => {
        event.preventDefault();
        void shelve(length, reason.trim());
      }}
    >
      <label for={`for-${rule}`}>{words.t('alarms.shelveFor')}</label>
      <select id={`for-${rule}`} value={length} onChange={(event) => setLength(Number(event.currentTarget.value))}>
        {LENGTHS.map((ms) => (
          <option key={ms} value={ms}>
            {span(words, ms)}
          </option>
        ))}
      </select>
      <label for={`why-${rule}`}>{words.t('alarms.reason')}</label>
      <input
        id={`why-${rule}`}
        type="text"
        maxLength={200}
        value={reason}
        onInput={(event) => setReason(event.currentTarget.value)}
      />
      <div class="buttons">
        <button type="submit" disabled={disabled} aria-label={words.t('alarms.shelveOf', { rule })}>
          {words.t('alarms.shelve')}
        </button>
        <button type="button" class="second" onClick={cancel}>
          {words.t('alarms.cancel')}
        </button>
      </div>
    </form>
  );
}
