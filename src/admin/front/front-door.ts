/**
 * One door of the front: the editor, or HTTP-in nodes. Invariants (docs/decisions/node-red-front.md):
 * - The session comes first, then the proxy: nothing of a request reaches Node-RED before the caller is known, and may. The one
 *   exception is a switch of the operator (`nodeRed.http.logIn: open`).
 * - Each door has a cookie of its own, which counts for nothing at another door and nowhere else. The gateway's own session counts
 *   for nothing here.
 * - Host, then origin, then path are judged before anything else. A path has one spelling (paths.ts), and nothing is matched by Referer.
 * - What changes something on behalf of a session, and each WebSocket of a session, names this very origin.
 * - HTTP-in nodes are not there at the door of the editor, and nothing of the editor is there at theirs.
 * - Who changes flows is said (FlowDeploys) before Node-RED gets the request, and reported afterwards.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { may } from '../../access/roles.ts';
import type { Caller } from '../../core/access-ports.ts';
import { NODE_ROOT } from '../../core/flow-supervisor.ts';
import { placeOf } from '../../core/peer-place.ts';
import { FOREIGN_ORIGIN } from '../doors.ts';
import { isGatewayHost } from '../host-check.ts';
import type { Identity } from '../identity.ts';
import { KnownCallers } from '../known-callers.ts';
import { partsOf } from '../read-request.ts';
import { RequestRate } from '../request-rate.ts';
import { CHALLENGE, described, HttpError, JSON_TYPE, sendError } from '../respond.ts';
import type { WebDoor } from '../web-listener.ts';
import { changeOf } from './changes.ts';
import { forward } from './forward.ts';
import { entryOf, FrontPages, isOwnPath } from './front-pages.ts';
import { FrontSessions } from './front-sessions.ts';
import type { FrontSide } from './front-side.ts';
import { type FrontKind, inbound } from './headers.ts';
import { MAX_FORWARDS, REQUESTS_AT_ONCE, REQUESTS_PER_SECOND } from './limits.ts';
import { isForeign, isOfOwnPage, isWorkerOverAll } from './origin-check.ts';
import { assertCanonical, isBelow } from './paths.ts';
import { WebSockets } from './web-sockets.ts';

/** Since the start. */
export interface FrontRefusals {
  /** A Host that is no name of this gateway. */
  hosts: number;
  /** A page of another origin. */
  origins: number;
  /** Too many of one address, or too many at once. */
  requests: number;
  /** No session, or no right token. */
  strangers: number;
}

const METHODS: Readonly<Record<FrontKind, readonly string[]>> = {
  editor: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
  'http-in': ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'],
};
/** Where the editor has its WebSocket. */
const COMMS = '/comms';

interface Looked {
  readonly req: IncomingMessage;
  readonly pathname: string;
  /** From the question mark on. */
  readonly search: string;
  readonly asked: URLSearchParams;
  readonly scheme: 'http' | 'https';
  readonly caller: Caller;
}

export class FrontDoor {
  readonly refused: FrontRefusals = { hosts: 0, origins: 0, requests: 0, strangers: 0 };
  readonly sockets: WebSockets;
  readonly #kind: FrontKind;
  readonly #side: FrontSide;
  readonly #rate = new RequestRate({ atOnce: REQUESTS_AT_ONCE, perSecond: REQUESTS_PER_SECOND });
  readonly #known: KnownCallers;
  readonly #sessions: FrontSessions;
  readonly #pages: FrontPages;
  #forwards = 0;
  #endRevoked: (() => void) | undefined;

  constructor(kind: FrontKind, side: FrontSide) {
    this.#kind = kind;
    this.#side = side;
    this.#known = new KnownCallers(side.clock);
    this.sockets = new WebSockets(side.clock, this.#known);
    this.#sessions = new FrontSessions(kind, side.people);
    this.#pages = new FrontPages(kind, side, this.#sessions);
  }

  start(): void {
    this.#endRevoked = this.#side.people.onRevoked(() => this.#known.look());
  }

  stop(): void {
    this.#endRevoked?.();
    this.#known.stop();
    this.sockets.endAll();
  }

  /** Never rejects: every fault becomes an answer. */
  async handle(req: IncomingMessage, res: ServerResponse, door: WebDoor): Promise<void> {
    try {
      const looked = this.#look(req, door);
      const { pathname, scheme } = looked;
      const method = req.method ?? '';
      if (!METHODS[this.#kind].includes(method))
        throw new HttpError(405, 'method-not-allowed', `this door does not know ${method}`, {
          Allow: METHODS[this.#kind].join(', '),
        });
      if (isOwnPath(pathname)) {
        await this.#pages.answer(req, res, looked);
        return;
      }
      if (isWorkerOverAll(req.headers, this.#kind, pathname))
        throw new HttpError(403, 'forbidden', 'a service worker would answer for the log-in page of the gateway');
      if (this.#kind === 'editor' && isBelow(pathname, NODE_ROOT))
        throw new HttpError(404, 'not-found', 'HTTP-in nodes have an address of their own (nodeRed.http)');
      const identity = await this.#identify(looked);
      if (identity === undefined) {
        if (this.#pages.leadsToLogIn(req, res, pathname)) return;
        throw this.#stranger();
      }
      const changes = method !== 'GET' && method !== 'HEAD';
      if (changes && identity.session && !isOfOwnPage(req.headers, scheme)) throw this.#foreign();
      const { editor: socketPath } = this.#side.flows;
      if (socketPath === undefined) {
        this.#pages.down(req, res);
        return;
      }
      await this.#forward(req, res, looked, identity, socketPath);
    } catch (thrown) {
      if (!req.complete && !res.headersSent) res.setHeader('Connection', 'close');
      sendError(res, thrown);
    }
  }

  /** A WebSocket is joined, or the connection gets an answer and ends. Never rejects. */
  async upgrade(req: IncomingMessage, socket: Socket, head: Buffer, door: WebDoor): Promise<void> {
    socket.on('error', () => socket.destroy());
    try {
      const looked = this.#look(req, door);
      const { pathname, search, scheme, caller } = looked;
      if (isOwnPath(pathname) || (this.#kind === 'editor' && pathname !== COMMS))
        throw new HttpError(404, 'not-found', 'there is no WebSocket here');
      const identity = await this.#identify(looked);
      if (identity === undefined) throw this.#stranger();
      if (identity.session && !isOfOwnPage(req.headers, scheme)) throw this.#foreign();
      const { editor: socketPath } = this.#side.flows;
      if (socketPath === undefined) throw new HttpError(503, 'not-running', 'Node-RED does not run');
      const { by } = identity;
      await this.sockets.join({
        ...{ req, socket, head, socketPath, holds: identity.holds, owner: identity.owner },
        path: this.#pathOf(pathname, search),
        headers: inbound(req.headers, { kind: this.#kind, scheme, address: caller.address, by }),
      });
    } catch (thrown) {
      refuseUpgrade(socket, thrown);
    }
  }

  #look(req: IncomingMessage, door: WebDoor): Looked {
    const { headers, rawHeaders, socket, url = '', method = '' } = req;
    const { people, names, clock } = this.#side;
    const scheme = door === 'https' ? 'https' : 'http';
    if (!this.#rate.takes(socket.remoteAddress, clock.monotonic())) {
      this.refused.requests++;
      throw new HttpError(429, 'too-many-requests', 'too many requests from this address; wait a second', { 'Retry-After': '1' });
    }
    if (rawHeaders.filter((one, i) => i % 2 === 0 && one.toLowerCase() === 'host').length > 1)
      throw new HttpError(400, 'bad-request', 'a request names one Host', { Connection: 'close' });
    if (!isGatewayHost(headers.host, names())) {
      this.refused.hosts++;
      throw new HttpError(421, 'host-not-allowed', 'use an address, localhost, a .local name or a name of dashboard.names');
    }
    const { pathname, asked } = partsOf(url);
    assertCanonical(pathname);
    if (isForeign({ headers, method, scheme, kind: this.#kind, entry: entryOf(pathname) })) throw this.#foreign();
    if (!people.claimed)
      throw new HttpError(403, 'unclaimed', 'the gateway has no administrator yet; claim it on its status page');
    return {
      req,
      pathname,
      asked,
      search: url.slice(pathname.length),
      scheme,
      caller: { address: socket.remoteAddress, door: scheme },
    };
  }

  async #identify({ req, caller }: Looked): Promise<(Identity & { session: boolean; owner: string }) | Nobody | undefined> {
    if (this.#side.open() && this.#kind === 'http-in') return { session: false, owner: placeOf(caller.address), by: undefined };
    const known = await this.#sessions.identify(req, caller);
    if (known !== undefined && !may(known.by, 'flows'))
      throw new HttpError(403, 'forbidden', `flows need the role flow-editor, and ${known.by.who} is ${known.by.role}`);
    return known;
  }

  async #forward(
    req: IncomingMessage,
    res: ServerResponse,
    { pathname, search, scheme, caller }: Looked,
    { by, holds }: Identity | Nobody,
    socketPath: string,
  ): Promise<void> {
    if (this.#forwards >= MAX_FORWARDS) {
      this.refused.requests++;
      throw new HttpError(503, 'busy', 'Node-RED has too many requests at work; try again', { 'Retry-After': '2' });
    }
    const kind = this.#kind;
    const change = kind === 'editor' && by !== undefined ? changeOf(req.method ?? '', pathname) : undefined;
    const nothing = change?.flows !== undefined && by !== undefined ? this.#side.deploys.deploying(by, change.flows) : undefined;
    const forget = holds === undefined ? undefined : this.#known.add(holds, () => res.destroy());
    this.#forwards++;
    try {
      const headers = inbound(req.headers, { kind, scheme, address: caller.address, by });
      const status = await forward(req, res, { socketPath, kind, path: this.#pathOf(pathname, search), headers });
      if (status !== undefined && status >= 400) nothing?.();
      if (change !== undefined && by !== undefined) this.#side.audit.changed(change, by, caller, status);
    } finally {
      this.#forwards--;
      forget?.();
    }
  }

  #pathOf(pathname: string, search: string): string {
    return `${this.#kind === 'editor' ? '' : NODE_ROOT}${pathname}${search}`;
  }

  #foreign(): HttpError {
    this.refused.origins++;
    return new HttpError(403, 'foreign-origin', FOREIGN_ORIGIN);
  }
  #stranger(): HttpError {
    this.refused.strangers++;
    return new HttpError(401, 'unauthorized', 'log in first: open this address in a browser', CHALLENGE);
  }
}

interface Nobody {
  readonly session: false;
  readonly owner: string;
  readonly by: undefined;
  readonly holds?: undefined;
}

/** As a request is answered. There is no ServerResponse for a WebSocket that is not joined. */
function refuseUpgrade(socket: Socket, thrown: unknown): void {
  if (socket.destroyed) return;
  const { status, code, message, headers } = described(thrown);
  const body = `${JSON.stringify({ error: { code, message } })}\n`;
  const about = { ...headers, Connection: 'close', 'Content-Type': JSON_TYPE, 'Content-Length': Buffer.byteLength(body) };
  const fields = Object.entries(about).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} Refused\r\n${fields.join('')}\r\n${body}`);
}
