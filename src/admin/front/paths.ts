/**
 * One spelling for each path. Node-RED decodes and compares paths in several ways, so what has a second meaning to any of them is
 * refused here: empty and dotted segments, backslashes, and letters that need no percent sign but have one.
 */
import { HttpError } from '../respond.ts';

/** Percent-encoded: unreserved characters (RFC 3986, 2.3), `/`, `\` and control characters. */
const HIDDEN = /%(?:[01][0-9a-f]|2[def]|3[0-9]|4[1-9a-f]|5[0-9acf]|6[1-9a-f]|7[0-9aef])/i;

/** @throws HttpError bad-request */
export function assertCanonical(pathname: string): void {
  const segments = pathname.split('/').slice(1);
  const odd =
    segments.some((one, i) => one === '.' || one === '..' || (one === '' && i < segments.length - 1)) ||
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
    /[\\\u0000-\u0020\u007f-\uffff;]/.test(pathname) ||
    HIDDEN.test(pathname) ||
    !isUtf8(pathname);
  if (odd)
    throw new HttpError(400, 'bad-request', 'the path is not in its plain spelling; write it without empty or encoded parts');
}

function isUtf8(pathname: string): boolean {
  try {
    decodeURIComponent(pathname);
    return true;
  } catch {
    return false;
  }
}

/** Whether express, which minds neither capitals nor a last slash, sees this path as one below `root`. */
export function isBelow(pathname: string, root: string): boolean {
  const path = pathname.toLowerCase();
  return path === root || path.startsWith(`${root}/`);
}
