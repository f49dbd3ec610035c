/**
 * WebSockets between browsers and Node-RED, for one door. Invariants:
 * - What goes through them is not looked at and not kept: a reader that takes nothing stops the other side, and ends after STALL.
 * - One ends when the session or token behind it has ended, when Node-RED is gone, or when nothing was said for STALL.
 * - At most MAX_SOCKETS, and MAX_SOCKETS_OF_ONE for one session, token or address.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../core/clock.ts';
import type { KnownCallers } from '../known-callers.ts';
import { HttpError } from '../respond.ts';
import { MAX_ANSWER_HEAD, MAX_SOCKETS, MAX_SOCKETS_OF_ONE, STALL } from './limits.ts';

const { request } = process.getBuiltinModule('node:http');

export interface Upgrade {
  readonly req: IncomingMessage;
  readonly socket: Socket;
  /** What came after the header fields. */
  readonly head: Buffer;
  readonly socketPath: string;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  /** Whose it is, for the bound of one. */
  readonly owner: string;
  readonly holds: (() => boolean) | undefined;
}

export class WebSockets {
  /** Those that were refused for a bound. */
  refused = 0;
  readonly #clock: Clock;
  readonly #known: KnownCallers;
  /** With their owners. */
  readonly #open = new Map<Socket, string>();

  constructor(clock: Clock, known: KnownCallers) {
    this.#clock = clock;
    this.#known = known;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Resolves when it is joined, or refused by Node-RED. @throws HttpError bad-request, busy */
  async join({ req, socket, head, socketPath, path, headers, owner, holds }: Upgrade): Promise<void> {
    const { 'sec-websocket-key': key = '', 'sec-websocket-protocol': protocol } = req.headers;
    assertHandshake(req, key);
    const own = [...this.#open.values()].filter((one) => one === owner).length;
    if (this.#open.size >= MAX_SOCKETS || own >= MAX_SOCKETS_OF_ONE) {
      this.refused++;
      throw new HttpError(503, 'busy', 'too many pages of flows are open; close one and try again', { 'Retry-After': '5' });
    }
    this.#open.set(socket, owner);
    socket.once('close', () => this.#open.delete(socket));
    const { up, first, accepted } = await shake(socketPath, path, {
      ...headers,
      ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': key },
      ...(protocol === undefined ? {} : { 'sec-websocket-protocol': protocol }),
    }).catch((thrown: unknown) => {
      this.#open.delete(socket);
      throw thrown;
    });
    if (socket.destroyed || holds?.() === false || accepted.proof !== proofOf(key)) {
      up.destroy();
      socket.destroy();
      return;
    }
    const chosen = accepted.protocol === undefined ? '' : `Sec-WebSocket-Protocol: ${accepted.protocol}\r\n`;
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accepted.proof}\r\n${chosen}\r\n`,
    );
    this.#pump(socket, up, holds);
    if (head.length > 0) up.write(head);
    if (first.length > 0) socket.write(first);
  }

  endAll(): void {
    for (const socket of [...this.#open.keys()]) socket.destroy();
  }

  #pump(socket: Socket, up: Duplex & { setTimeout?: Socket['setTimeout'] }, holds: (() => boolean) | undefined): void {
    const end = (): void => {
      socket.destroy();
      up.destroy();
    };
    const forget = holds === undefined ? undefined : this.#known.add(holds, end);
    for (const [from, to] of [
      [socket, up],
      [up, socket],
    ] as const) {
      let cancel: (() => void) | undefined;
      from.on('data', (chunk: Buffer) => {
        if (to.write(chunk)) return;
        from.pause();
        cancel = this.#clock.after(STALL, end);
        to.once('drain', () => {
          cancel?.();
          from.resume();
        });
      });
      from.on('end', () => to.end());
      from.on('error', end);
      from.on('close', () => {
        cancel?.();
        forget?.();
        end();
      });
    }
    socket.setTimeout(STALL, end);
  }
}

interface Shaken {
  readonly up: Duplex;
  readonly first: Buffer;
  readonly accepted: { readonly proof: string | undefined; readonly protocol: string | undefined };
}

/** Rejects with HttpError flows-failed, timeout. */
function shake(socketPath: string, path: string, headers: OutgoingHttpHeaders): Promise<Shaken> {
  return new Promise((resolve, reject) => {
    const asked = request({
      ...{ socketPath, path, headers, method: 'GET', agent: false, maxHeaderSize: MAX_ANSWER_HEAD, timeout: STALL },
    });
    const refused = (): void => {
      asked.destroy();
      reject(new HttpError(502, 'flows-failed', 'Node-RED has no WebSocket here'));
    };
    asked.on('upgrade', ({ headers: answer }, up, first) => {
      // From here on the WebSocket has its own time (#pump).
      up.setTimeout(0);
      const protocol = answer['sec-websocket-protocol'];
      resolve({ up, first, accepted: { proof: answer['sec-websocket-accept'], protocol } });
    });
    asked.on('response', refused);
    asked.on('timeout', refused);
    asked.on('error', refused);
    asked.end();
  });
}

function assertHandshake({ method, headers }: IncomingMessage, key: string): void {
  const right =
    method === 'GET' &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    headers['sec-websocket-version'] === '13' &&
    /^[A-Za-z0-9+/]{22}==$/.test(key);
  if (!right) throw new HttpError(400, 'bad-request', 'this is no handshake of a WebSocket (RFC 6455)');
}

/** RFC 6455, 1.3. */
function proofOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}
