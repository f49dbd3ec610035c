/**
 * The connections of one door. A door never closes: where there are as many as may be, one more ends another, so that a
 * program that opens all of them and says nothing keeps nobody out. The first to go is, of those that
 * - have not sent a whole request, or whose answer is out, the one for which that has been so the longest;
 * - are being answered at once (everything but a tail, an open page, a capture, an export), the one that asked first.
 * Long answers are bounded by slots (limits.ts), fewer than there are connections: one of the others is always there.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests with an answer that may take as long as its reader likes. */
const LONG = /^\/api\/v1\/(?:tail|live|capture|export)(?:\?|$)/;

type State = 'idle' | 'asking' | 'long';

export class Connections {
  readonly #most: number;
  /** Each is moved to the end when its state changes: the first of a state has had it the longest. */
  readonly #states = new Map<Socket, State>();

  constructor(most: number) {
    this.#most = most;
  }

  admit(socket: Socket): void {
    if (this.#states.size >= this.#most) this.#endOne();
    this.#states.set(socket, 'idle');
    socket.once('close', () => this.#states.delete(socket));
  }

  asked({ socket, url = '' }: IncomingMessage, res: ServerResponse): void {
    this.#become(socket, LONG.test(url) ? 'long' : 'asking');
    res.once('finish', () => this.#become(socket, 'idle'));
  }

  #become(socket: Socket, state: State): void {
    if (!this.#states.delete(socket)) return;
    this.#states.set(socket, state);
  }

  #endOne(): void {
    for (const wanted of ['idle', 'asking', 'long'] as const)
      for (const [socket, state] of this.#states) {
        if (state !== wanted) continue;
        this.#states.delete(socket);
        socket.destroy();
        return;
      }
  }
}
