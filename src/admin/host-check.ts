/**
 * What a browser says about the page behind a request. A program says nothing of it.
 * - Against DNS rebinding: a page whose name was made to point at this machine sends that name as Host. Addresses,
 *   `localhost`, names of the local network and the names of this gateway are what people here type.
 * - Against pages of other sites, which can make a browser send a GET that they may not read: Origin and Sec-Fetch-Site.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

/** @param names of this gateway, in lower case */
export function isGatewayHost(host: string | undefined, names: readonly string[]): boolean {
  if (host === undefined) return false;
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::\d{1,5})?$/.exec(host);
  if (match === null) return false;
  if (match[1] !== undefined) return isIP(match[1]) === 6;
  const name = (match[2] as string).toLowerCase().replace(/\.$/, '');
  if (isIP(name) === 4 || name === 'localhost' || name.endsWith('.localhost')) return true;
  return /^[a-z0-9-]+(\.[a-z0-9-]+)*\.local$/.test(name) || names.includes(name);
}

/** What a page of this gateway has as its origin: another port of this machine is another origin, too. */
export function isOwnOrigin(origin: string, host: string | undefined, scheme: 'http' | 'https'): boolean {
  return origin.toLowerCase() === `${scheme}://${host?.toLowerCase()}`;
}

/** Whether a page of another origin is behind the request. */
export function isOfAnotherSite(headers: IncomingHttpHeaders, scheme: 'http' | 'https'): boolean {
  const { origin, host } = headers;
  if (origin !== undefined && !isOwnOrigin(origin, host, scheme)) return true;
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'none' || site === 'same-origin') return false;
  // A link on a page of this machine (Node-RED) may lead here; its scripts and images may not.
  return !(site === 'same-site' && isNavigation(headers));
}

/** Somebody follows a link: to a page that holds nothing of anybody, from any site. */
export function isNavigation(headers: IncomingHttpHeaders): boolean {
  return headers['sec-fetch-mode'] === 'navigate';
}
