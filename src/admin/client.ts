/** How the command line talks to a running gateway: JSON over its Unix socket. */
import type { IncomingMessage } from 'node:http';
import { dirname } from 'node:path';
import { KEY_HEADER, readAdminKey } from '../access/shown-key.ts';
import { ERRORS, type ErrorCode, SluiceError } from '../core/errors.ts';

// Not by `import`, see admin-server.ts: a command should answer at once.
const { request: httpRequest } = process.getBuiltinModule('node:http');

/** A reload waits for buses to be released, a read for its time-outs. Milliseconds. */
const ANSWER_WITHIN = 30_000;
/** A longer line ends a stream. Bytes. */
const MAX_LINE = 1024 * 1024;

/**
 * One call.
 * @param within ms that the answer may take
 * @throws SluiceError not-running when nobody answers; else the gateway's own code and words
 */
export async function request(
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
  within = ANSWER_WITHIN,
): Promise<unknown> {
  const folder = dirname(socketPath);
  const key = await readAdminKey(folder);
  let res = await open(socketPath, method, path, body, within, key);
  let text = await all(res);
  if (res.statusCode === 403) {
    // Nothing was done. The gateway may have made the key for this very question.
    const next = await readAdminKey(folder);
    if (next !== undefined && next !== key) {
      res = await open(socketPath, method, path, body, within, next);
      text = await all(res);
    }
  }
  const status = res.statusCode ?? 0;
  // `/readyz` answers 503 with a report, which is an answer and no fault.
  if (status >= 400 && !(status === 503 && path === '/readyz')) throw errorOf(text, status);
  return parsed(text);
}

/** The JSON lines of an endless answer, until the iteration or the gateway ends. */
export async function* stream(socketPath: string, path: string, body?: object): AsyncGenerator<object> {
  let rest = '';
  for await (const piece of text(socketPath, path, body)) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE) throw new SluiceError('internal', 'the gateway sent a line without an end');
    for (const line of lines) if (line !== '') yield parsed(line) as object;
  }
}

/** An answer that is not JSON (`/metrics`, an export), in pieces as they come. */
export async function* text(socketPath: string, path: string, body?: object): AsyncGenerator<string> {
  const res = await open(socketPath, body === undefined ? 'GET' : 'POST', path, body);
  if ((res.statusCode ?? 0) >= 400) throw errorOf(await all(res), res.statusCode ?? 0);
  res.setEncoding('utf8');
  try {
    yield* res as AsyncIterable<string>;
  } catch (cause) {
    throw new SluiceError('not-running', 'the gateway ended the connection before its answer was complete', { cause });
  } finally {
    res.destroy();
  }
}

/** An answer of bytes, in pieces as they come. It is complete when the iteration ends. */
export async function* bytes(socketPath: string, path: string, body: object): AsyncGenerator<Uint8Array> {
  const res = await open(socketPath, 'POST', path, body);
  if ((res.statusCode ?? 0) >= 400) throw errorOf(await all(res), res.statusCode ?? 0);
  try {
    yield* res as AsyncIterable<Uint8Array>;
  } catch (cause) {
    throw new SluiceError('not-running', 'the gateway ended the connection before its answer was complete', { cause });
  } finally {
    res.destroy();
  }
}

/** @param key see admin-key.ts */
function open(
  socketPath: string,
  method: string,
  path: string,
  body?: object,
  within = ANSWER_WITHIN,
  key?: string,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const req = httpRequest({
      ...{ socketPath, method, path, agent: false, timeout: within },
      headers: {
        ...(payload === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(payload) }),
        ...(key === undefined ? {} : { [KEY_HEADER]: key }),
      },
    });
    req.once('response', (res) => {
      // Only the answer is waited for with a limit; a tail may be silent for hours.
      req.setTimeout(0);
      resolve(res);
    });
    req.once('timeout', () => req.destroy(new Error(`no answer within ${within / 1000} s`)));
    req.on('error', (cause) => reject(notRunning(socketPath, cause)));
    req.end(payload);
  });
}

function notRunning(socketPath: string, cause: Error): SluiceError {
  const code = 'code' in cause ? cause.code : undefined;
  const words =
    code === 'ENOENT'
      ? `no gateway is running here: there is no ${socketPath}. Start it with "sluice run", or name another with -c or --socket`
      : code === 'ECONNREFUSED'
        ? `no gateway is running here: there is no answer on ${socketPath}. Start it with "sluice run"`
        : code === 'EACCES'
          ? `you may not talk to the gateway on ${socketPath}: use sudo, or join the group that owns the socket`
          : code === 'EPIPE' || code === 'ECONNRESET'
            ? `the gateway ended the connection on ${socketPath}: too many programs ask at once, or it stops. What it was asked to do may have been done: look first, then ask again`
            : `the gateway does not answer on ${socketPath}: ${cause.message}`;
  return new SluiceError('not-running', words, { cause });
}

async function all(res: IncomingMessage): Promise<string> {
  res.setEncoding('utf8');
  let text = '';
  try {
    for await (const piece of res as AsyncIterable<string>) text += piece;
  } catch (cause) {
    throw new SluiceError('not-running', 'the gateway ended the connection before its answer was complete', { cause });
  }
  return text;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SluiceError('internal', 'the gateway sent an answer that is not JSON', { cause });
  }
}

function errorOf(text: string, status: number): SluiceError {
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string } };
    const code = Object.hasOwn(ERRORS, error.code) ? (error.code as ErrorCode) : status < 500 ? 'usage' : 'internal';
    return new SluiceError(code, error.message, { data: { status } });
  } catch (cause) {
    return new SluiceError('internal', `the gateway answered with status ${status}`, { cause });
  }
}
