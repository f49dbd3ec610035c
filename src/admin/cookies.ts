/**
 * The two cookies of a browser: its session, and a mark that tells its later log-ins from those of strangers. Scripts cannot read
 * them, and pages of other sites cannot make a browser send them.
 */
import type { IncomingHttpHeaders } from 'node:http';

export interface CookieNames {
  readonly session: string;
  readonly mark: string;
  readonly secure: boolean;
}
/** `__Host-` (RFC 6265bis, 4.1.3.2): no other host and no plain connection can set them. Without TLS a browser does not take such names. */
export const SECURE_COOKIES: CookieNames = { session: '__Host-sluice', mark: '__Host-sluice-mark', secure: true };
export const PLAIN_COOKIES: CookieNames = { session: 'sluice', mark: 'sluice-mark', secure: false };

/**
 * The value of a cookie; undefined: there is none, or two, one of which another program of this host may have set. Cookies of other
 * ports come along, such as those of flows: all of them are looked at. A head has MAX_HEADERS bytes.
 */
export function cookieOf({ cookie = '' }: IncomingHttpHeaders, name: string): string | undefined {
  const values = cookie
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  return values.length === 1 && values[0] !== '' ? values[0] : undefined;
}

/** @param maxAge seconds; undefined: until the browser is closed; 0: it goes */
export function cookieText(name: string, value: string, secure: boolean, maxAge?: number): string {
  const age = maxAge === undefined ? '' : `; Max-Age=${maxAge}`;
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}${age}`;
}
