/** People with sessions, programs with tokens, and the claim: what HTTPS needs. */
import type { Caller, ClaimRequest, NewSession, PeopleAccess, PersonLogin, Realm } from '../core/access-ports.ts';
import type { Door, Principal } from '../core/commands.ts';
import { SluiceError } from '../core/errors.ts';
import { hasAdministrator, type User, withPassword, withUser } from './accounts.ts';
import { unauthorized } from './log-ins.ts';
import { checkName, checkPassword } from './names.ts';
import type { AccessParts } from './parts.ts';
import { assertMay } from './roles.ts';
import { claimCodeOf, isSecretOf, newTokenId, sha256, tokenIdOf } from './secrets.ts';
import { Tickets } from './tickets.ts';

export class PeopleDoor implements PeopleAccess {
  readonly #parts: AccessParts;
  readonly #listeners = new Set<() => void>();
  readonly #tickets: Tickets;

  constructor(parts: AccessParts) {
    this.#parts = parts;
    this.#tickets = new Tickets(parts.random);
  }

  get claimed(): boolean {
    return this.#parts.book.state !== 'unclaimed';
  }

  async logIn({ realm = 'gateway', ...login }: PersonLogin): Promise<NewSession> {
    const { user, mark } = await this.#parts.logIns.person(login);
    return { id: this.#begin(user, login.caller, realm), mark, principal: principalOf(user, login.caller.door) };
  }

  session(id: string, door: Door, realm: Realm = 'gateway'): Principal | undefined {
    const { sessions, book, clock } = this.#parts;
    const name = sessions.use(id, clock.monotonic(), realm);
    const user = name === undefined ? undefined : book.user(name);
    return user === undefined ? undefined : principalOf(user, door);
  }

  ticket(session: string, door: Door, origin: string): string {
    const by = this.session(session, door);
    if (by === undefined) throw unauthorized();
    assertMay(by, 'flows');
    return this.#tickets.make(session, origin, this.#parts.clock.monotonic());
  }

  redeem(ticket: string, origin: string, caller: Caller): Omit<NewSession, 'mark'> {
    const { sessions, book, clock } = this.#parts;
    const parent = this.#tickets.take(ticket, origin, clock.monotonic());
    const name = parent === undefined ? undefined : sessions.userOf(parent, clock.monotonic());
    const user = name === undefined ? undefined : book.user(name);
    if (user === undefined)
      throw new SluiceError('unauthorized', 'this link was used already or is older than 30 s; log in with name and password');
    return { id: this.#begin(user, caller, 'editor', parent), principal: principalOf(user, caller.door) };
  }

  logOut(id: string): void {
    this.#parts.sessions.end(id);
    for (const listener of this.#listeners) listener();
  }

  async token(text: string, caller: Caller): Promise<Principal> {
    const { name, role, id } = this.#parts.logIns.token(text, undefined, caller);
    return { who: name, door: caller.door, role, account: `token:${id}` };
  }

  holds(credential: { readonly session: string; readonly realm?: Realm } | { readonly token: string }): boolean {
    const { sessions, book, clock } = this.#parts;
    if ('session' in credential) {
      const name = sessions.userOf(credential.session, clock.monotonic(), credential.realm);
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

  #begin(user: User, caller: Caller, realm: Realm, parent?: string): string {
    const { sessions, clock, audit } = this.#parts;
    const by = principalOf(user, caller.door);
    if (realm !== 'gateway') {
      try {
        assertMay(by, 'flows');
      } catch (thrown) {
        audit.refused('log-in', user.name, `${AT[realm]} needs the role flow-editor, and ${user.name} is ${user.role}`, caller);
        throw thrown;
      }
    }
    audit.accepted(by, caller, realm);
    return sessions.begin(user.name, clock.monotonic(), realm, parent);
  }
}

const AT = { editor: 'the editor of flows', 'http-in': 'HTTP-in' } as const;

function principalOf({ name, id = '', role }: User, door: Door): Principal {
  return { who: name, door, role, account: `user:${name}.${id}` };
}

const alreadyClaimed = (): SluiceError =>
  new SluiceError('exists', 'the gateway is claimed already: its administrators add further users');
