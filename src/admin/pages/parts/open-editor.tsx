/** The button that leads to the editor of flows, with a ticket, so that nobody types a password twice. */
import type { JSX } from 'preact';
import { call } from '../gateway/calls.ts';
import { Fault, useSending } from '../views/doors.tsx';
import { mayDo, refusalWords, useShell } from './shell.ts';
import { useAsked } from './use-asked.ts';

const ASK_EVERY = 60_000;

interface Editor {
  readonly on: boolean;
  readonly state?: string;
}

/** Nothing where the editor has no address, or the reader may not use it. */
export function OpenEditor(): JSX.Element | null {
  const { session } = useShell();
  return mayDo(session, 'flows') ? <Asked /> : null;
}

function Asked(): JSX.Element | null {
  const { words, session } = useShell();
  const { answer } = useAsked<Editor>('/api/v1/editor', ASK_EVERY);
  const { busy, fault, send } = useSending();
  if (answer?.on !== true) return null;
  const open = async (): Promise<void> => {
    const { url } = await call<{ url: string }>('/api/v1/editor', {}, session?.csrf);
    location.assign(url);
  };
  return (
    <section class="card">
      <h2>{words.t('editor.title')}</h2>
      <p>{words.t('editor.text')}</p>
      <Fault text={fault} />
      <button type="button" disabled={busy} onClick={() => send(open, (thrown) => refusalWords(words, thrown))}>
        {words.t('editor.open')}
      </button>
    </section>
  );
}
