/**
 * Commands of the API with an id and an expiry. Invariants:
 * - One id of a caller acts once, also over restarts (ledger.ts). A repeated id gets the first answer again.
 * - A caller without the role leaves nothing in the ledger: the command port refuses, and its audit shows what was asked for.
 * - Who repeats an id needs the role as well. The same id with another command is refused.
 * - What does not begin goes through the command port all the same: its audit reports it.
 */
import { may } from '../../access/roles.ts';
import type { Asking, Command, Principal, RunOptions } from '../../core/commands.ts';
import { ERRORS, type ErrorCode, SluiceError, toError } from '../../core/errors.ts';
import { inTime, type TimeSide } from './in-time.ts';
import { ACTS, type Ledger, neverBegan, sumOf } from './ledger.ts';

export interface OnceOptions extends TimeSide {
  readonly ledger: () => Ledger;
}

type Outcome =
  | { readonly sum: string; readonly ok: true; readonly result: object | null }
  | { readonly sum: string; readonly ok: false; readonly code: string; readonly message: string };

/** Gives the options to the command port. */
type Act<T> = (options: RunOptions) => Promise<T>;

export class Once {
  readonly #o: OnceOptions;
  /** Commands of this run that are at work, by owner and id. As many as the ledger keeps. */
  readonly #running = new Map<string, { readonly sum: string; readonly answer: Promise<object> }>();

  constructor(options: OnceOptions) {
    this.#o = options;
  }

  /**
   * @param act its result is plain JSON
   * @throws SluiceError busy, expired, clock-unknown, outcome-unknown, or what `act` rejects with
   */
  async run<T extends object>(command: Command, by: Principal, { id, expires }: Asking, act: Act<T>): Promise<T> {
    const begin = (): void => inTime(expires, this.#o);
    if (id === undefined || !ACTS.includes(command.do) || !may(by, command.do)) return act({ begin });
    const owner = ownerOf(by);
    const sum = sumOf(command);
    const name = `${owner} ${id}`;
    const running = this.#running.get(name);
    const known = running ?? this.#known(owner, id);
    if (known !== undefined) {
      if (known.sum !== sum)
        return refused(act, new SluiceError('request-invalid', `the id ${id} was used for another command; choose a new one`));
      return (await ('answer' in known ? known.answer : answerOf(known))) as T;
    }
    const answer = this.#first(owner, id, sum, act, begin);
    this.#running.set(name, { sum, answer });
    try {
      return await answer;
    } finally {
      this.#running.delete(name);
    }
  }

  async #first<T extends object>(owner: string, id: string, sum: string, act: Act<T>, begin: () => void): Promise<T> {
    const ledger = this.#o.ledger();
    try {
      begin();
      if (!(await ledger.begin(owner, id)))
        throw new SluiceError('busy', 'every place for commands is taken; ask again later with the same id');
    } catch (thrown) {
      return refused(act, thrown);
    }
    const finish = (outcome: Outcome): void => ledger.finish(owner, id, JSON.stringify({ v: 1, id, ...outcome }));
    try {
      const result = await act({ begin });
      finish({ sum, ok: true, result });
      return result;
    } catch (thrown) {
      const { code, message } = thrown instanceof SluiceError ? thrown : new SluiceError('internal', toError(thrown).message);
      if (neverBegan(thrown)) ledger.forget(owner, id);
      else finish({ sum, ok: false, code, message });
      throw thrown;
    }
  }

  #known(owner: string, id: string): Outcome | undefined {
    const entry = this.#o.ledger().find(owner, id);
    if (entry === undefined) return undefined;
    if (entry.result === undefined)
      throw new SluiceError(
        'outcome-unknown',
        'the gateway ended while it was at work on this, so nobody knows whether it was done; look, then ask with a new id',
      );
    return JSON.parse(entry.result) as Outcome;
  }
}

/** Rejects with `thrown`, or for the role. */
function refused<T>(act: Act<T>, thrown: unknown): Promise<T> {
  const begin = (): never => {
    throw thrown;
  };
  return act({ begin });
}

/** Whose ids they are. A user and a token of one name are two, and so are two accounts that had a name one after the other. */
function ownerOf({ door, who, account }: Principal): string {
  return `api:${door}:${account ?? encodeURIComponent(who)}`;
}

/** @throws SluiceError as the first time */
function answerOf(outcome: Outcome): object {
  if (!outcome.ok) {
    const code = Object.hasOwn(ERRORS, outcome.code) ? (outcome.code as ErrorCode) : 'internal';
    throw new SluiceError(code, outcome.message);
  }
  if (outcome.result === null)
    throw new SluiceError('exists', 'the command with this id was done; its answer was too long to be kept');
  return outcome.result;
}
