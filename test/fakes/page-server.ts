/** A gateway for the status page: it answers what the page asks, as a test wants it, and serves the page as the real one does. */
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecure } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { LiveStream } from '../../src/admin/live/live-stream.ts';
import type { AlarmChanges } from '../../src/admin/live/live-types.ts';
import { Packing } from '../../src/admin/packing.ts';
import type { History } from '../../src/admin/pages/chart/series.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { FlowsList } from '../../src/core/flow-revisions.ts';
import type { FakeLive } from './live-source.ts';
import { NOW } from './page-sites.ts';

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES: Readonly<Record<string, string>> = {
  ...{ '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' },
  '.woff2': 'font/woff2',
};

interface Tls {
  readonly key: string;
  readonly cert: string;
}

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
  flows: 'off' | 'none' | 'some' | 'odd';
  /** Query of each live answer that was asked for. */
  readonly asked: URLSearchParams[];
}

/** Revisions of flows, the newest first. `odd`: labels and names as nobody should write them. */
function flowsOf(kind: PageAnswers['flows']): FlowsList {
  const none = { state: 'running', faults: [], current: null, revisions: [], held: 0, damaged: 0 } as const;
  if (kind === 'off') return { ...none, state: 'off' };
  if (kind === 'none') return none;
  const odd = kind === 'odd' ? '<img src=x onerror="document.title=`broken`">'.repeat(3) : '';
  const changes = {
    added: [`Cold room${odd}`],
    removed: [],
    changed: ['a', 'b', 'c', 'd', 'e', 'f'],
    other: true,
    passwords: true,
  };
  const one = { bytes: 900, stored: 300, hash: '0123456789abcdef', tabs: [], moreTabs: 0, nodes: 14, changes };
  return {
    ...{ ...none, state: kind === 'odd' ? 'safe-mode' : 'running', faults: kind === 'odd' ? [`it ended 5 times ${odd}`] : [] },
    ...{ current: 3, held: 0, damaged: 0 },
    revisions: [
      { ...one, number: 3, time: NOW - 60_000, who: `anna${odd}`, origin: 'deploy', ranWell: false },
      { ...one, number: 2, time: NOW - 7_200_000, who: 'unknown', origin: 'found', ranWell: true, estimated: true },
      { ...one, number: 1, time: NOW - 9_000_000, who: 'rahim', origin: 'example', ranWell: false, changes: undefined },
    ],
  };
}

export class PageServer {
  readonly answers: PageAnswers;
  /** Milliseconds between rounds: faster than the page asks for, since tests wait for what it shows. */
  every = 100;
  /** Answers with values are compressed as by a gateway. */
  packs = true;
  readonly #folder: string;
  readonly #server: Server;
  readonly #scheme: 'http' | 'https';
  readonly #open = new Set<ServerResponse>();
  readonly #packing = new Packing();

  private constructor(folder: string, answers: PageAnswers, tls?: Tls) {
    this.#folder = folder;
    this.answers = answers;
    const answer = (req: IncomingMessage, res: ServerResponse) => void this.#answer(req, res);
    this.#scheme = tls === undefined ? 'http' : 'https';
    this.#server = tls === undefined ? createServer(answer) : createSecure(tls, answer);
  }

  /** @param folder the built page. @param tls absent: without TLS */
  static async start(t: Pick<TestContext, 'after'>, folder: string, live: FakeLive, tls?: Tls): Promise<PageServer> {
    const server = new PageServer(
      folder,
      {
        ...{ session: { name: 'anna', role: 'operator' }, live, history: () => undefined, changes: { changes: [], cut: false } },
        ...{ refuse: undefined, posted: [], refusal: undefined, asked: [], flows: 'some' },
      },
      tls,
    );
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      server.drop();
      server.#server.closeAllConnections();
      server.#server.close();
    });
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}/`;
  }

  /** Ends every open answer, as a gateway that stops does. */
  drop(): void {
    for (const res of this.#open) res.destroy();
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? '/', this.url);
    if (!this.packs && url.pathname.startsWith('/api/')) delete req.headers['accept-encoding'];
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
        return history === undefined ? refused(res, 404, 'not-found') : this.#packing.json(res, history);
      }
      case '/api/v1/alarm-changes':
        return json(res, answers.changes);
      case '/api/v1/waiting':
        return json(res, { forwarders: [{ name: 'ministry', readings: 48_211, exact: false }] });
      case '/api/v1/flows':
        return json(res, flowsOf(answers.flows));
      case '/api/v1/flows/examples':
        return json(res, { examples: [{ name: 'sms-gateway', title: 'Sends an SMS for an alarm.', text: '', nodes: 9 }] });
      case '/api/v1/editor':
        return json(res, { on: answers.flows !== 'off', state: 'running' });
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
    const state = this.answers.flows === 'odd' ? 'safe-mode' : 'running';
    json(res, pathname === '/api/v1/flows/restart' ? { state } : {});
  }

  #live(res: ServerResponse, asked: URLSearchParams): void {
    this.#open.add(res);
    const out = this.#packing.events(res);
    const gone = new AbortController();
    res.once('close', () => {
      this.#open.delete(res);
      gone.abort();
    });
    const after = asked.get('after') ?? undefined;
    new LiveStream(this.answers.live, systemClock, { after, every: this.every }).run(out, gone.signal).catch(() => res.destroy());
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
