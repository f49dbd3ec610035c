/** Who calls at a door of the front: a person by the cookie of this door, at HTTP-in also a program by its token. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller, PeopleAccess } from '../../core/access-ports.ts';
import type { Principal } from '../../core/commands.ts';
import { SluiceError } from '../../core/errors.ts';
import { type CookieNames, cookieOf, cookieText, PLAIN_COOKIES, SECURE_COOKIES } from '../cookies.ts';
import { MARK_AGE } from '../limits.ts';
import type { FrontKind } from './headers.ts';

/** Characters of a cookie or token that are looked at. */
const LONGEST = 256;

export interface Known {
  readonly by: Principal;
  readonly holds: () => boolean;
  /** By a session in a cookie, and not by a token. */
  readonly session: boolean;
  /** For bounds of one caller. It is not shown. */
  readonly owner: string;
}

export class FrontSessions {
  readonly #kind: FrontKind;
  readonly #people: PeopleAccess;

  constructor(kind: FrontKind, people: PeopleAccess) {
    this.#kind = kind;
    this.#people = people;
  }

  /** @returns undefined: nobody who is known. Rejects with SluiceError throttled after many wrong tokens */
  async identify(req: IncomingMessage, caller: Caller): Promise<Known | undefined> {
    const people = this.#people;
    const { authorization } = req.headers;
    if (this.#kind === 'http-in' && authorization !== undefined) {
      const token = /^Bearer +([\w-]+)$/i.exec(authorization.slice(0, LONGEST))?.[1];
      if (token === undefined) return undefined;
      try {
        const by = await people.token(token, caller);
        return { by, holds: () => people.holds({ token }), session: false, owner: token };
      } catch (thrown) {
        if (thrown instanceof SluiceError && thrown.code === 'unauthorized') return undefined;
        throw thrown;
      }
    }
    const session = this.#idOf(req, caller);
    const by = session === undefined ? undefined : people.session(session, caller.door, this.#kind);
    if (session === undefined || by === undefined) return undefined;
    return { by, holds: () => people.holds({ session, realm: this.#kind }), session: true, owner: session };
  }

  /** Sets the cookies of the answer. Rejects with SluiceError unauthorized, throttled, forbidden (the role). */
  async logIn(req: IncomingMessage, res: ServerResponse, caller: Caller, name: string, password: string): Promise<void> {
    const { session, mark, secure } = this.#cookies(caller);
    const kept = cookieOf(req.headers, mark)?.slice(0, LONGEST);
    const before = this.#idOf(req, caller);
    const made = await this.#people.logIn({ name, password, caller, mark: kept, realm: this.#kind });
    if (before !== undefined) this.#people.logOut(before);
    res.appendHeader('Set-Cookie', cookieText(session, made.id, secure));
    res.appendHeader('Set-Cookie', cookieText(mark, made.mark, secure, MARK_AGE));
  }

  /** @throws SluiceError unauthorized, forbidden */
  redeem(req: IncomingMessage, res: ServerResponse, caller: Caller, ticket: string, origin: string): void {
    const { session, secure } = this.#cookies(caller);
    const before = this.#idOf(req, caller);
    const made = this.#people.redeem(ticket, origin, caller);
    if (before !== undefined) this.#people.logOut(before);
    res.appendHeader('Set-Cookie', cookieText(session, made.id, secure));
  }

  logOut(req: IncomingMessage, res: ServerResponse, caller: Caller): void {
    const { session, secure } = this.#cookies(caller);
    const id = this.#idOf(req, caller);
    if (id !== undefined) this.#people.logOut(id);
    res.appendHeader('Set-Cookie', cookieText(session, '', secure, 0));
  }

  #idOf({ headers }: IncomingMessage, caller: Caller): string | undefined {
    return cookieOf(headers, this.#cookies(caller).session)?.slice(0, LONGEST);
  }

  /** The mark is the one of the status page: it is the same browser. */
  #cookies({ door }: Caller): CookieNames {
    const { session, ...rest } = door === 'https' ? SECURE_COOKIES : PLAIN_COOKIES;
    return { ...rest, session: `${session}-${this.#kind}` };
  }
}
