/**
 * The calls of the local API, the same through both doors (the Unix socket and loopback HTTP). Invariants:
 * - Each route names what it needs (access/roles.ts). What viewers may not, and every POST, is answered on the Unix socket only,
 *   where the kernel says who calls. A GET writes nothing.
 * - A path is compared letter by letter: nothing is decoded or resolved, so a route has one spelling.
 * - A web page of another origin gets nothing (host-check.ts).
 * - Each door has its own slots for long answers: readers of HTTP cannot keep the operator's commands waiting.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { may } from '../access/roles.ts';
import type { SocketCallers } from '../access/socket-callers.ts';
import type { Clock } from '../core/clock.ts';
import type { Principal } from '../core/commands.ts';
import { accountRoutes } from './account-routes.ts';
import { CaptureStream } from './capture-stream.ts';
import { isLocalHost, isOfAnotherSite } from './host-check.ts';
import { MAX_CAPTURES, MAX_EXPORTS, MAX_QUESTIONS, MAX_TAILS, READER_STALL } from './limits.ts';
import { METRICS_TYPE, metricsText, type StatusReport } from './metrics.ts';
import type { ProcessMeter } from './process-meter.ts';
import { exportQuery, historyQuery, removedQuery } from './queries.ts';
import { jsonBody, partsOf, word } from './read-request.ts';
import { HttpError, head, sendError, sendJson, sendText } from './respond.ts';
import type { Call, Entry, Permission, Route, Slots } from './routes.ts';

import { TailStream } from './tail-stream.ts';
import type { AdminTarget, ExportQuery, WriteReply } from './target.ts';
import { exchangeQuery } from './wire-queries.ts';

export type Door = 'socket' | 'http';

/** Who may open the socket, or loopback HTTP, may at least look; the kernel is not asked who it is. */
const ANYBODY: Principal = { who: 'anybody', door: 'socket', role: 'viewer' };
const isLook = (method: string | undefined, entry: Entry): boolean =>
  method === 'GET' && 'needs' in entry && may(ANYBODY, entry.needs);

export class Api {
  readonly #target: AdminTarget;
  readonly #meter: ProcessMeter;
  readonly #clock: Clock;
  readonly #callers: SocketCallers;
  readonly #routes: Readonly<Record<string, Route>>;
  /** Answers without an end of their own: tails and captures. */
  readonly #endless = new Set<ServerResponse>();
  readonly #slots: Readonly<Record<Door, Slots>> = { socket: noSlots(), http: noSlots() };

  constructor(target: AdminTarget, meter: ProcessMeter, clock: Clock, callers: SocketCallers) {
    this.#target = target;
    this.#callers = callers;
    this.#meter = meter;
    this.#clock = clock;
    this.#routes = {
      '/healthz': { GET: { needs: 'health', run: ({ res }) => sendJson(res, 200, { status: 'ok' }) } },
      '/readyz': { GET: { needs: 'status', run: ({ res }) => this.#ready(res) } },
      '/metrics': { GET: { needs: 'status', run: ({ res }) => sendText(res, 200, METRICS_TYPE, metricsText(this.#report())) } },
      '/api/v1/status': { GET: { needs: 'status', run: ({ res }) => sendJson(res, 200, this.#report()) } },
      '/api/v1/tail': { GET: { needs: 'readings', run: ({ res, slots }) => this.#tail(res, slots) } },
      '/api/v1/export': {
        GET: {
          needs: 'history',
          run: ({ res, asked, slots }) => this.#export(res, slots, exportQuery(asked, this.#target.now())),
        },
      },
      '/api/v1/history': {
        GET: {
          needs: 'history',
          run: ({ res, asked, slots }) =>
            this.#ask(res, slots, () => this.#target.history(historyQuery(asked, this.#target.now()))),
        },
      },
      '/api/v1/removed': {
        GET: {
          needs: 'history',
          run: ({ res, asked, slots }) => this.#ask(res, slots, () => this.#target.removed(removedQuery(asked))),
        },
      },
      '/api/v1/waiting': {
        GET: { needs: 'status', run: ({ res, slots }) => this.#ask(res, slots, () => this.#target.waiting()) },
      },
      '/api/v1/read': {
        POST: {
          commands: 'read',
          run: async ({ res, body, by }) =>
            sendJson(res, 200, await this.#target.read(word(body, 'device'), body.raw === true, by)),
        },
      },
      '/api/v1/write': {
        POST: { commands: 'write', run: async ({ res, body, by }) => sendJson(res, 200, await this.#write(body, by)) },
      },
      '/api/v1/exchange': {
        POST: {
          commands: 'exchange',
          run: async ({ res, body, by }) => sendJson(res, 200, await this.#target.wire.exchange(exchangeQuery(body), by)),
        },
      },
      '/api/v1/capture': {
        POST: { commands: 'capture', run: ({ res, body, slots, by }) => this.#capture(res, slots, word(body, 'bus'), by) },
      },
      '/api/v1/acknowledge': {
        POST: {
          commands: 'acknowledge',
          run: async ({ res, body, by }) =>
            sendJson(res, 200, await this.#target.acknowledge(word(body, 'rule'), occurrenceOf(body), by)),
        },
      },
      '/api/v1/shelve': {
        POST: {
          commands: 'shelve',
          run: async ({ res, body, by }) =>
            sendJson(res, 200, await this.#target.shelve(word(body, 'rule'), shelvingOf(body), reasonOf(body), by)),
        },
      },
      '/api/v1/reload': {
        POST: { commands: 'reload', run: async ({ res, by }) => sendJson(res, 200, await this.#target.reload(by)) },
      },
      ...accountRoutes(target),
    };
  }

  /** What each route needs, and whether the command port decides. */
  get permissions(): readonly Permission[] {
    return Object.entries(this.#routes).flatMap(([path, route]) =>
      (['GET', 'POST'] as const).flatMap((method): Permission[] => {
        const entry = route[method];
        if (entry === undefined) return [];
        return 'needs' in entry
          ? [{ method, path, action: entry.needs, kind: 'needs' }]
          : [{ method, path, action: entry.commands, kind: 'commands' }];
      }),
    );
  }

  /** Never rejects: every fault becomes an answer. */
  async handle(req: IncomingMessage, res: ServerResponse, from: Door): Promise<void> {
    try {
      if (from === 'http' && !isLocalHost(req.headers.host))
        throw new HttpError(421, 'host-not-allowed', 'use an address, localhost or a .local name to reach the gateway');
      if (isOfAnotherSite(req.headers))
        throw new HttpError(403, 'foreign-origin', 'pages of other sites get no answer; open the address of the gateway itself');
      const { pathname, asked } = partsOf(req.url ?? '');
      const route = Object.hasOwn(this.#routes, pathname) ? this.#routes[pathname] : undefined;
      if (route === undefined) throw new HttpError(404, 'not-found', `there is no ${pathname} here`);
      const method = req.method === 'HEAD' ? 'GET' : req.method;
      const entry = method === 'GET' ? route.GET : method === 'POST' ? route.POST : undefined;
      if (from === 'http' && entry !== undefined && !isLook(method, entry))
        throw new HttpError(403, 'socket-only', 'this call works on the Unix socket only; use the command line of the gateway');
      if (entry === undefined) {
        const allowed = [...(route.GET ? ['GET', 'HEAD'] : []), ...(route.POST && from === 'socket' ? ['POST'] : [])];
        throw new HttpError(405, 'method-not-allowed', `${pathname} does not know ${req.method}`, {
          Allow: allowed.join(', '),
        });
      }
      const body = method === 'POST' ? await jsonBody(req) : {};
      if (req.method === 'HEAD' && streams(pathname)) {
        head(res, 200, 'application/octet-stream');
        res.end();
        return;
      }
      const call = { asked, body, res, slots: this.#slots[from] };
      if (isLook(method, entry)) await entry.run({ ...call, by: ANYBODY });
      else {
        // The kernel is asked only for what not everybody at the socket may do.
        const by = await this.#callers.principal(req.socket);
        if ('needs' in entry) this.#target.permit(entry.needs, by);
        await entry.run({ ...call, by });
      }
    } catch (thrown) {
      // The rest of a refused body is not read: the connection ends with the answer.
      if (!req.complete && !res.headersSent) res.setHeader('Connection', 'close');
      sendError(res, thrown);
    }
  }

  /** Ends the answers that have no end of their own. */
  endTails(): void {
    for (const res of this.#endless) res.end();
  }

  #report(): StatusReport {
    return { ...this.#target.status(), process: this.#meter.read() };
  }

  #write(body: Call['body'], by: Principal): Promise<WriteReply> {
    const { value } = body;
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
      throw new HttpError(400, 'request-invalid', 'the body needs "value", a number, true, false or a text');
    return this.#target.write(word(body, 'point'), value, by);
  }

  #ready(res: ServerResponse): void {
    const report = this.#target.ready();
    sendJson(res, report.ready ? 200 : 503, report);
  }

  #tail(res: ServerResponse, slots: Slots): void {
    if (slots.tails >= MAX_TAILS) throw new HttpError(503, 'busy', `at most ${MAX_TAILS} tails run at one time; end another`);
    head(res, 200, 'application/x-ndjson; charset=utf-8');
    res.flushHeaders();
    const stream = new TailStream(res);
    const unsubscribe = this.#target.tail((item) => stream.push(item));
    slots.tails++;
    this.#endless.add(res);
    const cancelStall = this.#watchStall(res);
    res.once('close', () => {
      cancelStall();
      slots.tails--;
      this.#endless.delete(res);
      unsubscribe();
    });
  }

  #capture(res: ServerResponse, slots: Slots, bus: string, by: Principal): void {
    if (slots.captures >= MAX_CAPTURES)
      throw new HttpError(503, 'busy', `at most ${MAX_CAPTURES} captures run at one time; end another`);
    const stream = new CaptureStream(res);
    const capture = this.#target.wire.capture(
      bus,
      (frame) => stream.push(frame),
      () => res.end(),
      by,
    );
    slots.captures++;
    head(res, 200, 'application/x-ndjson; charset=utf-8');
    stream.begin(capture.head);
    this.#endless.add(res);
    const cancelStall = this.#watchStall(res);
    res.once('close', () => {
      cancelStall();
      this.#endless.delete(res);
      slots.captures--;
      capture.stop();
    });
  }

  async #ask(res: ServerResponse, slots: Slots, answer: () => Promise<unknown>): Promise<void> {
    if (slots.questions >= MAX_QUESTIONS)
      throw new HttpError(503, 'busy', `at most ${MAX_QUESTIONS} questions to the log run at one time; try again`);
    slots.questions++;
    try {
      sendJson(res, 200, await answer());
    } finally {
      slots.questions--;
    }
  }

  async #export(res: ServerResponse, slots: Slots, query: ExportQuery): Promise<void> {
    if (slots.exports >= MAX_EXPORTS)
      throw new HttpError(503, 'busy', `at most ${MAX_EXPORTS} exports run at one time; try again`);
    slots.exports++;
    const gone = new AbortController();
    const closed = () => gone.abort();
    res.once('close', closed);
    let cancelStall = (): void => {};
    try {
      for await (const text of this.#target.export(query)) {
        if (!res.headersSent) {
          // Only now, so that a fault at the start still becomes a proper answer.
          this.#exportHead(res, query.format);
          cancelStall = this.#watchStall(res);
        }
        if (!res.write(text)) await once(res, 'drain', { signal: gone.signal });
        if (gone.signal.aborted) return;
      }
      if (!res.headersSent) this.#exportHead(res, query.format);
      res.end();
    } catch (thrown) {
      // The reader went away: nobody would get the error.
      if (!gone.signal.aborted) throw thrown;
    } finally {
      cancelStall();
      slots.exports--;
      res.off('close', closed);
    }
  }

  #exportHead(res: ServerResponse, format: ExportQuery['format']): void {
    const type = format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson; charset=utf-8';
    head(res, 200, type, { 'Content-Disposition': `attachment; filename="readings.${format}"` });
  }

  /** Cuts off a reader that takes nothing while something waits for it. */
  #watchStall(res: ServerResponse): () => void {
    let cancel = (): void => {};
    let waiting = -1;
    const look = (): void => {
      const socket = res.socket;
      const left = socket === null ? 0 : socket.bytesWritten - socket.writableLength;
      if (socket !== null && socket.writableLength > 0 && left === waiting) {
        res.destroy();
        return;
      }
      waiting = left;
      cancel = this.#clock.after(READER_STALL, look);
    };
    cancel = this.#clock.after(READER_STALL, look);
    return () => cancel();
  }
}

const noSlots = (): Slots => ({ tails: 0, captures: 0, exports: 0, questions: 0 });

function streams(pathname: string): boolean {
  return pathname === '/api/v1/tail' || pathname === '/api/v1/export';
}

function occurrenceOf({ occurrence }: Readonly<Record<string, unknown>>): number | undefined {
  if (occurrence === undefined) return undefined;
  if (typeof occurrence === 'number' && Number.isSafeInteger(occurrence) && occurrence > 0) return occurrence;
  throw new HttpError(400, 'request-invalid', '"occurrence" is a whole number, 1 or more');
}

function shelvingOf({ for: length }: Readonly<Record<string, unknown>>): number | null {
  if (length === null || typeof length === 'number') return length;
  throw new HttpError(400, 'request-invalid', 'the body needs "for": milliseconds, or null to end the shelving');
}

function reasonOf(body: Readonly<Record<string, unknown>>): string | undefined {
  return body.reason === undefined ? undefined : word(body, 'reason');
}
