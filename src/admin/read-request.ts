/** The URL and the body of a request, bounded and checked. */
import type { IncomingMessage } from 'node:http';
import { MAX_BODY, MAX_URL } from './limits.ts';
import { HttpError } from './respond.ts';

/** As it was sent: a URL parser would resolve `%2e%2e` and take `//x/` for a host. */
export function partsOf(target: string): { pathname: string; asked: URLSearchParams } {
  if (target.length > MAX_URL) throw new HttpError(414, 'too-long', `a URL has at most ${MAX_URL} characters`);
  if (!target.startsWith('/')) throw new HttpError(400, 'bad-request', 'the URL is malformed: it begins with one /');
  const mark = target.indexOf('?');
  const pathname = mark < 0 ? target : target.slice(0, mark);
  return { pathname, asked: new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1)) };
}

/** @param longest bytes */
export async function jsonBody(req: IncomingMessage, longest = MAX_BODY): Promise<Record<string, unknown>> {
  const tooLarge = () => new HttpError(413, 'too-large', `a body has at most ${longest} bytes`);
  if (Number(req.headers['content-length'] ?? 0) > longest) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > longest) throw tooLarge();
    chunks.push(chunk);
  }
  if (size === 0) return {};
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    // The parser repeats the text, which may have a password in it.
    throw new HttpError(400, 'bad-json', 'the body is not JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new HttpError(400, 'bad-json', 'the body is not an object');
  return body as Record<string, unknown>;
}

/** An empty value counts as none. @throws HttpError request-invalid: a key stands twice */
export function queryOf(asked: URLSearchParams): Readonly<Record<string, string>> {
  const query = new Map<string, string>();
  for (const [key, value] of asked) {
    if (query.has(key)) throw new HttpError(400, 'request-invalid', 'the query has a key twice; write it once');
    query.set(key, value);
  }
  return Object.fromEntries([...query].filter(([, value]) => value !== ''));
}
