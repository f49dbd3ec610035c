/** What stands before the status page: the claim and the log-in. */
import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import { CallError, call } from '../gateway/calls.ts';
import { refusalWords, useShell } from '../parts/shell.ts';
import type { Words } from '../words/words.ts';

interface FieldProps {
  readonly id: string;
  readonly label: string;
  readonly hint?: string;
  readonly children: ComponentChildren;
}

function Field({ id, label, hint, children }: FieldProps): JSX.Element {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children}
      {hint !== undefined && (
        <p id={`${id}-hint`} class="quiet">
          {hint}
        </p>
      )}
    </div>
  );
}

interface PasswordProps {
  readonly id: string;
  readonly label: string;
  readonly hint?: string;
  readonly kind: 'current-password' | 'new-password';
  readonly value: string;
  change(value: string): void;
}

/** With a switch to see it: typing a password twice helps nobody on a phone. */
export function Password({ id, label, hint, kind, value, change }: PasswordProps): JSX.Element {
  const { words } = useShell();
  const [shown, setShown] = useState(false);
  // The types of Preact know one type for each input only.
  const type = (shown ? 'text' : 'password') as 'password';
  return (
    <Field id={id} label={label} {...(hint === undefined ? {} : { hint })}>
      <input
        id={id}
        type={type}
        autocomplete={kind}
        autocapitalize="none"
        spellcheck={false}
        required
        maxLength={256}
        {...(hint === undefined ? {} : { 'aria-describedby': `${id}-hint` })}
        value={value}
        onInput={(event) => change(event.currentTarget.value)}
      />
      <label class="check">
        <input type="checkbox" checked={shown} onChange={(event) => setShown(event.currentTarget.checked)} />
        {words.t('claim.show')}
      </label>
    </Field>
  );
}

/** Runs a form: one sending at a time, and words for what was refused. */
export function useSending(): { busy: boolean; fault: string; send(work: () => Promise<void>, words: FaultWords): void } {
  const { session, recheck } = useShell();
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState('');
  const send = (work: () => Promise<void>, faultWords: FaultWords): void => {
    if (busy) return;
    setBusy(true);
    setFault('');
    work()
      .catch((thrown: unknown) => {
        setFault(faultWords(thrown));
        // Another tab may have logged out, or somebody else in.
        if (session !== undefined) recheck();
      })
      .finally(() => setBusy(false));
  };
  return { busy, fault, send };
}
type FaultWords = (thrown: unknown) => string;

export function Fault({ text }: { text: string }): JSX.Element {
  return (
    <p role="alert" class="fault">
      {text}
    </p>
  );
}

export function Login({ ended }: { ended: boolean }): JSX.Element {
  const { words, recheck } = useShell();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const { busy, fault, send } = useSending();
  return (
    <form
      class="door card"
      onSubmit={(event) => {
        event.preventDefault();
        const logIn = async (): Promise<void> => {
          await call('/api/v1/session', { name: name.trim(), password });
          recheck();
        };
        send(logIn, (thrown) => refusalWords(words, thrown));
      }}
    >
      <h1 tabIndex={-1}>{words.t('login.title')}</h1>
      {ended && <p>{words.t('login.ended')}</p>}
      <Field id="name" label={words.t('login.name')}>
        <NameInput value={name} change={setName} />
      </Field>
      <Password id="password" label={words.t('login.password')} kind="current-password" value={password} change={setPassword} />
      <Fault text={fault} />
      <button type="submit" disabled={busy}>
        {words.t(busy ? 'login.wait' : 'login.submit')}
      </button>
    </form>
  );
}

function NameInput({ value, change, hint }: { value: string; change(value: string): void; hint?: string }): JSX.Element {
  return (
    <input
      id="name"
      type="text"
      autocomplete="username"
      autocapitalize="none"
      spellcheck={false}
      required
      maxLength={64}
      {...(hint === undefined ? {} : { 'aria-describedby': hint })}
      value={value}
      onInput={(event) => change(event.currentTarget.value)}
    />
  );
}

export function Claim(): JSX.Element {
  const { words, recheck } = useShell();
  const [code, setCode] = useState('');
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const { busy, fault, send } = useSending();
  return (
    <form
      class="door card"
      onSubmit={(event) => {
        event.preventDefault();
        const claim = async (): Promise<void> => {
          const account = { name: name.trim(), password };
          await call('/api/v1/claim', { code: code.trim(), ...account });
          // Whoever claimed it is logged in at once, with what was typed.
          await call('/api/v1/session', account);
          recheck();
        };
        send(claim, (thrown) => claimWords(words, thrown));
      }}
    >
      <h1 tabIndex={-1}>{words.t('claim.title')}</h1>
      <p>{words.t('claim.text')}</p>
      <Field id="code" label={words.t('claim.code')} hint={words.t('claim.codeHint')}>
        <input
          id="code"
          type="text"
          autocomplete="one-time-code"
          autocapitalize="characters"
          spellcheck={false}
          required
          maxLength={64}
          aria-describedby="code-hint"
          value={code}
          onInput={(event) => setCode(event.currentTarget.value)}
        />
      </Field>
      <Field id="name" label={words.t('claim.name')} hint={words.t('claim.nameHint')}>
        <NameInput value={name} change={setName} hint="name-hint" />
      </Field>
      <Password
        id="password"
        label={words.t('claim.password')}
        hint={words.t('claim.passwordHint')}
        kind="new-password"
        value={password}
        change={setPassword}
      />
      <Fault text={fault} />
      <button type="submit" disabled={busy}>
        {words.t(busy ? 'login.wait' : 'claim.submit')}
      </button>
    </form>
  );
}

function claimWords(words: Words, thrown: unknown): string {
  if (thrown instanceof CallError && thrown.code === 'unauthorized') return words.t('error.claimCode');
  return refusalWords(words, thrown);
}
