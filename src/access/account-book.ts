/**
 * The accounts in force. Invariants:
 * - One change at a time. It counts when the file has it; a change that cannot be written changes nothing. One that the disk has not
 *   confirmed counts, and is rejected with words that say so: the file and the book are never of two minds.
 * - The book announces a lost or changed credential after the change is in force. A later log-in meets the new accounts.
 * - The claim code exists only while there are no accounts and never were any.
 */
import type { AccessState } from '../core/access-ports.ts';
import { SluiceError, toError } from '../core/errors.ts';
import { AccountFiles } from './account-files.ts';
import type { Stored } from './account-text.ts';
import { type Accounts, type Device, NO_ACCOUNTS, revokedBy, type Token, type User } from './accounts.ts';
import { newClaimCode, type RandomBytes } from './secrets.ts';
import { unwrittenWords } from './state-file.ts';

/** Changes that wait for the file. */
const MOST_WAITING = 16;

export interface BookOptions {
  readonly stateDir: string;
  readonly random: RandomBytes;
  /** UTC milliseconds; known: it can be believed. */
  readonly time: () => { readonly utc: number; readonly known: boolean };
  /** What an operator should know about the files, in sentences. */
  readonly report: (message: string, severity: 'warning' | 'critical') => void;
}

export class AccountBook {
  readonly #o: BookOptions;
  readonly #files: AccountFiles;
  #stored: Stored = { accounts: NO_ACCOUNTS, changed: 0 };
  #state: AccessState = 'unclaimed';
  #newer = false;
  #fault: string | undefined;
  #code: string | undefined;
  /** The file has the code. */
  #codeKept = true;
  #work: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  readonly #listeners = new Set<(owner: string) => void>();

  constructor(options: BookOptions) {
    this.#o = options;
    this.#files = new AccountFiles(options.stateDir);
  }

  get accounts(): Accounts {
    return this.#stored.accounts;
  }
  get state(): AccessState {
    return this.#state;
  }
  get fault(): string | undefined {
    return this.#fault;
  }
  get code(): string | undefined {
    return this.#code;
  }

  user(name: string): User | undefined {
    return this.accounts.users.find((user) => user.name === name);
  }
  device(name: string): Device | undefined {
    return this.accounts.devices.find((device) => device.name === name);
  }
  deviceOfCertificate(certificate: string): Device | undefined {
    return this.accounts.devices.find((device) => device.certificate === certificate);
  }
  token(id: string): Token | undefined {
    return this.accounts.tokens.find((token) => token.id === id);
  }
  /** Tells the user or the device of this name from all that had the name before. */
  born(name: string): string {
    return (this.user(name) ?? this.device(name))?.id ?? '';
  }
  /** While the time is not known, what is over is what was over when the accounts last changed. */
  isExpired({ expires }: Token): boolean {
    const { utc, known } = this.#o.time();
    return expires <= (known ? utc : this.#stored.changed);
  }

  /** Never rejects: whatever is wrong with the files becomes a state. */
  async load(): Promise<void> {
    const { state, stored, fault, newer, notes } = await this.#files.load();
    this.#state = state;
    this.#newer = newer;
    this.#fault = fault;
    if (stored !== undefined) this.#stored = stored;
    for (const note of notes) this.#o.report(note, 'warning');
    if (fault !== undefined) this.#o.report(`${fault}.`, 'critical');
    if (state === 'unclaimed') this.#code = (await this.#files.readClaim()) ?? (await this.#newCode());
    else await this.#dropClaim();
  }

  /**
   * @param make the accounts after the change, from those before it
   * Rejects with `access-write`, `access-locked`, `throttled`, and what `make` throws
   */
  change(make: (accounts: Accounts) => Accounts): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#newer) throw new SluiceError('access-locked', this.#fault);
      const { utc, known } = this.#o.time();
      const changed = known || this.#stored.changed === 0 ? Math.max(0, Math.round(utc)) : this.#stored.changed;
      const stored = { accounts: make(this.accounts), changed };
      const revoked = [...(this.#state === 'unclaimed' ? ['anonymous'] : []), ...revokedBy(this.accounts, stored.accounts)];
      const { notes, unsynced } = await this.#files.save(stored, this.#state === 'locked');
      this.#stored = stored;
      this.#state = 'claimed';
      this.#fault = undefined;
      this.revoke(revoked);
      for (const note of notes) this.#o.report(note, 'warning');
      await this.#dropClaim();
      if (unsynced !== undefined) this.#o.report(unsynced, 'warning');
    });
  }

  /** Removes every account; the gateway can be claimed again. @returns the new code. Rejects with `access-write` */
  clear(): Promise<string> {
    return this.#inTurn(async () => {
      const revoked = revokedBy(this.accounts, NO_ACCOUNTS);
      const unsynced = await this.#files.removeAll();
      this.#stored = { accounts: NO_ACCOUNTS, changed: 0 };
      this.#newer = false;
      this.#fault = undefined;
      this.#code = await this.#newCode();
      this.#state = 'unclaimed';
      this.revoke(revoked);
      if (unsynced !== undefined) this.#o.report(unsynced, 'warning');
      return this.#code;
    });
  }

  /** Tries again to keep a claim code that had no room. Never rejects. */
  async keepCode(): Promise<void> {
    if (this.#codeKept) return;
    const keep = async (): Promise<void> => {
      if (this.#code === undefined) return;
      await this.#files.writeClaim(this.#code);
      this.#codeKept = true;
    };
    // The failure is reported already.
    await this.#inTurn(keep).catch(() => {});
  }

  onRevoked(listener: (owner: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  revoke(owners: readonly string[]): void {
    for (const owner of owners) for (const listener of this.#listeners) listener(owner);
  }

  #inTurn<R>(work: () => Promise<R>): Promise<R> {
    if (this.#waiting >= MOST_WAITING)
      return Promise.reject(new SluiceError('throttled', 'too many changes of accounts wait already; try again in a moment'));
    this.#waiting++;
    const done = this.#work.then(work).finally(() => this.#waiting--);
    this.#work = done.catch(() => {});
    return done;
  }

  async #newCode(): Promise<string> {
    const code = newClaimCode(this.#o.random);
    this.#codeKept = true;
    await this.#files.writeClaim(code).catch((thrown: unknown) => {
      this.#codeKept = false;
      this.#o.report(
        `The claim code cannot be kept: ${unwrittenWords(thrown)}. It is tried again every minute; until then the code holds as long as the gateway runs. sluice claim shows it.`,
        'warning',
      );
    });
    return code;
  }

  async #dropClaim(): Promise<void> {
    this.#code = undefined;
    this.#codeKept = true;
    await this.#files.removeClaim().catch((thrown: unknown) => {
      this.#o.report(`The file claim cannot be removed: ${toError(thrown).message}. Its code opens nothing any more.`, 'warning');
    });
  }
}
