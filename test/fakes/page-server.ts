/** A gateway for the status page: it answers what the page asks, as a test wants it, and serves the page as the real one does. */
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { LiveStream } from '../../src/admin/live/live-stream.ts';
import type { AlarmChanges } from '../../src/admin/live/live-types.ts';
import type { History } from '../../src/admin/pages/chart/series.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { FakeLive } from './live-source.ts';

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES: Readonly<Record<string, string>> = {
  ...{ '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' },
  '.woff2': 'font/woff2',
};

export interface PageAnswers {
  /** Who is logged in; `looks`: nobody, and the door lets everybody look. */
  session: 'unclaimed' | 'nobody' | 'looks' | { readonly name: string; readonly role: string };
  live: FakeLive;
  history: (point: string, from: string) => History | undefined;
  changes: AlarmChanges;
  /** The live answer is refused with this status. */
  refuse: number | undefined;
  /** What the page sent to change something. */
  readonly posted: { readonly path: string; readonly body: unknown; readonly csrf: string | undefined }[];
  /** The next POST is refused with this code. */
  refusal: { readonly status: number; readonly code: string } | undefined;
  /** Query of each live answer that was asked for. */
  readonly asked: URLSearchParams[];
}

export class PageServer {
  readonly answers: PageAnswers;
  /** Milliseconds between rounds: faster than the page asks for, since tests wait for what it shows. */
  every = 100;
  readonly #folder: string;
  readonly #server: Server;
  readonly #open = new Set<ServerResponse>();

  private constructor(folder: string, answers: PageAnswers) {
    this.#folder = folder;
    this.answers = answers;
    this.#server = createServer((req, res) => void this.#answer(req, res));
  }

  /** @param folder the built page */
  static async start(t: Pick<TestContext, 'after'>, folder: string, live: FakeLive): Promise<PageServer> {
    const server = new PageServer(folder, {
      ...{ session: { name: 'anna', role: 'operator' }, live, history: () => undefined, changes: { changes: [], cut: false } },
      ...{ refuse: undefined, posted: [], refusal: undefined, asked: [] },
    });
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      server.drop();
      server.#server.closeAllConnections();
      server.#server.close();
    });
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** Ends every open answer, as a gateway that stops does. */
  drop(): void {
    for (const res of this.#open) res.destroy();
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? '/', this.url);
    const { answers } = this;
    if (req.method === 'POST') return this.#post(req, res, url.pathname);
    switch (url.pathname) {
      case '/api/v1/session':
        if (answers.session === 'unclaimed') return refused(res, 403, 'unclaimed');
        if (answers.session === 'nobody') return refused(res, 401, 'unauthorized');
        return json(res, answers.session === 'looks' ? { role: 'viewer' } : { ...answers.session, csrf: 'secret' });
      case '/api/v1/live':
        answers.asked.push(url.searchParams);
        if (answers.refuse !== undefined) return refused(res, answers.refuse, answers.refuse === 503 ? 'busy' : 'unauthorized');
        return this.#live(res, url.searchParams);
      case '/api/v1/history': {
        const history = answers.history(url.searchParams.get('point') ?? '', url.searchParams.get('from') ?? '');
        return history === undefined ? refused(res, 404, 'not-found') : json(res, history);
      }
      case '/api/v1/alarm-changes':
        return json(res, answers.changes);
      case '/api/v1/waiting':
        return json(res, { forwarders: [{ name: 'ministry', readings: 48_211, exact: false }] });
      case '/api/v1/users':
        return json(res, {
          ...{ devices: [] },
          users: [
            { name: 'anna', role: 'administrator', sessions: 2 },
            { name: 'rahim', role: 'operator', sessions: 0 },
          ],
        });
      default:
        return this.#file(req, res, url.pathname);
    }
  }

  async #post(req: IncomingMessage, res: ServerResponse, pathname: string): Promise<void> {
    let text = '';
    for await (const piece of req.setEncoding('utf8')) text += piece;
    const csrf = req.headers['x-sluice-csrf'];
    this.answers.posted.push({ path: pathname, body: JSON.parse(text), csrf: Array.isArray(csrf) ? csrf[0] : csrf });
    const { refusal } = this.answers;
    this.answers.refusal = undefined;
    if (refusal !== undefined) return refused(res, refusal.status, refusal.code);
    if (pathname === '/api/v1/session') this.answers.session = { name: 'anna', role: 'operator' };
    if (pathname === '/api/v1/session/end') this.answers.session = 'nobody';
    json(res, {});
  }

  #live(res: ServerResponse, asked: URLSearchParams): void {
    res.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' });
    this.#open.add(res);
    const gone = new AbortController();
    res.once('close', () => {
      this.#open.delete(res);
      gone.abort();
    });
    const after = asked.get('after') ?? undefined;
    new LiveStream(res, this.answers.live, systemClock, { after, every: this.every }).run(gone.signal).catch(() => res.destroy());
  }

  #file(req: IncomingMessage, res: ServerResponse, pathname: string): void {
    const name = pathname === '/' ? 'index.html' : pathname.slice(1);
    if (!readdirSync(this.#folder).includes(name)) {
      refused(res, 404, 'not-found');
      return;
    }
    const packed = /gzip/.test(String(req.headers['accept-encoding'])) && readdirSync(this.#folder).includes(`${name}.gz`);
    res.writeHead(200, {
      ...{ 'Content-Type': TYPES[path.extname(name)] ?? 'text/plain', 'Content-Security-Policy': CSP },
      ...{
        'X-Content-Type-Options': 'nosniff',
        'Cache-Control': name === 'index.html' ? 'no-cache' : 'private, max-age=31536000, immutable',
        ...(packed ? { 'Content-Encoding': 'gzip' } : {}),
      },
    });
    res.end(readFileSync(path.join(this.#folder, packed ? `${name}.gz` : name)));
  }
}

function json(res: ServerResponse, body: object): void {
  res.writeHead(200, { 'Content-Type': 'application/json' });
  res.end(JSON.stringify(body));
}
function refused(res: ServerResponse, status: number, code: string): void {
  res.writeHead(status, { 'Content-Type': 'application/json' });
  res.end(JSON.stringify({ error: { code, message: 'the gateway says no' } }));
}
