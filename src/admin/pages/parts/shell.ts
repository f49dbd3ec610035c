/** What every view can use. */
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { may } from '../../../access/roles.ts';
import type { Action, Role } from '../../../core/commands.ts';
import { CallError, type Session } from '../gateway/calls.ts';
import type { Model } from '../gateway/model.ts';
import type { Settings } from '../gateway/settings.ts';
import { en, type WordKey } from '../words/en.ts';
import type { Words } from '../words/words.ts';
import { hasOwn } from './own.ts';

export interface Shell {
  readonly words: Words;
  readonly model: Model;
  /** UTC milliseconds as the gateway knows it; it goes on while the connection is lost, so that ages grow. */
  readonly now: number;
  readonly session: Session | undefined;
  readonly settings: Settings;
  change(settings: Settings): void;
  /** Read out by screen readers. */
  announce(text: string): void;
  /** Asks the gateway again who looks. */
  recheck(): void;
}

const Context = createContext<Shell | undefined>(undefined);
export const ShellProvider = Context.Provider;

export function useShell(): Shell {
  const shell = useContext(Context);
  if (shell === undefined) throw new Error('no-shell');
  return shell;
}

/** By the table of the gateway. Without a session nothing is offered that changes something. */
export function mayDo(session: Session | undefined, action: Action): boolean {
  return session !== undefined && may({ role: session.role as Role }, action);
}

/** Why a call did not work, for people. */
export function refusalWords(words: Words, thrown: unknown): string {
  if (!(thrown instanceof CallError)) return words.t('error.unknown', { message: String(thrown) });
  const key = `error.${thrown.code}`;
  if (hasOwn(en, key)) return words.t(key as WordKey, { message: thrown.message });
  return words.t('error.unknown', { message: thrown.message });
}
