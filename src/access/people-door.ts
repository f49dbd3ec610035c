/** People with sessions, programs with tokens, and the claim: what HTTPS needs. */
import type { Caller, ClaimRequest, NewSession, PeopleAccess, PersonLogin } from '../core/access-ports.ts';
import type { Door, Principal } from '../core/commands.ts';
import { SluiceError } from '../core/errors.ts';
import { hasAdministrator, type User, withPassword, withUser } from './accounts.ts';
import { unauthorized } from './log-ins.ts';
import { checkName, checkPassword } from './names.ts';
import type { AccessParts } from './parts.ts';
import { claimCodeOf, isSecretOf, newTokenId, sha256, tokenIdOf } from './secrets.ts';

export class PeopleDoor implements PeopleAccess {
  readonly #parts: AccessParts;
  readonly #listeners = new Set<() => void>();

  constructor(parts: AccessParts) {
    this.#parts = parts;
  }

  get claimed(): boolean {
    return this.#parts.book.state !== 'unclaimed';
  }

  async logIn(login: PersonLogin): Promise<NewSession> {
    const { logIns, sessions, clock, audit } = this.#parts;
    const { user, mark } = await logIns.person(login);
    const principal = principalOf(user, login.caller.door);
    audit.accepted(principal, login.caller);
    return { id: sessions.begin(user.name, clock.monotonic()), mark, principal };
  }

  session(id: string, door: Door): Principal | undefined {
    const { sessions, book, clock } = this.#parts;
    const name = sessions.use(id, clock.monotonic());
    const user = name === undefined ? undefined : book.user(name);
    return user === undefined ? undefined : principalOf(user, door);
  }

  logOut(id: string): void {
    this.#parts.sessions.end(id);
    for (const listener of this.#listeners) listener();
  }

  async token(text: string, caller: Caller): Promise<Principal> {
    const { name, role, id } = this.#parts.logIns.token(text, undefined, caller);
    return { who: name, door: caller.door, role, account: `token:${id}` };
  }

  holds(credential: { readonly session: string } | { readonly token: string }): boolean {
    const { sessions, book, clock } = this.#parts;
    if ('session' in credential) {
      const name = sessions.userOf(credential.session, clock.monotonic());
      return name !== undefined && book.user(name) !== undefined;
    }
    const token = book.token(tokenIdOf(credential.token) ?? '');
    return token !== undefined && isSecretOf(credential.token, token.secret) && !book.isExpired(token);
  }

  onRevoked(listener: () => void): () => void {
    this.#listeners.add(listener);
    const end = this.#parts.book.onRevoked(() => listener());
    return () => {
      end();
      this.#listeners.delete(listener);
    };
  }

  async claim({ code: typed, name, password, caller }: ClaimRequest): Promise<Principal> {
    const { book, audit, logIns, random } = this.#parts;
    if (book.state !== 'unclaimed') throw alreadyClaimed();
    const wasRight = logIns.claim(caller);
    const code = book.code;
    const given = claimCodeOf(typed);
    if (code === undefined || given === undefined || !isSecretOf(given, sha256(code))) {
      audit.refused('claim', undefined, 'wrong claim code', caller);
      throw new SluiceError('unauthorized', 'this is not the claim code of the gateway; "sluice claim" shows it on the board');
    }
    wasRight();
    checkName(name);
    checkPassword(password, name);
    const hash = await logIns.hash(password, false);
    const user = { name, id: newTokenId(random), role: 'administrator', password: hash } as const;
    await book.change((accounts) => {
      // Two people may have the code at the same time: the first one becomes the administrator.
      if (hasAdministrator(accounts) || book.code !== code) throw alreadyClaimed();
      return withUser(accounts, user);
    });
    const principal = principalOf(user, caller.door);
    audit.changed('claim', `The gateway was claimed by ${name}, its first administrator,`, principal, { user: name });
    return principal;
  }

  async changePassword({ next, ...login }: PersonLogin & { readonly next: string }): Promise<void> {
    const { book, audit, logIns } = this.#parts;
    const { user } = await logIns.person(login);
    checkPassword(next, user.name);
    const hash = await logIns.hash(next, true);
    await book.change((accounts) => {
      if (accounts.users.every((u) => u.name !== user.name || u.password !== user.password)) throw unauthorized();
      return withPassword(accounts, user.name, hash);
    });
    const by = principalOf(user, login.caller.door);
    audit.changed('user-password', `The user ${user.name} has a new password, set`, by, { user: user.name });
  }
}

function principalOf({ name, id = '', role }: User, door: Door): Principal {
  return { who: name, door, role, account: `user:${name}.${id}` };
}

const alreadyClaimed = (): SluiceError =>
  new SluiceError('exists', 'the gateway is claimed already: its administrators add further users');
