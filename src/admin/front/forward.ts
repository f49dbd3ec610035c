/**
 * Passes one request to Node-RED and its answer back. Invariants:
 * - Nothing is kept: bytes go on as the reader takes them, so a slow reader or sender costs two small buffers.
 * - Each request has a connection of its own, so no answer can come to another request.
 * - A body is framed anew, with the length that was counted or in chunks. It has MAX_BODY bytes at most.
 * - Where nothing moves for STALL, both sides end.
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { HttpError, sendError } from '../respond.ts';
import { type FrontKind, outbound } from './headers.ts';
import { MAX_ANSWER_HEAD, MAX_BODY, STALL } from './limits.ts';

// An `import` would also read the exports that stand for WebSocket and fetch, and load them.
const { request } = process.getBuiltinModule('node:http');

export interface Forward {
  readonly socketPath: string;
  readonly kind: FrontKind;
  /** As Node-RED sees it. */
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
}

/** @returns the status of the answer; undefined: there was none. Never rejects. @throws HttpError too-large, before anything is sent */
export function forward(
  req: IncomingMessage,
  res: ServerResponse,
  { socketPath, kind, path, headers }: Forward,
): Promise<number | undefined> {
  const framing = framingOf(req);
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const up = request({
    ...{ socketPath, path, method: req.method, agent: false, maxHeaderSize: MAX_ANSWER_HEAD, timeout: STALL },
    headers: { ...headers, ...framing, connection: 'close' },
  });
  let answered = false;
  const failed = (thrown: HttpError): void => {
    answered = true;
    up.destroy();
    if (res.headersSent) res.destroy();
    else {
      if (!req.complete) res.setHeader('Connection', 'close');
      sendError(res, thrown);
    }
  };
  up.on('timeout', () =>
    failed(new HttpError(504, 'timeout', 'Node-RED or the reader of its answer was silent for too long; try again')),
  );
  const unanswered = (): HttpError =>
    new HttpError(502, 'flows-failed', 'Node-RED ended the connection without an answer; try again');
  up.on('error', () => failed(unanswered()));
  // A switch of protocols that nobody asked for ends without an error.
  up.on('close', () => {
    if (!answered && !res.destroyed) failed(unanswered());
  });
  up.on('response', (answer) => {
    answered = true;
    try {
      if (!req.complete) res.setHeader('Connection', 'close');
      res.writeHead(answer.statusCode ?? 502, outbound(answer.headers, kind));
    } catch {
      failed(new HttpError(502, 'flows-failed', 'the answer of Node-RED has header fields that HTTP does not allow'));
      return;
    }
    answer.on('error', () => res.destroy());
    answer.pipe(res);
  });
  res.once('close', () => {
    up.destroy();
    resolve(res.headersSent ? res.statusCode : undefined);
  });
  if (framing === undefined) up.end();
  else carry(req, up, failed);
  return promise;
}

function carry(req: IncomingMessage, up: ReturnType<typeof request>, failed: (thrown: HttpError) => void): void {
  let size = 0;
  req.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_BODY) {
      req.pause();
      failed(tooLarge());
    } else if (!up.write(chunk)) {
      req.pause();
      up.once('drain', () => req.resume());
    }
  });
  req.on('end', () => up.end());
  req.on('error', () => up.destroy());
}

/** A length that is no number, or two of them, never comes this far: the parser of Node refuses them. */
function framingOf({ headers }: IncomingMessage): OutgoingHttpHeaders | undefined {
  const length = headers['content-length'];
  if (headers['transfer-encoding'] !== undefined) return { 'transfer-encoding': 'chunked' };
  if (length === undefined) return undefined;
  if (Number(length) > MAX_BODY) throw tooLarge();
  return Number(length) === 0 ? undefined : { 'content-length': length };
}

const tooLarge = (): HttpError => new HttpError(413, 'too-large', `a request to Node-RED has at most ${MAX_BODY} bytes`);
