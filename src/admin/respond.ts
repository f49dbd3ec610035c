/** Answers of the local API: JSON, errors as `{error: {code, message}}`, the same headers on all. */
import type { ServerResponse } from 'node:http';
import { SluiceError, toError } from '../core/errors.ts';

export const JSON_TYPE = 'application/json; charset=utf-8';
export const EVENTS_TYPE = 'text/event-stream; charset=utf-8';
export const LINES_TYPE = 'application/x-ndjson; charset=utf-8';
export const BYTES_TYPE = 'application/octet-stream';
export const CSV_TYPE = 'text/csv; charset=utf-8';

/** An error with its HTTP status, for what is wrong with the request itself. */
export class HttpError extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

// Nothing here is a page: it may not be framed, sniffed, cached or read by another site.
const HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

export function head(res: ServerResponse, status: number, type: string, headers: Readonly<Record<string, string>> = {}): void {
  res.writeHead(status, { ...HEADERS, 'Content-Type': type, ...headers });
}

export function sendText(res: ServerResponse, status: number, type: string, text: string | Buffer, headers = {}): void {
  head(res, status, type, { 'Content-Length': String(Buffer.byteLength(text)), ...headers });
  res.end(text);
}

export function sendJson(res: ServerResponse, status: number, body: unknown, headers = {}): void {
  sendText(res, status, JSON_TYPE, `${jsonText(body)}\n`, headers);
}

/** JSON, with 64-bit integers as texts. */
export function jsonText(body: unknown): string {
  return JSON.stringify(body, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

export function sendError(res: ServerResponse, thrown: unknown): void {
  const { status, code, message, headers } = described(thrown);
  if (res.headersSent) {
    // Too late for a status: a broken transfer is the only honest sign.
    res.destroy();
    return;
  }
  sendJson(res, status, { error: { code, message } }, headers);
}

/** The answer to what was thrown, of this room or of another one. */
export function described(thrown: unknown): {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
} {
  if (thrown instanceof HttpError) return thrown;
  if (!(thrown instanceof SluiceError)) return { status: 500, code: 'internal', message: toError(thrown).message, headers: {} };
  return { status: statusOf(thrown), code: thrown.code, message: thrown.message, headers: headersOf(thrown) };
}

/** RFC 9110, 11.6.1 and 10.2.3. Browsers show no window of their own for this scheme. */
export const CHALLENGE = { 'WWW-Authenticate': 'Bearer realm="sluice"' };

function headersOf({ code, data }: SluiceError): Readonly<Record<string, string>> {
  if (code === 'unauthorized') return CHALLENGE;
  const { retryAfter } = data;
  return code === 'throttled' && typeof retryAfter === 'number' ? { 'Retry-After': String(retryAfter) } : {};
}

function statusOf(error: SluiceError): number {
  switch (error.code) {
    case 'not-found':
      return 404;
    case 'usage':
    case 'request-invalid':
      return 400;
    case 'write-refused':
    case 'forbidden':
      return 403;
    case 'unauthorized':
      return 401;
    case 'exists':
    case 'conflict':
    case 'access-locked':
    case 'expired':
    case 'outcome-unknown':
      return 409;
    case 'throttled':
      return 429;
    case 'config-invalid':
    case 'listen-failed':
    case 'tls-files':
    case 'bundle-refused':
    case 'backup-refused':
      return 422;
    case 'timeout':
      return 504;
    case 'crc':
    case 'bad-reply':
    case 'exception':
    case 'write-failed':
    case 'restart-failed':
    case 'bus-open':
    case 'bus-closed':
      return 502;
    case 'log-open':
    case 'log-read':
    case 'log-write':
    case 'access-write':
    case 'busy':
    case 'clock-unknown':
    case 'not-running':
      return 503;
    case 'unsupported':
      return 501;
    default:
      return 500;
  }
}
