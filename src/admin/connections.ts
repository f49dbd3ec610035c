/**
 * The connections of one door. A door never closes: where there are as many as may be, one more ends another, so that a
 * program that opens all of them and says nothing keeps nobody out. It is one of the address that has most of them. The first to
 * go is, of those that
 * - have not sent a whole request, or whose answer is out, the one for which that has been so the longest;
 * - are being answered at once (everything but a tail, an open page, a capture, an export, a bundle), the one that asked first.
 * Long answers are bounded by slots (limits.ts), fewer than there are connections: one of the others is always there.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { placeOf } from '../core/peer-place.ts';

/** Requests with an answer that may take as long as its reader likes. */
const LONG = /^\/api\/v1\/(?:tail|live|capture|export|resend|bundle)(?:\?|$)/;

type State = 'idle' | 'asking' | 'long';

export interface ConnectionsOptions {
  readonly most: number;
  /** Most connections of one address (placeOf). Absent: all come from this machine. */
  readonly perAddress?: number | undefined;
}

export class Connections {
  /** Those that ended because another came. */
  ended = 0;
  readonly #o: ConnectionsOptions;
  /** Each is moved to the end when its state changes: the first of a state has had it the longest. */
  readonly #states = new Map<Socket, { readonly state: State; readonly place: string; readonly fresh: boolean }>();

  constructor(options: ConnectionsOptions) {
    this.#o = options;
  }

  get size(): number {
    return this.#states.size;
  }

  admit(socket: Socket): void {
    const { most, perAddress } = this.#o;
    const place = perAddress === undefined ? '' : placeOf(socket.remoteAddress);
    if (perAddress !== undefined && this.#countOf(place) >= perAddress) this.#endOne(place);
    else if (this.#states.size >= most) this.#endOne(this.#fullest());
    this.#states.set(socket, { state: 'idle', place, fresh: true });
    socket.once('close', () => this.#states.delete(socket));
  }

  asked({ socket, url = '' }: IncomingMessage, res: ServerResponse): void {
    this.#become(socket, LONG.test(url) ? 'long' : 'asking');
    res.once('finish', () => this.#become(socket, 'idle'));
  }

  /** It is a WebSocket from now on. */
  upgraded(socket: Socket): void {
    this.#become(socket, 'long');
  }

  /** Ends those of these that wait for a request. @param which `used`: a first request may be on its way to the others */
  endIdle(sockets: Iterable<Socket>, which: 'all' | 'used' = 'all'): void {
    for (const socket of [...sockets]) {
      const known = this.#states.get(socket);
      if (known?.state === 'idle' && (which === 'all' || !known.fresh)) socket.destroy();
    }
  }

  #become(socket: Socket, state: State): void {
    const known = this.#states.get(socket);
    if (known === undefined) return;
    this.#states.delete(socket);
    this.#states.set(socket, { ...known, state, fresh: false });
  }

  #countOf(place: string): number {
    let count = 0;
    for (const one of this.#states.values()) if (one.place === place) count++;
    return count;
  }

  #fullest(): string {
    const counts = new Map<string, number>();
    for (const { place } of this.#states.values()) counts.set(place, (counts.get(place) ?? 0) + 1);
    return [...counts].reduce(([a, most], [b, n]): [string, number] => (n > most ? [b, n] : [a, most]), ['', 0])[0];
  }

  #endOne(place: string): void {
    for (const wanted of ['idle', 'asking', 'long'] as const)
      for (const [socket, one] of this.#states) {
        if (one.state !== wanted || one.place !== place) continue;
        this.#states.delete(socket);
        this.ended++;
        socket.destroy();
        return;
      }
  }
}
