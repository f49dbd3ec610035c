/**
 * Where accounts lie: `access.json` and its copy `access.json.copy`, the claim code in `claim`; all 0600. Invariants:
 * - A change is confirmed when access.json has it. A disk that takes the file and does not confirm it has the change: it is in force, and
 *   who asked for it learns that a power cut may take it back. The copy follows, or is removed: there is never a copy of earlier accounts beside
 *   accounts that were confirmed, so a removed account cannot come back from it.
 * - A file that cannot be believed counts as none, and its copy takes its place. Where the copy is no better, the gateway is `locked`:
 *   it starts, nobody can log in, and root makes a new administrator on the Unix socket. A gateway that was claimed does not become
 *   claimable because a file is damaged or missing: any of these files, whatever is in it, says that it was claimed.
 * - Files of a newer version are left alone.
 */
import { lstatSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import path from 'node:path';
import type { AccessState } from '../core/access-ports.ts';
import { SluiceError, toError } from '../core/errors.ts';
import { accountText, MOST_BYTES, parseAccounts, type Stored } from './account-text.ts';
import { claimCodeOf } from './secrets.ts';
import { readOwn, removeOwn, setAside, UnsyncedError, unwrittenWords, writeOwn } from './state-file.ts';

const FILE = 'access.json';
const COPY = 'access.json.copy';
/** The code of a gateway that was never claimed. */
export const CLAIM_FILE = 'claim';
/** Bytes of the claim file. */
const LONGEST_CLAIM = 100;

export interface Loaded {
  readonly state: AccessState;
  readonly stored?: Stored | undefined;
  /** Why it is locked. */
  readonly fault?: string | undefined;
  /** Written by a newer version: nothing is changed. */
  readonly newer: boolean;
  /** What an operator should know, in sentences. */
  readonly notes: readonly string[];
}

export interface Saved {
  /** As in `Loaded`. */
  readonly notes: readonly string[];
  /** The change is in force, and a power cut may take it back: a sentence for an operator. */
  readonly unsynced: string | undefined;
}

type One =
  | { readonly kind: 'good'; readonly stored: Stored; readonly text: string; readonly readableByOthers: boolean }
  | { readonly kind: 'none' | 'newer' }
  | { readonly kind: 'bad'; readonly why: string; readonly damaged: boolean };

export class AccountFiles {
  readonly #file: string;
  readonly #copy: string;
  readonly #claim: string;

  constructor(stateDir: string) {
    this.#file = path.join(stateDir, FILE);
    this.#copy = path.join(stateDir, COPY);
    this.#claim = path.join(stateDir, CLAIM_FILE);
  }

  /** Never rejects. */
  async load(): Promise<Loaded> {
    const file = await this.#read(this.#file);
    const copy = await this.#read(this.#copy);
    const notes: string[] = [];
    if (file.kind === 'good') {
      await this.#closeToOthers(file, notes);
      if (copy.kind !== 'good' || copy.text !== file.text) await this.#writeCopy(file.text, notes);
      return { state: 'claimed', stored: file.stored, newer: false, notes };
    }
    if (file.kind === 'newer' || copy.kind === 'newer')
      return {
        ...{ state: 'locked', newer: true, notes },
        fault: `${this.#file} was written by a newer version of Sluice: nobody can log in. Install that version again; or "sluice claim --again" removes every account`,
      };
    const why = file.kind === 'bad' ? file.why : 'is missing';
    if (copy.kind === 'good') {
      notes.push(`${this.#file} ${why}: the accounts were taken from its copy.${await this.#aside(this.#file, file)}`);
      await writeOwn(this.#file, copy.text).catch((thrown: unknown) => notes.push(this.#unwritten(this.#file, thrown)));
      return { state: 'claimed', stored: copy.stored, newer: false, notes };
    }
    if (!wasClaimed(path.dirname(this.#file))) return { state: 'unclaimed', newer: false, notes };
    // Somebody who mends the owner or the mode of a file finds it in its place.
    const aside =
      file.kind === 'bad' && file.damaged
        ? await this.#aside(this.#file, file)
        : file.kind === 'bad'
          ? ownerWords(this.#file)
          : '';
    return {
      ...{ state: 'locked', newer: false, notes },
      fault: `${this.#file} ${why}, and there is no good copy. Log-in works only on the Unix socket.${aside} Make an administrator again: sluice user add NAME --role administrator`,
    };
  }

  /** @param anew what lies there cannot be believed, and is kept for a person to look at. Rejects with `access-write`; then nothing changed */
  async save(stored: Stored, anew: boolean): Promise<Saved> {
    const text = accountText(stored);
    if (Buffer.byteLength(text) > MOST_BYTES)
      throw new SluiceError(
        'request-invalid',
        'the accounts take more room than a gateway has for them; remove some, or topics of devices',
      );
    let unsynced: string | undefined;
    try {
      if (anew) await setAside(this.#file).catch(() => {});
      await writeOwn(this.#file, text);
    } catch (cause) {
      if (cause instanceof UnsyncedError) unsynced = inForce(this.#file, cause);
      else throw new SluiceError('access-write', `${this.#unwritten(this.#file, cause)} Nothing was changed`, { cause });
    }
    const notes: string[] = [];
    await this.#writeCopy(text, notes);
    return { notes, unsynced };
  }

  /** Every account is gone, and the gateway was never claimed. Rejects with `access-write`. @returns as `unsynced` of `Saved` */
  async removeAll(): Promise<string | undefined> {
    let unsynced: string | undefined;
    // The file itself goes last: as long as it is there, the others are made again from it.
    for (const file of [`${this.#copy}.damaged`, this.#copy, `${this.#file}.damaged`, this.#file])
      try {
        await removeOwn(file);
      } catch (cause) {
        if (cause instanceof UnsyncedError) unsynced = inForce(file, cause);
        else throw new SluiceError('access-write', `the accounts cannot be removed: ${toError(cause).message}`, { cause });
      }
    return unsynced;
  }

  /** The code that an earlier start made; undefined: none that can be believed. */
  async readClaim(): Promise<string | undefined> {
    const found = await readOwn(this.#claim, LONGEST_CLAIM);
    // A code that others could read may be theirs.
    return found.kind === 'text' && !found.readableByOthers ? claimCodeOf(found.text.trim()) : undefined;
  }
  /** Rejects with the fault of the file system. */
  writeClaim(code: string): Promise<void> {
    return writeOwn(this.#claim, `${code}\n`);
  }
  async removeClaim(): Promise<void> {
    if (isThere(this.#claim)) await removeOwn(this.#claim);
  }

  async #read(file: string): Promise<One> {
    const found = await readOwn(file, MOST_BYTES);
    if (found.kind === 'none') return { kind: 'none' };
    if (found.kind === 'unusable') return { kind: 'bad', why: found.why, damaged: found.why === 'is damaged' };
    const parsed = parseAccounts(found.text);
    if (parsed.kind === 'newer') return { kind: 'newer' };
    if (parsed.kind === 'damaged') return { kind: 'bad', why: 'is damaged', damaged: true };
    return { kind: 'good', stored: parsed, text: found.text, readableByOthers: found.readableByOthers };
  }

  async #closeToOthers({ readableByOthers }: { readonly readableByOthers: boolean }, notes: string[]): Promise<void> {
    if (!readableByOthers) return;
    await chmod(this.#file, 0o600).catch(() => {});
    notes.push(
      `Other users of this machine could read ${this.#file}: it is closed to them now. It has hashes of passwords only, but weak passwords can be found from them: change those.`,
    );
  }

  async #writeCopy(text: string, notes: string[]): Promise<void> {
    try {
      await writeOwn(this.#copy, text);
    } catch (thrown) {
      await removeOwn(this.#copy).catch(() => {});
      notes.push(`${this.#unwritten(this.#copy, thrown)} The accounts have no second copy until the next change.`);
    }
  }

  async #aside(file: string, { kind }: One): Promise<string> {
    if (kind === 'none') return '';
    return setAside(file).then(
      (aside) => ` The file lies in ${aside}.`,
      (thrown: unknown) => ` The file cannot be moved away: ${toError(thrown).message}.`,
    );
  }

  #unwritten(file: string, thrown: unknown): string {
    return `${file} cannot be written: ${unwrittenWords(thrown)}.`;
  }
}

const inForce = (file: string, { message }: UnsyncedError): string =>
  `The change of the accounts is in force. The disk did not confirm it (${file}: ${message}), so a power cut may take it back.`;

const ownerWords = (file: string): string =>
  ` If it is yours, give it to the user of the gateway, close it to others (chmod 600 ${file}), and start the gateway again.`;

/** Whether the gateway of a state folder ever had an administrator: any file of accounts says so, whatever is in it. */
export function wasClaimed(stateDir: string): boolean {
  return [FILE, COPY].some((name) => ['', '.damaged'].some((end) => isThere(path.join(stateDir, name + end))));
}

/** Also what cannot be looked at. */
function isThere(file: string): boolean {
  try {
    return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}
