/**
 * Answers the calls of the API, the same through every door. The routes are in routes/table.ts, the doors in doors.ts. Invariants:
 * - Each route names what it needs (access/roles.ts). A GET writes nothing.
 * - A path is compared letter by letter: nothing is decoded or resolved, so a route has one spelling.
 * - A web page of another origin gets nothing (host-check.ts).
 * - A long answer to a session or a token ends with it (known-callers.ts).
 * - Who calls is known, and may, before the body is read. The schema of the route checks the body before the route runs.
 * - Each door has its own places for long answers: readers of HTTP cannot keep the operator's commands waiting.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { may } from '../access/roles.ts';
import type { Clock } from '../core/clock.ts';
import type { Principal } from '../core/commands.ts';
import { SluiceError } from '../core/errors.ts';
import { sendAsset } from './assets.ts';
import type { AdminDoor } from './doors.ts';
import { KnownCallers } from './known-callers.ts';
import * as limits from './limits.ts';
import { LongAnswers } from './long-answers.ts';
import type { StatusReport } from './metric.ts';
import { MetricsPage } from './metrics-page.ts';
import { Packing } from './packing.ts';
import type { ProcessMeter } from './process-meter.ts';
import { jsonBody, partsOf, queryOf } from './read-request.ts';
import { CHALLENGE, HttpError, head, JSON_TYPE, sendError } from './respond.ts';
import type { Method, Route } from './routes/route.ts';
import { ROUTES } from './routes/table.ts';
import { StatusPage } from './status-page.ts';
import type { AdminTarget } from './target.ts';

/** By path, then by method. */
const BY_PATH: ReadonlyMap<string, ReadonlyMap<string, Route>> = ROUTES.reduce((paths, route) => {
  const methods = paths.get(route.path) ?? new Map<Method, Route>();
  return paths.set(route.path, methods.set(route.method, route));
}, new Map<string, Map<Method, Route>>());

export class Api {
  readonly #target: AdminTarget;
  readonly #meter: ProcessMeter;
  readonly #long: Readonly<Record<AdminDoor['name'], LongAnswers>>;
  readonly #known: KnownCallers;
  readonly #packing = new Packing();
  readonly #metrics: MetricsPage;
  readonly #status: StatusPage;
  #endRevoked: (() => void) | undefined;
  #large = 0;

  constructor(target: AdminTarget, meter: ProcessMeter, clock: Clock) {
    this.#target = target;
    this.#meter = meter;
    this.#known = new KnownCallers(clock);
    this.#metrics = new MetricsPage(clock, () => this.#report());
    this.#status = new StatusPage(clock, () => this.#report());
    const long = (share?: number) => new LongAnswers(clock, this.#known, this.#packing, share);
    const { SHARE_OF_ADDRESS: share } = limits;
    this.#long = { socket: long(), http: long(), https: long(share), open: long(share) };
  }

  start(): void {
    this.#endRevoked = this.#target.people.onRevoked(() => this.#known.look());
  }

  /** Ends the answers that have no end of their own. */
  stop(): void {
    this.#endRevoked?.();
    this.#known.stop();
    for (const long of Object.values(this.#long)) long.end();
  }

  /** Never rejects: every fault becomes an answer. */
  async handle(req: IncomingMessage, res: ServerResponse, door: AdminDoor): Promise<void> {
    try {
      const { url = '' } = req;
      // Before the URL is judged: a wrong one counts for its address, too.
      door.admit(req, url.split('?', 1)[0] ?? '');
      const { pathname, asked } = partsOf(url);
      const page = door.page(pathname);
      if (page !== undefined) {
        await sendAsset(req, res, page);
        return;
      }
      const methods = BY_PATH.get(pathname);
      if (methods === undefined) throw new HttpError(404, 'not-found', `there is no ${pathname} here`);
      const route = methods.get(req.method === 'HEAD' ? 'GET' : (req.method ?? ''));
      if (route === undefined)
        throw notAllowed(
          req.method,
          pathname,
          [...methods.values()].filter((r) => door.offers(r)),
        );
      const { by, holds } = await door.identify(req, route);
      // What may be looked at is answered while the gateway starts and stops, too.
      const looks = route.method === 'GET' && may(by, route.action);
      if (route.kind === 'needs' && !looks) this.#target.permit(route.action, by);
      const run = route.begin(route.method === 'GET' ? queryOf(asked) : await this.#body(req, route, by));
      const [type = JSON_TYPE] = route.answers.types;
      if (req.method === 'HEAD' && type !== JSON_TYPE) {
        head(res, 200, type);
        res.end();
        return;
      }
      // A body may come slowly: the session may have ended meanwhile.
      if (holds?.() === false) throw new HttpError(401, 'unauthorized', 'the session has ended; log in again', CHALLENGE);
      const [caller, session] = [door.callerOf(req), door.session(req, res)];
      const [long, packing] = [this.#long[door.name], this.#packing];
      const call = { target: this.#target, by, caller, session, res, holds, long, packing };
      const status = () => (door.name === 'socket' ? this.#status.now : this.#status.recent);
      try {
        await run({ ...call, status, metrics: () => this.#metrics.bytes });
      } finally {
        if (route.method !== 'GET') this.#status.changed();
      }
    } catch (thrown) {
      // The rest of a refused body is not read: the connection ends with the answer.
      if (!req.complete && !res.headersSent) res.setHeader('Connection', 'close');
      sendError(res, thrown);
    }
  }

  /** The command port would look at the permission after the body: a large one is read from those only who may. */
  async #body(req: IncomingMessage, { longest, action }: Route, by: Principal): Promise<Record<string, unknown>> {
    if (longest === undefined) return jsonBody(req);
    this.#target.permit(action, by);
    if (this.#large >= limits.MAX_LARGE_BODIES) throw new SluiceError('busy', 'other imports are under way; try again');
    this.#large++;
    try {
      return await jsonBody(req, longest);
    } finally {
      this.#large--;
    }
  }

  #report(): StatusReport {
    return { ...this.#target.status(), process: this.#meter.read() };
  }
}

function notAllowed(method: string | undefined, pathname: string, routes: readonly Route[]): HttpError {
  const allowed = routes.flatMap((route) => (route.method === 'GET' ? ['GET', 'HEAD'] : [route.method]));
  return new HttpError(405, 'method-not-allowed', `${pathname} does not know ${method}`, { Allow: allowed.join(', ') });
}
