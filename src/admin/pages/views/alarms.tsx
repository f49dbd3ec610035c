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
import { shortTime } from '../words/times.ts';
import { valueText } from '../words/values.ts';
import type { WordKey } from '../words/words.ts';
import { Actions } from './actions.tsx';
import { AlarmFigures } from './alarm-figures.tsx';
import { AwayFields, type AwayForm } from './away-fields.tsx';
import { Observed } from './observed.tsx';

const SLICE = 20;
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
  const heading = useRef<HTMLHeadingElement>(null);
  const [device = '', point = ''] = alarm.point.split('.');
  return (
    <li class={`card alarm ${MOODS[alarm.severity]}`}>
      <h2 ref={heading} tabIndex={-1}>
        <Name>{alarm.rule}</Name>
      </h2>
      <p class="signs">
        <Badge mood={MOODS[alarm.severity]}>{words.t(`alarms.severity.${alarm.severity}`)}</Badge>
        <span>{words.t(`alarms.state.${alarm.state}`)}</span>
        {alarm.firstOut === true && <Badge mood="bad">{words.t('alarms.firstOut')}</Badge>}
      </p>
      <p class="message">
        <bdi>{words.message(alarm)}</bdi>
      </p>
      <p class="quiet">
        <a href={hrefOfPoint(device, point)}>
          <Name>{alarm.point}</Name>
        </a>
        {alarm.value !== undefined && alarm.value !== null && <bdi>{valueText(words, alarm.value)}</bdi>}
        <span>{words.t('alarms.since', { time: shortTime(words, alarm.since, now) })}</span>
        {alarm.shelvedUntil !== undefined && (
          <span>
            {words.t(alarm.state === 'shelved' ? 'alarms.until' : 'alarms.outUntil', {
              time: shortTime(words, alarm.shelvedUntil, now),
            })}
          </span>
        )}
      </p>
      {/* What was pressed goes away. Who works with keys goes on from the name of the alarm. */}
      <Doings alarm={alarm} done={() => heading.current?.focus()} />
    </li>
  );
}

function Doings({ alarm, done: finish }: { alarm: AlarmStatus; done: () => void }): JSX.Element | null {
  const { words, model, session, announce, recheck } = useShell();
  const [open, setOpen] = useState<AwayForm>();
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState('');
  const openers = { shelve: useRef<HTMLButtonElement>(null), out: useRef<HTMLButtonElement>(null) };
  const { rule, occurrence, state } = alarm;
  const mayAcknowledge = mayDo(session, 'acknowledge') && state.endsWith('unacknowledged');
  const mayShelve = mayDo(session, 'shelve') && state !== 'out-of-service';
  const mayRemove = mayDo(session, 'out-of-service') && state !== 'out-of-service';
  const mayServe = mayDo(session, 'in-service') && state === 'out-of-service';
  const mayReset = mayDo(session, 'reset') && state === 'latched';
  if (!mayAcknowledge && !mayShelve && !mayRemove && !mayServe && !mayReset) return null;

  const act = async (path: string, body: object, done: WordKey): Promise<void> => {
    setBusy(true);
    setFault('');
    try {
      await call(path, body, session?.csrf);
      announce(words.t(done, { rule }));
      setOpen(undefined);
      finish();
    } catch (thrown) {
      setFault(words.t('alarms.failed', { why: refusalWords(words, thrown) }));
      recheck();
    } finally {
      setBusy(false);
    }
  };
  const close = (): void => {
    setOpen(undefined);
    if (open !== undefined) openers[open].current?.focus();
  };
  const disabled = busy || model.link !== 'live';
  const opener = (form: AwayForm): JSX.Element => (
    <button
      ref={openers[form]}
      type="button"
      class="second"
      disabled={disabled}
      aria-expanded={open === form}
      aria-label={words.t(form === 'shelve' ? 'alarms.shelveOf' : 'alarms.outOf', { rule })}
      onClick={() => setOpen(open === form ? undefined : form)}
    >
      {words.t(form === 'shelve' ? 'alarms.shelve' : 'alarms.out')}
    </button>
  );
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
      {mayShelve && state !== 'shelved' && opener('shelve')}
      {mayRemove && opener('out')}
      {open === 'shelve' && state !== 'shelved' && (
        <AwayFields
          {...{ rule, disabled }}
          form="shelve"
          cancel={close}
          send={(length, reason) =>
            act('/api/v1/shelve', { rule, for: length, ...(reason === '' ? {} : { reason }) }, 'alarms.shelved')
          }
        />
      )}
      {open === 'out' && mayRemove && (
        <AwayFields
          {...{ rule, disabled }}
          form="out"
          cancel={close}
          send={(length, reason) =>
            act('/api/v1/out-of-service', { rule, reason, ...(length > 0 && { for: length }) }, 'alarms.isOut')
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
