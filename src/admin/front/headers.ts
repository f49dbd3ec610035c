/**
 * Header fields on their way to Node-RED and back. Invariants:
 * - No cookie and no credential of the gateway reaches Node-RED. The editor sends no cookie there at all.
 * - No answer of Node-RED sets or clears a cookie of the gateway, moves browsers to other ports, allows other sites to read it, lets
 *   itself be framed, or stands for the pages of the gateway (`Service-Worker-Allowed`).
 * - What concerns one connection only (RFC 9110, 7.6.1) ends here.
 */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { Principal } from '../../core/commands.ts';
import { NODE_ROOT } from '../../core/flow-supervisor.ts';
import { LONGEST_FIELD } from './limits.ts';

export type FrontKind = 'editor' | 'http-in';

const HOP = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'];
/** What the browser or a program says about itself to the gateway, or what somebody in between pretends. */
const NOT_IN =
  /^(?:cookie|authorization|proxy-.*|expect|origin|referer|forwarded|x-forwarded-.*|x-real-ip|x-sluice-.*|sec-fetch-.*|sec-websocket-.*|content-length|host)$/;
const NOT_OUT =
  /^(?:set-cookie|access-control-.*|x-frame-options|x-content-type-options|referrer-policy|cross-origin-resource-policy|strict-transport-security|clear-site-data|alt-svc|public-key-pins.*|report-to|nel|reporting-endpoints|service-worker-allowed|x-powered-by|server|proxy-.*|location|content-security-policy.*)$/;
/** Every name under which the gateway keeps a cookie; capitals do not matter to some programs. */
const OURS = /^(?:__host-|__secure-)?sluice(?:-|$)/i;
/** RFC 6265, 4.1.1. */
const COOKIE_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** A secret of the gateway in any scheme. */
const SECRET = /sl[td]_/i;

/** The editor needs scripts in its page and `eval`. It loads nothing from other hosts. */
const EDITOR_POLICY =
  "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

export interface Inbound {
  readonly kind: FrontKind;
  readonly scheme: 'http' | 'https';
  readonly address: string | undefined;
  /** Who calls; undefined: nobody logs in at this door. */
  readonly by: Principal | undefined;
}

/** What Node-RED gets of the header fields of a request. */
export function inbound(headers: IncomingHttpHeaders, { kind, scheme, address = '', by }: Inbound): OutgoingHttpHeaders {
  const listed = namedBy(headers.connection);
  const kept: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !HOP.includes(name) && !listed.has(name) && !NOT_IN.test(name)) kept[name] = value;
  kept.host = headers.host;
  if (kind === 'editor') return kept;
  const cookies = flowCookies(headers.cookie);
  if (cookies !== '') kept.cookie = cookies;
  // Where nobody logs in at the gateway, flows may ask for credentials of their own.
  const { authorization } = headers;
  if (by === undefined && authorization !== undefined && !SECRET.test(authorization)) kept.authorization = authorization;
  kept['x-forwarded-for'] = address;
  kept['x-forwarded-proto'] = scheme;
  if (by !== undefined) Object.assign(kept, { 'x-sluice-user': encodeURIComponent(by.who), 'x-sluice-role': by.role });
  return kept;
}

/** The cookies of flows among those of the host. */
function flowCookies(cookie = ''): string {
  return cookie
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => {
      const name = pair.slice(0, Math.max(0, pair.indexOf('='))).trim();
      return COOKIE_NAME.test(name) && !OURS.test(name);
    })
    .join('; ');
}

/** What a browser gets of the header fields of an answer. */
export function outbound(headers: IncomingHttpHeaders, kind: FrontKind): OutgoingHttpHeaders {
  const listed = namedBy(headers.connection);
  const kept: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !HOP.includes(name) && !listed.has(name) && !NOT_OUT.test(name)) kept[name] = value;
  Object.assign(kept, {
    'X-Frame-Options': 'DENY',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
  });
  const location = headers.location === undefined ? undefined : ownLocation(headers.location, kind);
  if (location !== undefined) kept.Location = location;
  if (kind === 'editor') {
    delete kept.refresh;
    // It is for whoever is logged in, and for no cache in between.
    return { ...kept, 'cache-control': 'private, no-cache', 'Content-Security-Policy': EDITOR_POLICY };
  }
  const cookies = (headers['set-cookie'] ?? []).map(flowSetCookie).filter((line) => line !== undefined);
  const own: readonly string[] = [headers['content-security-policy'] ?? []].flat();
  return {
    ...kept,
    ...(cookies.length === 0 ? {} : { 'Set-Cookie': cookies }),
    'Content-Security-Policy': [...own, "frame-ancestors 'none'"],
  };
}

/** A cookie of a flow without its Domain, which would send it to other hosts; undefined: it is not one that a flow may set. */
export function flowSetCookie(line: string): string | undefined {
  if (line.length > LONGEST_FIELD) return undefined;
  const [pair = '', ...attributes] = line.split(';');
  const at = pair.indexOf('=');
  const name = pair.slice(0, Math.max(0, at)).trim();
  // Browsers take a cookie without a name for its value, which may look like another cookie.
  if (!COOKIE_NAME.test(name) || OURS.test(name)) return undefined;
  return [pair, ...attributes.filter((one) => !/^\s*domain\s*(?:=|$)/i.test(one))].join(';');
}

/** HTTP-in nodes answer below NODE_ROOT, which browsers do not see. */
function ownLocation(location: string, kind: FrontKind): string | undefined {
  if (location.length > LONGEST_FIELD) return undefined;
  if (kind === 'editor') return location.startsWith('/') && !location.startsWith('//') ? location : undefined;
  return location === NODE_ROOT || location.startsWith(`${NODE_ROOT}/`) ? location.slice(NODE_ROOT.length) || '/' : location;
}

function namedBy(connection = ''): ReadonlySet<string> {
  return new Set(connection.toLowerCase().split(/[\s,]+/));
}
