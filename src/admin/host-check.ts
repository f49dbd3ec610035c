/**
 * What a browser says about the page behind a request. A program says nothing of it.
 * - Against DNS rebinding: a page whose name was made to point at this machine sends that name as Host. Addresses,
 *   `localhost` and names of the local network are what people here type.
 * - Against pages of other sites, which can make a browser send a GET that they may not read: Origin and Sec-Fetch-Site.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

export function isLocalHost(host: string | undefined): boolean {
  if (host === undefined) return false;
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::\d{1,5})?$/.exec(host);
  if (match === null) return false;
  if (match[1] !== undefined) return isIP(match[1]) === 6;
  const name = (match[2] as string).toLowerCase().replace(/\.$/, '');
  return (
    isIP(name) === 4 || name === 'localhost' || name.endsWith('.localhost') || /^[a-z0-9-]+(\.[a-z0-9-]+)*\.local$/.test(name)
  );
}

/** Whether a page of another origin is behind the request: another port of this machine is another origin, too. */
export function isOfAnotherSite(headers: IncomingHttpHeaders): boolean {
  const { origin, host } = headers;
  // Without TLS here, the page of the gateway itself has this origin.
  if (origin !== undefined && origin.toLowerCase() !== `http://${host?.toLowerCase()}`) return true;
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'none' || site === 'same-origin') return false;
  // A link on a page of this machine (Node-RED) may lead here; its scripts and images may not.
  return !(site === 'same-site' && headers['sec-fetch-mode'] === 'navigate');
}
