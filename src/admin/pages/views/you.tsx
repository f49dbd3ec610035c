/** The reader: session, password, language. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { call } from '../gateway/calls.ts';
import { hasOwn } from '../parts/own.ts';
import { refusalWords, useShell } from '../parts/shell.ts';
import { Name, Row } from '../parts/small.tsx';
import { en, type WordKey } from '../words/en.ts';
import { LANGUAGE_NAMES, LANGUAGES, type Language } from '../words/words.ts';
import { Fault, Password, useSending } from './doors.tsx';

export function You(): JSX.Element {
  const { words, session } = useShell();
  return (
    <>
      <h1 tabIndex={-1}>{words.t('you.title')}</h1>
      <div class="cards">
        {session === undefined ? (
          <section class="card">
            <p>{words.t('you.nobody')}</p>
          </section>
        ) : (
          <>
            <Account />
            <ChangePassword />
          </>
        )}
        <SettingsCard />
      </div>
    </>
  );
}

function Account(): JSX.Element {
  const { words, session, recheck } = useShell();
  const { busy, fault, send } = useSending();
  const role = `you.role.${session?.role}`;
  const logOut = async (): Promise<void> => {
    await call('/api/v1/session/end', {}, session?.csrf);
    recheck();
  };
  return (
    <section class="card">
      <dl>
        <Row name={words.t('you.name')}>
          <Name>{session?.name ?? ''}</Name>
        </Row>
        <Row name={words.t('you.role')}>{hasOwn(en, role) ? words.t(role as WordKey) : (session?.role ?? '')}</Row>
      </dl>
      <Fault text={fault} />
      <button type="button" disabled={busy} onClick={() => send(logOut, (thrown) => refusalWords(words, thrown))}>
        {words.t('you.logOut')}
      </button>
    </section>
  );
}

function ChangePassword(): JSX.Element {
  const { words, session, recheck, announce } = useShell();
  const [password, setPassword] = useState('');
  const [next, setNext] = useState('');
  const { busy, fault, send } = useSending();
  const change = async (): Promise<void> => {
    await call('/api/v1/session/password', { password, next }, session?.csrf);
    announce(words.t('you.passwordDone'));
    recheck();
  };
  return (
    <section class="card">
      <h2>{words.t('you.password')}</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          send(change, (thrown) => refusalWords(words, thrown));
        }}
      >
        <input type="text" hidden autocomplete="username" value={session?.name ?? ''} readOnly />
        <Password id="now" label={words.t('you.passwordNow')} kind="current-password" value={password} change={setPassword} />
        <Password
          id="next"
          label={words.t('you.passwordNew')}
          hint={words.t('claim.passwordHint')}
          kind="new-password"
          value={next}
          change={setNext}
        />
        <Fault text={fault} />
        <button type="submit" disabled={busy}>
          {words.t(busy ? 'login.wait' : 'you.passwordSubmit')}
        </button>
      </form>
    </section>
  );
}

export function LanguageChoice({ id }: { id: string }): JSX.Element {
  const { words, settings, change } = useShell();
  return (
    <div class="field">
      <label for={id}>{words.t('you.language')}</label>
      <select
        id={id}
        value={settings.language}
        onChange={(event) => change({ ...settings, language: event.currentTarget.value as Language })}
      >
        {LANGUAGES.map((language) => (
          <option key={language} value={language} lang={language}>
            {LANGUAGE_NAMES[language]}
          </option>
        ))}
      </select>
    </div>
  );
}

function SettingsCard(): JSX.Element {
  const { words, settings, change } = useShell();
  return (
    <section class="card">
      <h2>{words.t('you.settings')}</h2>
      <LanguageChoice id="language" />
      {settings.language === 'bn' && (
        <label class="check">
          <input
            type="checkbox"
            checked={settings.bengaliDigits}
            onChange={(event) => change({ ...settings, bengaliDigits: event.currentTarget.checked })}
          />
          {words.t('you.digits')}
        </label>
      )}
    </section>
  );
}
