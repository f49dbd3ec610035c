/** The requests that the front answers itself: everything below `/-/`, and what a browser gets while Node-RED does not run. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../../core/access-ports.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { sendAsset } from '../assets.ts';
import { FOREIGN_ORIGIN } from '../doors.ts';
import { HttpError } from '../respond.ts';
import type { FrontSessions } from './front-sessions.ts';
import type { FrontSide } from './front-side.ts';
import type { FrontKind } from './headers.ts';
import { MAX_FORM } from './limits.ts';
import { type Entry, isOfOwnPage } from './origin-check.ts';
import {
  ENTER,
  enterPage,
  FONT,
  LOG_IN,
  LOG_OUT,
  logInPage,
  type PageFacts,
  SESSION,
  sendPage,
  sessionPage,
  textPage,
} from './pages.ts';
import { assertCanonical } from './paths.ts';
import { type Language, languageOf, words } from './words.ts';

const LONGEST_PATH = 1_000;

/** Whether Node-RED never sees it. */
export const isOwnPath = (pathname: string): boolean => pathname === '/-' || pathname.startsWith('/-/');
/**
 * Pages that links may lead to. From any site: they show nothing without the cookie of this door, which does not come along then. From
 * the same host: the status page leads here with a ticket.
 */
export function entryOf(pathname: string): Entry {
  if (pathname === '/' || pathname === LOG_IN || pathname === SESSION) return 'any-site';
  return pathname === ENTER ? 'same-site' : 'none';
}

interface Asked {
  readonly pathname: string;
  readonly asked: URLSearchParams;
  readonly scheme: 'http' | 'https';
  readonly caller: Caller;
}

export class FrontPages {
  readonly #kind: FrontKind;
  readonly #side: Pick<FrontSide, 'title' | 'flows' | 'font'>;
  readonly #sessions: FrontSessions;

  constructor(kind: FrontKind, side: Pick<FrontSide, 'title' | 'flows' | 'font'>, sessions: FrontSessions) {
    this.#kind = kind;
    this.#side = side;
    this.#sessions = sessions;
  }

  /** Rejects with HttpError, SluiceError. */
  async answer(req: IncomingMessage, res: ServerResponse, looked: Asked): Promise<void> {
    const { pathname, asked, caller, scheme } = looked;
    const { method = '' } = req;
    const language = languageOf(req.headers['accept-language'], asked.get('lang') ?? undefined);
    const looks = method === 'GET' || method === 'HEAD';
    const facts = this.#facts(language);
    if (pathname === LOG_IN && looks) sendPage(res, 200, logInPage(facts, { to: ownPath(asked.get('to')) }));
    else if (pathname === LOG_IN && method === 'POST') await this.#logIn(req, res, looked);
    else if (pathname === LOG_OUT && method === 'POST') {
      if (!isOfOwnPage(req.headers, scheme)) throw new HttpError(403, 'foreign-origin', FOREIGN_ORIGIN);
      this.#sessions.logOut(req, res, caller);
      leadTo(res, LOG_IN);
    } else if (pathname === SESSION && looks) {
      const known = await this.#sessions.identify(req, caller);
      if (known === undefined) leadTo(res, LOG_IN);
      else sendPage(res, 200, sessionPage(facts, known.by.who));
    } else if (pathname === ENTER && method === 'GET' && this.#kind === 'editor') this.#enter(req, res, looked, language);
    else if (pathname === FONT && this.#side.font !== undefined) await sendAsset(req, res, this.#side.font);
    else throw new HttpError(404, 'not-found', 'there is no such page');
  }

  /** Leads a browser that asked for a page to the log-in. @returns whether it was one */
  leadsToLogIn({ method, headers, url = '/' }: IncomingMessage, res: ServerResponse, pathname: string): boolean {
    if (method !== 'GET' || !asksForPage(headers) || (this.#kind === 'editor' && pathname !== '/')) return false;
    const to = url.length > LONGEST_PATH ? '/' : url;
    leadTo(res, this.#kind === 'editor' || to === '/' ? LOG_IN : `${LOG_IN}?to=${encodeURIComponent(to)}`);
    return true;
  }

  /** Node-RED does not run. */
  down({ method, headers }: IncomingMessage, res: ServerResponse): void {
    const { state, reason } = this.#side.flows.status();
    if (method !== 'GET' || !asksForPage(headers))
      throw new HttpError(503, 'not-running', `Node-RED does not run (${state})${reason === undefined ? '' : `: ${reason}`}`, {
        'Retry-After': '10',
      });
    const language = languageOf(headers['accept-language']);
    const texts = [
      words(language, 'down.text', { state }),
      ...(reason === undefined ? [] : [words(language, 'down.why', { why: reason })]),
    ];
    sendPage(res, 503, textPage(this.#facts(language), 'down.title', texts), { 'Retry-After': '10' });
  }

  async #logIn(req: IncomingMessage, res: ServerResponse, { scheme, caller }: Asked): Promise<void> {
    // Somebody else's page must not log a person in under another name.
    if (!isOfOwnPage(req.headers, scheme)) throw new HttpError(403, 'foreign-origin', FOREIGN_ORIGIN);
    const form = await formOf(req);
    const language = languageOf(req.headers['accept-language'], form.get('lang') ?? undefined);
    const [name, password, to] = [form.get('name') ?? '', form.get('password') ?? '', ownPath(form.get('to'))];
    try {
      await this.#sessions.logIn(req, res, caller, name.trim(), password);
    } catch (thrown) {
      const { status, fault } = refusal(thrown, language);
      const shown = /^[\w.@-]{1,64}$/.test(name) ? name : '';
      sendPage(res, status, logInPage(this.#facts(language), { to, name: shown, fault }));
      return;
    }
    leadTo(res, to);
  }

  #enter(req: IncomingMessage, res: ServerResponse, { asked, scheme, caller }: Asked, language: Language): void {
    const facts = this.#facts(language);
    try {
      const origin = `${scheme}://${req.headers.host?.toLowerCase()}`;
      this.#sessions.redeem(req, res, caller, asked.get('ticket') ?? '', origin);
    } catch (thrown) {
      if (!(thrown instanceof SluiceError)) throw thrown;
      const fault = thrown.code === 'unauthorized' ? words(language, 'login.ticket') : refusal(thrown, language).fault;
      sendPage(res, thrown.code === 'forbidden' ? 403 : 401, logInPage(facts, { to: '/', fault }));
      return;
    }
    sendPage(res, 200, enterPage(facts));
  }

  #facts(language: Language): PageFacts {
    return { kind: this.#kind, language, gateway: this.#side.title() };
  }
}

/** 303: the browser asks for it with GET, from this origin. */
function leadTo(res: ServerResponse, where: string): void {
  res.writeHead(303, { ...LEADING, Location: where });
  res.end();
}

const LEADING: Readonly<Record<string, string>> = {
  ...{ 'Cache-Control': 'no-store', 'Content-Length': '0', 'Referrer-Policy': 'same-origin' },
  // As every other answer of a door: no page of anybody may frame or sniff it.
  ...{ 'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'", 'X-Frame-Options': 'DENY' },
  ...{ 'Cross-Origin-Resource-Policy': 'same-origin', 'X-Content-Type-Options': 'nosniff' },
};

function asksForPage(headers: IncomingMessage['headers']): boolean {
  const mode = headers['sec-fetch-mode'];
  return mode === undefined ? /\btext\/html\b/.test(headers.accept ?? '') : mode === 'navigate';
}

/** A path of this origin and no other one. */
function ownPath(to: string | null): string {
  if (to === null || !to.startsWith('/') || to.length > LONGEST_PATH || /[^\x21-\x7e]/.test(to)) return '/';
  try {
    assertCanonical(to.split(/[?#]/, 1)[0] ?? '/');
    return to;
  } catch {
    return '/';
  }
}

function refusal(thrown: unknown, language: Language): { status: number; fault: string } {
  if (!(thrown instanceof SluiceError)) throw thrown;
  switch (thrown.code) {
    case 'unauthorized':
      return { status: 401, fault: words(language, 'login.wrong') };
    case 'throttled':
      return { status: 429, fault: words(language, 'login.throttled', { seconds: Number(thrown.data.retryAfter ?? 60) }) };
    case 'forbidden':
      return { status: 403, fault: words(language, 'login.role') };
    default:
      return { status: 503, fault: words(language, 'login.failed', { why: toError(thrown).message }) };
  }
}

/** Rejects with HttpError. */
async function formOf(req: IncomingMessage): Promise<URLSearchParams> {
  if (!/^application\/x-www-form-urlencoded *(?:;|$)/i.test(req.headers['content-type'] ?? ''))
    throw new HttpError(415, 'request-invalid', 'send the form of the page');
  const tooLarge = (): HttpError => new HttpError(413, 'too-large', `a form has at most ${MAX_FORM} bytes`);
  if (Number(req.headers['content-length'] ?? 0) > MAX_FORM) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_FORM) throw tooLarge();
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}
