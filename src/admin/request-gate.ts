/**
 * Lets the bytes of clients through to the HTTP server. Without it the server reads all that a client has sent and makes a request
 * of each, so that clients who do not wait for answers fill the memory and keep polls waiting. Invariants:
 * - A connection has one request at a time, as its answers leave in their order anyway. Until it is answered the connection is not
 *   read, and neither is one whose answers nobody takes. What it sends waits in its own socket.
 * - All connections together have their turns (core/turns.ts), one connection after the other: for a piece of at most PIECE bytes, and
 *   for each further request in it.
 * - A connection whose request was one too many for its address is not read for REFUSED_REST: refusals cost nearly as much as answers.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../core/clock.ts';
import { Turnstile } from '../core/turns.ts';
import { PIECE, REFUSED_REST } from './limits.ts';

export class RequestGate {
  readonly #clock: Clock;
  readonly #turns: Turnstile;
  readonly #held = new WeakMap<Socket, Held>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#turns = new Turnstile(clock, { rests: 3 });
  }

  /** A connection that the HTTP server has just got. */
  admit(socket: Socket): void {
    this.#held.set(socket, new Held(socket, this.#turns, this.#clock));
  }

  /** After an upgrade: whoever has the connection now reads it without turns. */
  release(socket: Socket): void {
    this.#held.get(socket)?.release();
    this.#held.delete(socket);
  }

  /** Its address has asked too often. */
  rest(socket: Socket): void {
    this.#held.get(socket)?.rest();
  }

  /** @param answer called at once, or when those before it on this connection are answered */
  asked(req: IncomingMessage, res: ServerResponse, answer: () => void): void {
    const held = this.#held.get(req.socket);
    if (held === undefined) answer();
    else held.asked(req, res, answer);
  }
}

class Held {
  readonly #socket: Socket;
  readonly #turns: Turnstile;
  readonly #clock: Clock;
  /** In their order; the first is being answered. Bound: the shortest requests in PIECE bytes. */
  readonly #asked: { readonly req: IncomingMessage; readonly answer: () => void }[] = [];
  #waits = false;
  #reading = false;
  #released = false;
  readonly #onReady = (): void => this.#read();
  #endRest: (() => void) | undefined;

  constructor(socket: Socket, turns: Turnstile, clock: Clock) {
    this.#socket = socket;
    this.#turns = turns;
    this.#clock = clock;
    // With this listener nobody reads the socket but #read. The server gets what is read by its event `data`.
    socket.on('readable', this.#onReady);
    socket.on('drain', this.#onReady);
    // The server resumes it when a body is read again.
    socket.on('resume', this.#onReady);
    socket.once('close', () => this.#endRest?.());
  }

  release(): void {
    this.#socket.off('readable', this.#onReady);
    this.#socket.off('drain', this.#onReady);
    this.#socket.off('resume', this.#onReady);
    this.#released = true;
  }

  asked(req: IncomingMessage, res: ServerResponse, answer: () => void): void {
    this.#asked.push({ req, answer });
    res.once('close', () => this.#next(req));
    if (this.#asked.length === 1) answer();
  }

  #next(answered: IncomingMessage): void {
    const at = this.#asked.findIndex(({ req }) => req === answered);
    this.#asked.splice(at, 1);
    const [next] = this.#asked;
    if (next === undefined) this.#read();
    else if (at === 0)
      this.#turns.later(() => {
        if (!this.#socket.destroyed) next.answer();
      });
  }

  #read(): void {
    if (this.#reading) return;
    this.#reading = true;
    while (this.#readsPiece());
    this.#reading = false;
  }

  /** @returns whether there may be another one */
  #readsPiece(): boolean {
    const socket = this.#socket;
    if (socket.destroyed || this.#waits || this.#released) return false;
    const here = socket.readableLength;
    if (here === 0) {
      // The end of a socket is seen by reading.
      socket.read();
      return false;
    }
    if (this.#endRest !== undefined || socket.writableNeedDrain || this.#isHeld()) return false;
    if (!this.#turns.enter()) {
      this.#waits = true;
      this.#turns.wait(() => {
        this.#waits = false;
        this.#read();
      });
      return false;
    }
    socket.read(Math.min(PIECE, here));
    return true;
  }

  /** The body of a request is read on, as fast as somebody takes it. */
  #isHeld(): boolean {
    return this.#asked.some(({ req }) => req.complete || req.readableLength >= req.readableHighWaterMark);
  }

  rest(): void {
    this.#endRest ??= this.#clock.after(REFUSED_REST, () => {
      this.#endRest = undefined;
      this.#read();
    });
  }
}
