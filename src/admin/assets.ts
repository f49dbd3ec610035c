/**
 * Files of the pages: a table made at the start. Only the names in it are answered, letter by letter, and no path is resolved. They
 * hold nothing of the gateway, so everybody gets them.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { HttpError, head } from './respond.ts';

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
  /** With its quotes, as in the header. */
  readonly etag: string;
}
/** By the path of the URL: `/`, `/entry.js`. */
export type Assets = ReadonlyMap<string, Asset>;

/** What a file is by the end of its name. Others are not served. */
export const ASSET_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/** Scripts, styles and answers of the gateway itself, and nothing of another host. No form is sent without the script. */
const PAGE: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-cache',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
};

export function assetOf(type: string, text: string | Buffer): Asset {
  const body = Buffer.from(text as string);
  return { type, body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` };
}

export function sendAsset(req: IncomingMessage, res: ServerResponse, { type, body, etag }: Asset): void {
  if (req.method !== 'GET' && req.method !== 'HEAD')
    throw new HttpError(405, 'method-not-allowed', `this page does not know ${req.method}`, { Allow: 'GET, HEAD' });
  const headers = { ...PAGE, ETag: etag };
  if (req.headers['if-none-match'] === etag) {
    head(res, 304, type, headers);
    res.end();
    return;
  }
  head(res, 200, type, { ...headers, 'Content-Length': String(body.length) });
  res.end(body);
}
