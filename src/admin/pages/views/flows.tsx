/** The flows of Node-RED: their revisions, an undo, and the flows that come with the gateway. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { FlowExample, FlowsList, FlowsResult, Revision } from '../../../core/flow-revisions.ts';
import type { FlowsRestarted } from '../../../core/flow-supervisor.ts';
import { call } from '../gateway/calls.ts';
import { changedWords, restartedWords } from '../gateway/flows-done.ts';
import { OpenEditor } from '../parts/open-editor.tsx';
import { mayDo, refusalWords, useShell } from '../parts/shell.ts';
import { More, useSlice } from '../parts/slice.tsx';
import { Badge, Name, Told } from '../parts/small.tsx';
import { useAsked } from '../parts/use-asked.ts';
import { dateTime } from '../words/times.ts';
import type { WordKey } from '../words/words.ts';
import { Fault, useSending } from './doors.tsx';

const ASK_EVERY = 30_000;
/** What the gateway gives a restart, and a second more: node-red/restarts.ts. Milliseconds. */
const RESTARTED_WITHIN = 146_000;
/** What the gateway gives a change of flows, and a second more: node-red/revisions/flow-desk.ts. Milliseconds. */
const CHANGED_WITHIN = 150_000;
/** Revisions and labels of tabs that are shown at first. */
const REVISIONS = 10;
const LABELS = 5;

export function Flows(): JSX.Element {
  const { words, session } = useShell();
  // A change asks anew: another number is another list.
  const [changes, setChanges] = useState(0);
  return (
    <>
      <h1 tabIndex={-1}>{words.t('flows.title')}</h1>
      {mayDo(session, 'flows') ? (
        <Lists key={changes} changed={() => setChanges((n) => n + 1)} />
      ) : (
        <p class="quiet">{words.t('error.forbidden')}</p>
      )}
    </>
  );
}

function Lists({ changed }: { changed: () => void }): JSX.Element {
  const { words } = useShell();
  const list = useAsked<FlowsList>('/api/v1/flows', ASK_EVERY);
  const { answer, fault } = list;
  if (answer === undefined)
    return fault === undefined ? (
      <p class="loading">{words.t('app.loading')}</p>
    ) : (
      <p class="fault" role="alert">
        {refusalWords(words, fault)}
      </p>
    );
  const off = answer.state === 'off';
  return (
    <div class="cards">
      <section class="card">
        <h2>{words.t('flows.nodeRed')}</h2>
        <p>
          <Badge mood={answer.state === 'running' ? 'good' : off ? 'quiet' : 'warn'}>
            {words.t(off ? 'flows.off' : answer.state === 'running' ? 'flows.running' : 'flows.notRunning')}
          </Badge>
        </p>
        {answer.faults.map((one) => (
          <p key={one} class="fault">
            <Told>{one}</Told>
          </p>
        ))}
        {!off && (
          <Change
            path="/api/v1/flows/restart"
            body={{}}
            words={words.t('flows.restart')}
            label={words.t('flows.restart')}
            sure={words.t('flows.restartSure')}
            done={restartedWords}
            within={RESTARTED_WITHIN}
            changed={changed}
          />
        )}
      </section>
      <OpenEditor />
      <Revisions list={answer} changed={changed} />
      {!off && <Examples newest={answer.revisions[0]?.number} changed={changed} />}
    </div>
  );
}

function Revisions({ list, changed }: { list: FlowsList; changed: () => void }): JSX.Element {
  const { words } = useShell();
  const slice = useSlice(list.revisions, REVISIONS);
  const newest = list.revisions[0]?.number;
  return (
    <section class="card">
      <h2>{words.t('flows.revisions')}</h2>
      {list.revisions.length === 0 && <p class="empty">{words.t('flows.none')}</p>}
      <ul class="revisions">
        {slice.shown.map((one) => (
          <li key={one.number}>
            <OneRevision one={one} current={one.number === list.current} newest={newest} changed={changed} />
          </li>
        ))}
      </ul>
      <More slice={slice} size={REVISIONS} words="devices.more" />
    </section>
  );
}

interface OneProps {
  readonly one: Revision;
  readonly current: boolean;
  readonly newest: number | undefined;
  readonly changed: () => void;
}

function OneRevision({ one, current, newest, changed }: OneProps): JSX.Element {
  const { words } = useShell();
  const { number, time, who, origin, estimated, ranWell } = one;
  const when = dateTime(words, time);
  return (
    <>
      <p>
        <strong>{words.t('flows.number', { n: number })}</strong>{' '}
        <span>{estimated === true ? words.t('flows.about', { when }) : when}</span>{' '}
        <span>{who === 'unknown' ? words.t('flows.unknown') : <Name>{who}</Name>}</span>{' '}
        <span>{words.t(`flows.origin.${origin}`)}</span> {current && <Badge mood="good">{words.t('flows.current')}</Badge>}{' '}
        {ranWell && <Badge mood="quiet">{words.t('flows.ranWell')}</Badge>}
      </p>
      <Changes one={one} />
      {!current && (
        <Change
          path="/api/v1/flows/restore"
          body={{ revision: number, ...(newest === undefined ? {} : { newest }) }}
          words={words.t('flows.restore')}
          label={words.t('flows.restoreOf', { n: number })}
          sure={words.t('flows.restoreSure', { n: number })}
          done={changedWords}
          within={CHANGED_WITHIN}
          changed={changed}
        />
      )}
    </>
  );
}

function Changes({ one }: { one: Revision }): JSX.Element {
  const { words } = useShell();
  const { changes, nodes } = one;
  const parts = (['added', 'changed', 'removed'] as const).flatMap((kind) => {
    const labels = changes?.[kind] ?? [];
    return labels.length === 0 ? [] : [{ kind, labels }];
  });
  return (
    <p class="quiet">
      <span>{words.count('flows.nodes', nodes)}</span>
      {parts.map(({ kind, labels }) => (
        <span key={kind}>
          {words.t(`flows.${kind}`)}{' '}
          {labels.slice(0, LABELS).map((label, i) => (
            <span key={`${i} ${label}`}>
              {i > 0 && ', '}
              <Name>{label}</Name>
            </span>
          ))}
          {labels.length > LABELS && ` +${words.number(labels.length - LABELS)}`}
        </span>
      ))}
      {changes?.passwords === true && <span>{words.t('flows.passwords')}</span>}
    </p>
  );
}

function Examples({ newest, changed }: { newest: number | undefined; changed: () => void }): JSX.Element | null {
  const { words } = useShell();
  const { answer } = useAsked<{ examples: readonly FlowExample[] }>('/api/v1/flows/examples', ASK_EVERY * 10);
  if (answer === undefined) return null;
  return (
    <section class="card">
      <h2>{words.t('flows.examples')}</h2>
      <p>{words.t('flows.examplesText')}</p>
      <ul class="revisions">
        {answer.examples.map(({ name, title }) => (
          <li key={name}>
            <p>
              <strong>
                <Name>{name}</Name>
              </strong>{' '}
              <ExampleText name={name} title={title} />
            </p>
            <Change
              path="/api/v1/flows/load"
              body={{ name, ...(newest === undefined ? {} : { newest }) }}
              words={words.t('flows.load')}
              label={words.t('flows.loadOf', { name })}
              sure={words.t('flows.loadSure', { name })}
              done={changedWords}
              within={CHANGED_WITHIN}
              changed={changed}
            />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The flows that come with the gateway, in each language of the page. Another one has the first sentence of its own page. */
const EXAMPLES: ReadonlyMap<string, WordKey> = new Map([
  ['hourly-averages', 'flows.example.hourly-averages'],
  ['http-sensor', 'flows.example.http-sensor'],
  ['shift-report', 'flows.example.shift-report'],
  ['siren', 'flows.example.siren'],
  ['sms-gateway', 'flows.example.sms-gateway'],
  ['upstream-command', 'flows.example.upstream-command'],
  ['water-point', 'flows.example.water-point'],
]);

function ExampleText({ name, title }: Pick<FlowExample, 'name' | 'title'>): JSX.Element {
  const { words } = useShell();
  const key = EXAMPLES.get(name);
  return key === undefined ? <Told>{title}</Told> : <span>{words.t(key)}</span>;
}

interface ChangeProps {
  readonly path: string;
  readonly body: object;
  readonly words: string;
  readonly label: string;
  /** Asked before it is done. */
  readonly sure: string;
  /** Said afterwards. */
  readonly done: (answer: Partial<FlowsRestarted & FlowsResult>) => WordKey;
  /** Milliseconds that the answer may take. */
  readonly within: number;
  readonly changed: () => void;
}

/** A button that asks once more: a deploy stops and starts what runs. */
function Change({ path, body, words: text, label, sure, done, within, changed }: ChangeProps): JSX.Element {
  const { words, model, session, announce } = useShell();
  const [asking, setAsking] = useState(false);
  const { busy, fault, send } = useSending();
  const opener = useRef<HTMLButtonElement>(null);
  const first = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (asking) first.current?.focus();
  }, [asking]);
  const act = async (): Promise<void> => {
    const answer = await call<Partial<FlowsRestarted & FlowsResult>>(path, body, session?.csrf, within);
    announce(words.t(done(answer)));
    changed();
  };
  const close = (): void => {
    setAsking(false);
    opener.current?.focus();
  };
  return (
    <div class="actions">
      <button
        ref={opener}
        type="button"
        class="second"
        aria-expanded={asking}
        aria-label={label}
        disabled={busy || model.link !== 'live'}
        onClick={() => setAsking(!asking)}
      >
        {text}
      </button>
      {asking && (
        <form
          onKeyDown={(event) => event.key === 'Escape' && close()}
          onSubmit={(event) => {
            event.preventDefault();
            send(act, (thrown) => refusalWords(words, thrown));
          }}
        >
          <p>{sure}</p>
          <div class="buttons">
            <button ref={first} type="submit" disabled={busy}>
              {words.t(busy ? 'login.wait' : 'flows.yes')}
            </button>
            <button type="button" class="second" onClick={close}>
              {words.t('alarms.cancel')}
            </button>
          </div>
        </form>
      )}
      <Fault text={fault} />
    </div>
  );
}
