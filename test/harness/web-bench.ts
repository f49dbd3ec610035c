/** HTTP and HTTPS of a gateway without the gateway: real accounts, a target that says what a test wants, and clients with cookies. */
import { writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { type IssueAnswer, issue } from '../../src/access/tls/issuing.ts';
import { AdminServer } from '../../src/admin/admin-server.ts';
import type { WebListen } from '../../src/admin/web-listener.ts';
import { systemClock } from '../../src/core/clock.ts';
import { BUILT } from '../../src/core/version.ts';
import { FakeTarget } from '../fakes/admin-target.ts';
import { PASSWORD, type TestAccess, testAccess } from '../fakes/test-access.ts';
import { localHttp } from './local-http.ts';
import { scratch } from './scratch.ts';
import { waitFor } from './wait-for.ts';

export interface WebBench extends TestAccess {
  readonly server: AdminServer;
  readonly target: FakeTarget;
  readonly socket: string;
  /** Certificate of the authority, PEM. */
  readonly ca: string;
  readonly https: number;
  /** Loopback HTTP, and HTTP as if others could reach it. */
  readonly http: number;
  readonly open: number;
  /** @param from the loopback address that the client has */
  client(from?: string): WebClient;
}

/** One certificate for all tests of a file: it takes a second to make. */
let made: Promise<IssueAnswer> | undefined;
const identity = (): Promise<IssueAnswer> => {
  made ??= issue({
    ...{ subject: 'g1', names: { dns: ['localhost', 'gate.clinic.org'], addresses: ['127.0.0.1'] } },
    ...{ permits: { dns: ['gate.clinic.org'], addresses: [] }, authority: undefined },
    ...{ from: BUILT, until: Date.now() + 300 * 86_400_000, caFrom: BUILT, caUntil: Date.now() + 400 * 86_400_000 },
  });
  return made;
};

export async function webBench(t: TestContext): Promise<WebBench> {
  const { server: key, authority } = await identity();
  const accounts = await testAccess(t);
  const target = new FakeTarget();
  target.people = accounts.access.people;
  target.accounts = accounts.access.accounts;
  target.claim = (request) => accounts.access.people.claim(request);
  target.names = ['gate.clinic.org', 'sluice-board'];
  const source = {
    current: { key: key.key, cert: key.certificate, fingerprint: 'AB:CD' },
    fault: undefined,
    onChange: () => () => {},
  };
  const listen: WebListen[] = [
    { host: '127.0.0.1', port: 0, door: 'https', key: 'https', tls: source },
    localHttp(),
    { host: '127.0.0.1', port: 0, door: 'open', key: 'open' },
  ];
  const socket = path.join(scratch(t, 'web'), 'sluice.sock');
  const logger = {
    debug: (data: object, message: string) => void accounts.lines.push(`${message} ${JSON.stringify(data)}`),
    info: (data: object, message: string) => void accounts.lines.push(`${message} ${JSON.stringify(data)}`),
    warn: (data: object, message: string) => void accounts.lines.push(`${message} ${JSON.stringify(data)}`),
    error: (data: object, message: string) => void accounts.lines.push(`${message} ${JSON.stringify(data)}`),
    child: () => logger,
  };
  const pages = scratch(t, 'pages');
  for (const name of ['index.html', 'entry.js', 'entry.css']) writeFileSync(path.join(pages, name), `${name} of a test\n`);
  const server = new AdminServer({ target, socketPath: socket, listen, pages, logger, clock: systemClock });
  t.after(() => server.stop());
  await server.start();
  const listeners = await waitFor('three addresses', () => {
    const { listeners } = server.http();
    return listeners.every(({ port, fault }) => port > 0 && fault === undefined) ? listeners : undefined;
  });
  const [https = 0, http = 0, open = 0] = listeners.map(({ port }) => port);
  const bench = { ...accounts, server, target, socket, ca: authority.certificate, https, http, open };
  return {
    ...bench,
    client: (from) => {
      const client = new WebClient(bench, from);
      t.after(() => client.close());
      return client;
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The code of an error. */
  readonly code: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Asking {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Takes the head of a good answer and leaves. */
  readonly headOnly?: boolean;
}

/** A browser or a program: one connection that is kept, cookies, and the CSRF token after a log-in. */
export class WebClient {
  csrf: string | undefined;
  readonly cookies = new Map<string, string>();
  /** Everything that came, for a search of secrets. */
  readonly seen: string[] = [];
  readonly #where: { readonly ca: string; readonly https: number };
  readonly #agent: Agent;
  readonly #from: string;

  constructor(where: { readonly ca: string; readonly https: number }, from = '127.0.0.1') {
    this.#where = where;
    this.#from = from;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1, ca: where.ca });
  }

  get origin(): string {
    return `https://127.0.0.1:${this.#where.https}`;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** As the page of the gateway asks: with cookies, origin and CSRF token. A header that is undefined is left out. */
  page(method: string, at: string, { body = {}, headers = {}, ...rest }: Asking = {}): Promise<Answer> {
    const own = method === 'GET' ? {} : { origin: this.origin, 'x-sluice-csrf': this.csrf };
    return this.ask(method, at, { ...rest, ...(method === 'GET' ? {} : { body }), headers: { ...own, ...headers } });
  }

  ask(method: string, at: string, { body, headers = {}, headOnly = false }: Asking = {}): Promise<Answer> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const all = {
      ...(cookie === '' ? {} : { cookie }),
      ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }),
      ...headers,
    };
    const sent = Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
    return new Promise((resolve, reject) => {
      const req = httpsRequest(
        {
          ...{ host: '127.0.0.1', port: this.#where.https, localAddress: this.#from, agent: this.#agent },
          ...{ method, path: at, headers: sent, servername: 'localhost' },
        },
        (res) => {
          let got = '';
          const done = (): void => {
            for (const line of res.headers['set-cookie'] ?? []) this.#keep(line);
            this.seen.push(JSON.stringify(res.headers), got);
            resolve(answerOf(res.statusCode ?? 0, res.headers, got));
          };
          res.setEncoding('utf8').on('data', (more: string) => {
            got += more;
          });
          res.on('end', done);
          res.on('error', reject);
          if (headOnly && (res.statusCode ?? 0) < 400) {
            done();
            res.destroy();
          }
        },
      );
      req.on('error', reject);
      req.end(text);
    });
  }

  async logIn(name: string, password = PASSWORD): Promise<Answer> {
    const answer = await this.ask('POST', '/api/v1/session', { body: { name, password }, headers: { origin: this.origin } });
    if (answer.status === 200) this.csrf = String(answer.body.csrf);
    return answer;
  }

  #keep(line: string): void {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    if (/Max-Age=0/.test(line)) this.cookies.delete(name);
    else this.cookies.set(name, value);
  }
}

/** Without TLS. */
export function askPlain(port: number, method: string, at: string, { body, headers = {} }: Asking = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = httpRequest(
      {
        ...{ host: '127.0.0.1', port, method, path: at, agent: false },
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers } as Record<string, string>,
      },
      (res) => {
        let got = '';
        const done = (): void => resolve(answerOf(res.statusCode ?? 0, res.headers, got));
        res.setEncoding('utf8').on('data', (more: string) => {
          got += more;
          // A stream has no end: its head is enough.
          if ((res.statusCode ?? 0) < 400 && !res.headers['content-length']) {
            done();
            res.destroy();
          }
        });
        res.on('end', done);
        if (/x-ndjson|event-stream/.test(String(res.headers['content-type']))) {
          done();
          res.destroy();
        }
      },
    );
    req.on('error', reject);
    req.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function answerOf(status: number, headers: IncomingHttpHeaders, text: string): Answer {
  let body: Record<string, unknown> = {};
  try {
    body = JSON.parse(text) as Record<string, unknown>;
  } catch {
    // a page, a stream, metrics
  }
  const { code } = (body.error ?? {}) as { code?: string };
  return { status, headers, text, code, body };
}
