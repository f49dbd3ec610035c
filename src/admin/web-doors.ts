/**
 * The doors of HTTP. Invariants:
 * - Before the claim, HTTP on this machine can be read, HTTPS answers the claim and its page, HTTP without TLS for others nothing.
 * - Afterwards every call needs a session or a token, except the log-in and its page. `/healthz` says to everybody that the process lives.
 * - A name that is not of this gateway gets no answer (DNS rebinding), and neither does a page of another site.
 * - An address of the network has a rate of requests. What is refused is counted.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { PERMISSIONS } from '../access/roles.ts';
import type { Clock } from '../core/clock.ts';
import type { Assets } from './assets.ts';
import { PLAIN_COOKIES, SECURE_COOKIES } from './cookies.ts';
import { type AdminDoor, ANYBODY, FOREIGN_ORIGIN, isLook } from './doors.ts';
import { isGatewayHost, isNavigation, isOfAnotherSite } from './host-check.ts';
import type { Identity } from './identity.ts';
import { RequestRate } from './request-rate.ts';
import { HttpError } from './respond.ts';
import type { Permission } from './routes/route.ts';
import type { AdminTarget } from './target.ts';
import { nobodyAt, WebCallers } from './web-callers.ts';
import type { WebDoor } from './web-listener.ts';

export interface WebDoorsOptions {
  readonly target: Pick<AdminTarget, 'people' | 'names'>;
  readonly clock: Clock;
  readonly assets: Assets;
}

/** Requests that were refused before they were looked at, since the start. */
export interface WebRefusals {
  /** A Host that is no name of this gateway. */
  hosts: number;
  /** A page of another site, or no CSRF token. */
  origins: number;
  /** Too many of one address. */
  requests: number;
}

export class WebDoors {
  readonly refused: WebRefusals = { hosts: 0, origins: 0, requests: 0 };
  /** A request was one too many for its address. */
  onTooMany: (socket: Socket) => void = () => {};
  readonly #o: WebDoorsOptions;
  readonly #rate = new RequestRate();
  readonly #doors: Readonly<Record<WebDoor, AdminDoor>>;

  constructor(options: WebDoorsOptions) {
    this.#o = options;
    this.#doors = { http: this.#make('http'), https: this.#make('https'), open: this.#make('open') };
  }

  door(name: WebDoor): AdminDoor {
    return this.#doors[name];
  }

  #make(name: WebDoor): AdminDoor {
    const scheme = name === 'https' ? 'https' : 'http';
    const callers = new WebCallers({
      ...{ scheme, people: this.#o.target.people },
      cookies: name === 'https' ? SECURE_COOKIES : PLAIN_COOKIES,
      onForged: () => this.refused.origins++,
    });
    const callerOf = ({ socket }: IncomingMessage) => ({ address: socket.remoteAddress, door: scheme }) as const;
    return {
      name,
      admit: (req, pathname) => this.#admit(req, name, pathname),
      page: (pathname) => this.#o.assets.get(pathname),
      offers: ({ method }) => method === 'GET' || name !== 'http' || this.#o.target.people.claimed,
      callerOf,
      identify: async (req, route) => this.#identify(req, route, name, callers, callerOf(req)),
      session: (req, res) => callers.session(req, res, callerOf(req)),
    };
  }

  #admit({ headers, rawHeaders, socket }: IncomingMessage, name: WebDoor, pathname: string): void {
    const { target, clock, assets } = this.#o;
    if (name !== 'http' && !this.#rate.takes(socket.remoteAddress, clock.monotonic())) {
      this.refused.requests++;
      this.onTooMany(socket);
      throw new HttpError(429, 'too-many-requests', 'too many requests from this address; wait a second', { 'Retry-After': '1' });
    }
    // RFC 9112, 3.2: something in between may have looked at the other one.
    if (rawHeaders.filter((one, i) => i % 2 === 0 && one.toLowerCase() === 'host').length > 1)
      throw new HttpError(400, 'bad-request', 'a request names one Host', { Connection: 'close' });
    if (!isGatewayHost(headers.host, target.names)) {
      this.refused.hosts++;
      throw new HttpError(
        421,
        'host-not-allowed',
        'use an address, localhost, a .local name or a name of dashboard.names to reach the gateway',
      );
    }
    const scheme = name === 'https' ? 'https' : 'http';
    if (isOfAnotherSite(headers, scheme) && !(assets.has(pathname) && headers.origin === undefined && isNavigation(headers))) {
      this.refused.origins++;
      throw new HttpError(403, 'foreign-origin', FOREIGN_ORIGIN);
    }
  }

  async #identify(
    req: IncomingMessage,
    route: Permission,
    name: WebDoor,
    callers: WebCallers,
    caller: ReturnType<AdminDoor['callerOf']>,
  ): Promise<Identity> {
    const nobody: Identity = { by: nobodyAt(caller.door) };
    if (route.action === 'health') return nobody;
    const { claimed } = this.#o.target.people;
    if (!claimed && name === 'http') {
      // What was begun before the claim ends with it.
      if (isLook(route)) return { by: ANYBODY, holds: () => !this.#o.target.people.claimed };
      throw new HttpError(403, 'socket-only', 'this call works on the Unix socket only; use the command line of the gateway');
    }
    if (!claimed && (name === 'open' || route.path !== '/api/v1/claim' || route.method !== 'POST'))
      throw new HttpError(403, 'unclaimed', UNCLAIMED[name === 'open' ? 'open' : 'https']);
    if (PERMISSIONS[route.action] !== 'everybody') return callers.identify(req, caller);
    callers.assertJson(req);
    return nobody;
  }
}

const UNCLAIMED = {
  https:
    'the gateway has no administrator yet: open its first page and enter the claim code, which "sluice claim" shows on the board',
  open: 'the gateway has no administrator yet: claim it over HTTPS, or on the board with "sluice user add NAME --role administrator"',
} as const;
