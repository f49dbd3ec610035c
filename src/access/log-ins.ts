/**
 * The checks behind every log-in. Invariants:
 * - A password of a person costs one slow hash, whether the name is there or not, and only within the budgets of back-off.ts.
 * - A password of a device and a token have 128 random bits and a shape of their own: they are checked at once, and a right one is
 *   never refused for what others try. The shape of what was sent decides how it is checked, never the name.
 * - What was wrong is not said to the caller.
 */
import type { Caller } from '../core/access-ports.ts';
import type { Clock } from '../core/clock.ts';
import { SluiceError } from '../core/errors.ts';
import { placeOf } from '../core/peer-place.ts';
import { aboutDuration } from '../core/units.ts';
import type { AccessAudit } from './access-audit.ts';
import type { AccountBook } from './account-book.ts';
import type { Device, Token, User } from './accounts.ts';
import { BackOff, Budgets } from './back-off.ts';
import type { Tables } from './back-off-file.ts';
import { isName, LONGEST_PASSWORD } from './names.ts';
import { type Cost, hashPassword, isPasswordOf, nobodysHash } from './password.ts';
import { isSecretOf, type RandomBytes, randomText, sha256, tokenIdOf } from './secrets.ts';
import { SlowHash } from './slow-hash.ts';

/** No name of an account: what is not even a name shares one budget. */
const NO_NAME = '?';
/** Characters of a mark that are looked at. */
const LONGEST_MARK = 64;
/** Claims that are checked in a minute, from everywhere together. */
const CLAIMS = 60;
const MINUTE = 60_000;

export interface LogInsOptions {
  readonly clock: Clock;
  readonly book: AccountBook;
  readonly audit: AccessAudit;
  readonly random: RandomBytes;
  readonly cost: Cost;
  /** Somebody has to wait after a wrong try. */
  readonly waits: () => void;
  /** Who got in before has changed. */
  readonly known: () => void;
}

export interface PersonTry {
  readonly name: string;
  readonly password: string;
  readonly caller: Caller;
  readonly mark?: string | undefined;
}

export class LogIns {
  readonly #o: LogInsOptions;
  readonly #hashes = new SlowHash();
  readonly #backOff = new BackOff();
  /** Wrong secrets of machines, and wrong claim codes, by where they come from. */
  readonly #machines = new Budgets();
  readonly #claims = new Budgets();
  #claimed = { since: 0, count: 0 };
  readonly #nobody: string;
  readonly #noSecret: string;
  /** Passwords of people that were checked since the start, for tests and measurements. */
  checked = 0;

  constructor(options: LogInsOptions) {
    this.#o = options;
    this.#nobody = nobodysHash(options.cost);
    this.#noSecret = sha256(randomText(options.random));
  }

  /** A person. @returns the user, and a mark for the browser. Rejects with `unauthorized`, `throttled` */
  async person({ name, password, caller, mark }: PersonTry): Promise<{ user: User; mark: string }> {
    const { clock, book, audit, random } = this.#o;
    const key = isName(name) ? name : NO_NAME;
    const kept = mark === undefined ? undefined : sha256(mark.slice(0, LONGEST_MARK));
    const paid = this.#backOff.take({ name: key, address: caller.address, mark: kept }, clock.monotonic());
    if (typeof paid === 'number') {
      audit.throttled('log-in', caller);
      throw throttled(paid);
    }
    let hash = this.#nobody;
    let right = false;
    try {
      right = await this.#hashes.run(() => {
        hash = book.user(key)?.password ?? this.#nobody;
        this.checked++;
        return isPasswordOf(Buffer.byteLength(password) > 4 * LONGEST_PASSWORD ? '' : password, hash);
      }, paid.known);
    } catch (thrown) {
      paid.back();
      if (thrown instanceof SluiceError && thrown.code === 'throttled') audit.throttled('log-in', caller);
      throw thrown;
    }
    // It may have been removed or changed meanwhile.
    const user = book.user(key);
    if (!right || user === undefined || user.password !== hash) {
      if (paid.waits) this.#o.waits();
      audit.refused('log-in', user?.name, user === undefined ? 'there is no such user' : 'wrong password', caller);
      throw unauthorized();
    }
    const newMark = randomText(random);
    paid.right(clock.monotonic(), sha256(newMark));
    if (!paid.known) this.#o.known();
    return { user, mark: newMark };
  }

  /** What to keep of a new password. @param known an administrator or a person who is logged in. Rejects with `throttled` */
  hash(password: string, known: boolean): Promise<string> {
    return this.#hashes.run(() => hashPassword(password, this.#o.cost), known);
  }

  /** A device with its password. @throws SluiceError unauthorized, throttled */
  device(name: string, secret: string, caller: Caller): Device {
    const device = this.#o.book.device(name);
    if (isSecretOf(secret, device?.secret ?? this.#noSecret) && device !== undefined) return device;
    throw this.#wrongMachine(device?.name, device === undefined ? 'there is no such device' : 'wrong password', caller);
  }

  /** A device with its certificate. @throws SluiceError unauthorized, throttled */
  certificate(certificate: string, caller: Caller): Device {
    const device = this.#o.book.deviceOfCertificate(certificate);
    if (device !== undefined) return device;
    throw this.#wrongMachine(undefined, 'no device has this certificate', caller);
  }

  /** @param name as which the program calls itself; undefined: the door has no names for tokens. @throws SluiceError unauthorized, throttled */
  token(text: string, name: string | undefined, caller: Caller): Token {
    const token = this.#o.book.token(tokenIdOf(text) ?? '');
    const right = isSecretOf(text, token?.secret ?? this.#noSecret);
    if (right && token !== undefined && (name === undefined || name === token.name)) {
      if (!this.#o.book.isExpired(token)) return token;
      throw this.#wrongMachine(token.name, 'its token has expired', caller);
    }
    throw this.#wrongMachine(token?.name, token === undefined ? 'there is no such token' : 'wrong token', caller);
  }

  /** A claim code that is typed somewhere. @returns ends it as right. @throws SluiceError throttled */
  claim(caller: Caller): () => void {
    const now = this.#o.clock.monotonic();
    const place = placeOf(caller.address);
    if (now - this.#claimed.since >= MINUTE) this.#claimed = { since: now, count: 0 };
    const wait = Math.max(this.#claims.waits(place, now), this.#claimed.count < CLAIMS ? 0 : this.#claimed.since + MINUTE - now);
    if (wait > 0) {
      this.#o.audit.throttled('claim', caller);
      throw throttled(wait);
    }
    this.#claimed.count++;
    if (this.#claims.pay(place, now)) this.#o.waits();
    return () => this.#claims.payBack(place);
  }

  /** A refusal of a log-in for which there is nothing to check. */
  refuse(why: string, caller: Caller): SluiceError {
    return this.#wrongMachine(undefined, why, caller);
  }

  /** Nobody is known under this name any more. */
  forget(name: string): void {
    this.#backOff.forget(name);
    this.#o.known();
  }

  /** For the next start. @param most rows a table */
  kept(most: number): Tables {
    const { clock, book } = this.#o;
    const now = clock.monotonic();
    return {
      ...this.#backOff.kept(now, most, (name) => book.user(name) !== undefined),
      ...{ machines: this.#machines.kept(now, most), claims: this.#claims.kept(now, most) },
    };
  }
  /** What the last run left, before the first try. */
  restore(tables: Tables): void {
    const now = this.#o.clock.monotonic();
    this.#backOff.restore(tables, now);
    this.#machines.restore(tables.machines, now);
    this.#claims.restore(tables.claims, now);
  }

  #wrongMachine(account: string | undefined, why: string, caller: Caller): SluiceError {
    const now = this.#o.clock.monotonic();
    const place = placeOf(caller.address);
    const wait = this.#machines.waits(place, now);
    if (wait > 0) {
      this.#o.audit.throttled('log-in', caller);
      return throttled(wait);
    }
    if (this.#machines.pay(place, now)) this.#o.waits();
    this.#o.audit.refused('log-in', account, why, caller);
    return unauthorized();
  }
}

export function unauthorized(): SluiceError {
  return new SluiceError('unauthorized', 'the log-in was refused: name, password, token or certificate is not right');
}

function throttled(wait: number): SluiceError {
  const seconds = Math.max(1, Math.ceil(wait / 1000));
  return new SluiceError(
    'throttled',
    `too many failed tries; nothing was checked. Try again in ${aboutDuration(seconds * 1000)}`,
    {
      data: { retryAfter: seconds },
    },
  );
}
