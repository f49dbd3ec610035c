/**
 * Files of the pages: a table made at the start. Only the names in it are answered, letter by letter, and no path is resolved. They
 * hold nothing of the gateway, so everybody gets them.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { acceptsGzip } from './packing.ts';
import { HttpError, head } from './respond.ts';

export interface Asset {
  readonly type: string;
  /** With its quotes, as in the header. */
  readonly etag: string;
  /** Under this name there is never another content. */
  readonly lasting: boolean;
  readonly body: () => Promise<Buffer>;
  /** The same, compressed by gzip. */
  readonly packed?: () => Promise<Buffer>;
}
/** By the path of the URL: `/`, `/index-3f2a.js`. */
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

const LASTING = { 'Cache-Control': 'private, max-age=31536000, immutable' };

export function etagOf(body: Buffer): string {
  return `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
}

/** Rejects when the file cannot be read. */
export async function sendAsset(req: IncomingMessage, res: ServerResponse, asset: Asset): Promise<void> {
  const { type, etag, lasting, body, packed } = asset;
  if (req.method !== 'GET' && req.method !== 'HEAD')
    throw new HttpError(405, 'method-not-allowed', `this page does not know ${req.method}`, { Allow: 'GET, HEAD' });
  const headers = { ...PAGE, ...(lasting ? LASTING : {}), ETag: etag, Vary: 'Accept-Encoding' };
  if (req.headers['if-none-match'] === etag) {
    head(res, 304, type, headers);
    res.end();
    return;
  }
  const short = packed !== undefined && acceptsGzip(req.headers);
  const bytes = await (short ? packed : body)();
  const encoding = short ? { 'Content-Encoding': 'gzip' } : {};
  head(res, 200, type, { ...headers, ...encoding, 'Content-Length': String(bytes.length) });
  res.end(bytes);
}
