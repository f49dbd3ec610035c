/**
 * Who calls over HTTP and HTTPS. Invariants:
 * - A program shows a token as `Authorization: Bearer`; cookies of such a request count for nothing.
 * - A person has a session in a cookie. What changes something also needs the origin of the gateway's own page, and the CSRF token,
 *   which only that page can read.
 * - What a caller may is not decided here (access/roles.ts).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller, PeopleAccess } from '../core/access-ports.ts';
import type { Principal } from '../core/commands.ts';
import { SluiceError } from '../core/errors.ts';
import { isOfThisBoard } from '../core/peer-place.ts';
import { type CookieNames, cookieOf, cookieText } from './cookies.ts';
import { isOwnOrigin } from './host-check.ts';
import type { Identity, WebSession } from './identity.ts';
import { MARK_AGE } from './limits.ts';
import { CHALLENGE, HttpError } from './respond.ts';

/** Characters of a token or a cookie that are looked at. */
const LONGEST = 256;

export interface WebCallersOptions {
  readonly people: PeopleAccess;
  readonly cookies: CookieNames;
  readonly scheme: 'http' | 'https';
  /** A request without a right origin, content type or CSRF token was refused. */
  readonly onForged: () => void;
}

export class WebCallers {
  readonly #o: WebCallersOptions;

  constructor(options: WebCallersOptions) {
    this.#o = options;
  }

  /** Rejects with HttpError unauthorized, csrf; SluiceError unauthorized, throttled. */
  async identify(req: IncomingMessage, caller: Caller): Promise<Identity> {
    const { people } = this.#o;
    const { authorization } = req.headers;
    if (authorization !== undefined) {
      const token = /^Bearer +([\w-]+)$/i.exec(authorization.slice(0, LONGEST))?.[1];
      if (token === undefined)
        throw new HttpError(401, 'unauthorized', 'a program sends its token as "Authorization: Bearer slt_…"', CHALLENGE);
      return { by: await people.token(token, caller), holds: () => people.holds({ token }) };
    }
    const session = this.#sessionOf(req);
    const by = session === undefined ? undefined : people.session(session, caller.door);
    if (session === undefined || by === undefined)
      throw new HttpError(401, 'unauthorized', 'log in first, or send a token as "Authorization: Bearer slt_…"', CHALLENGE);
    if (req.method !== 'GET' && req.method !== 'HEAD') this.#assertOwnPage(req, session);
    return { by, holds: () => people.holds({ session }) };
  }

  /** For calls that need no session: a page of another site can make a browser send texts and forms, and no JSON. */
  assertJson(req: IncomingMessage): void {
    if (!/^application\/json *(?:;|$)/i.test(req.headers['content-type'] ?? ''))
      throw this.#forged(415, 'not-json', 'send JSON, with "Content-Type: application/json"');
  }

  session(req: IncomingMessage, res: ServerResponse, caller: Caller): WebSession {
    const { people, cookies } = this.#o;
    const id = this.#sessionOf(req);
    const forget = (): void => {
      res.appendHeader('Set-Cookie', cookieText(cookies.session, '', cookies.secure, 0));
    };
    return {
      csrf: id === undefined || req.headers.authorization !== undefined ? undefined : csrfOf(id),
      logIn: async (name, password) => {
        const mark = this.#markOf(req);
        const made = await people.logIn({ name, password, caller, mark });
        if (id !== undefined) people.logOut(id);
        res.appendHeader('Set-Cookie', cookieText(cookies.session, made.id, cookies.secure));
        res.appendHeader('Set-Cookie', cookieText(cookies.mark, made.mark, cookies.secure, MARK_AGE));
        return { by: made.principal, csrf: csrfOf(made.id) };
      },
      logOut: () => {
        if (id !== undefined) people.logOut(id);
        forget();
      },
      at: {
        hostname: /^(?:\[[^\]]+\]|[^:]+)/.exec(req.headers.host ?? '')?.[0].toLowerCase() ?? '',
        tls: this.#o.scheme === 'https',
        local: caller.address !== undefined && isOfThisBoard(caller.address),
      },
      ticket: (origin) => {
        if (id === undefined || req.headers.authorization !== undefined) throw new SluiceError('unauthorized');
        return people.ticket(id, caller.door, origin);
      },
      changePassword: async (name, password, next) => {
        await people.changePassword({ name, password, next, caller, mark: this.#markOf(req) });
        forget();
      },
    };
  }

  #sessionOf({ headers }: IncomingMessage): string | undefined {
    return cookieOf(headers, this.#o.cookies.session)?.slice(0, LONGEST);
  }
  #markOf({ headers }: IncomingMessage): string | undefined {
    return cookieOf(headers, this.#o.cookies.mark)?.slice(0, LONGEST);
  }

  #assertOwnPage(req: IncomingMessage, session: string): void {
    const { headers } = req;
    const { origin } = headers;
    const own =
      origin === undefined ? headers['sec-fetch-site'] === 'same-origin' : isOwnOrigin(origin, headers.host, this.#o.scheme);
    if (!own)
      throw this.#forged(403, 'foreign-origin', 'only the pages of the gateway itself may use a session; a program uses a token');
    this.assertJson(req);
    const given = headers['x-sluice-csrf'];
    if (typeof given !== 'string' || !isSame(given, csrfOf(session)))
      throw this.#forged(403, 'csrf', 'the header X-Sluice-CSRF is missing or wrong; GET /api/v1/session shows its value');
  }

  #forged(status: number, code: string, message: string): HttpError {
    this.#o.onForged();
    return new HttpError(status, code, message);
  }
}

/** It follows from the id of the session, which no script can read, and does not show it. */
function csrfOf(session: string): string {
  return createHash('sha256').update(`csrf ${session}`).digest('base64url');
}

function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Somebody who has not said who he is. */
export function nobodyAt(door: Principal['door']): Principal {
  return { who: 'nobody', door, role: 'device' };
}
