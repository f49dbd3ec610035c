/**
 * What the front lets in of what a browser says about the page behind a request. A program says nothing of it.
 * - Another port of this host is another origin: pages of flows may do nothing at the editor.
 * - A link may lead to the few pages that hold nothing of anybody (`entry`). At HTTP-in a link on a page of the same host may lead
 *   anywhere, because a GET changes nothing.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isOwnOrigin } from '../host-check.ts';
import type { FrontKind } from './headers.ts';

/** From where a link may lead to a page. */
export type Entry = 'any-site' | 'same-site' | 'none';

export interface Looked {
  readonly headers: IncomingHttpHeaders;
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly kind: FrontKind;
  readonly entry: Entry;
}

/** Whether a page of another origin is behind a request, and may not be. */
export function isForeign({ headers, method, scheme, kind, entry }: Looked): boolean {
  const { origin, host } = headers;
  if (origin !== undefined) return !isOwnOrigin(origin, host, scheme);
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'none' || site === 'same-origin') return false;
  const follows =
    method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && (headers['sec-fetch-dest'] ?? 'document') === 'document';
  const sameSite = site === 'same-site' && (entry === 'same-site' || kind === 'http-in');
  return !(follows && (entry === 'any-site' || sameSite));
}

/** What changes something on behalf of a session comes from a page of this very origin, which says so. */
export function isOfOwnPage({ origin, host }: IncomingHttpHeaders, scheme: 'http' | 'https'): boolean {
  return origin !== undefined && isOwnOrigin(origin, host, scheme);
}

/**
 * Whether a browser asks for the script of a service worker that would answer for all pages of this origin, the log-in among them, and
 * would stay after its flow is gone. Browsers say so (Service Workers, "Handle Fetch"). A worker answers below the folder of its script.
 */
export function isWorkerOverAll(headers: IncomingHttpHeaders, kind: FrontKind, pathname: string): boolean {
  const asks = headers['service-worker'] !== undefined || headers['sec-fetch-dest'] === 'serviceworker';
  return asks && (kind === 'editor' || pathname.lastIndexOf('/') === 0);
}
