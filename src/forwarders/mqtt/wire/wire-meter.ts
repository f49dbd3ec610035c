/**
 * Bytes of a forwarder's connections as a metered link counts them: what its sockets sent and received (TLS included), which is exact,
 * and the headers of TCP and IP, which is an estimate. What it leaves out: segments that are sent again, and what lies below IP.
 *
 * The estimate, from what a socket sees of its traffic and when (RFC 791, RFC 8200, RFC 9293, RFC 7323):
 * - A header has 52 bytes over IPv4 (20 IP, 20 TCP, 12 for timestamps), and 20 more over IPv6. A SYN has 8 more of options.
 * - A flight of n bytes takes n / 1448 segments, rounded up: an Ethernet frame without the header.
 * - Acknowledgements of their own: acknowledger.ts, for both ends. How long a way takes is known from the opening.
 * - To open takes three segments, to close four, and with TLS a fifth. Where the end of TLS leaves with the goodbye and the
 *   broker ends first, its last words are read, and three more close it at most. A SYN without an answer is sent again after 1, 2, 3, 4, 5
 *   and 7 s. That is what kernels since 6.5 do; older ones send fewer.
 *
 * Where something cannot be known, the larger number counts. A machine that is so busy that it reads late acknowledged at other times than
 * are seen here: single headers may then be missing.
 */
import type { Socket } from 'node:net';
import { Acknowledger } from './acknowledger.ts';

const HEADER = 52;
const SYN = 60;
const IPV6 = 20;
const SEGMENT = 1500 - HEADER;
/** When a SYN is sent again, ms after the first. A try ends before the next one. */
const SYN_AGAIN = [1000, 2000, 3000, 4000, 5000, 7000];
/** The refusal of a port. */
const RST = 40;
/** Each side ends its direction, and the other acknowledges it. */
const CLOSING = 4;
/** An acknowledgement of the broker's last words, its end of both directions, and perhaps one from here meanwhile. */
const CLOSING_GATHERED = 3;
/** The end of TLS that the other side says: a socket that is closed does not read it. RFC 8446, 6.1: a record of TLS 1.3. */
const ALERT = 24;

export interface WireBytes {
  /** Bytes of sockets. */
  readonly sent: number;
  readonly received: number;
  /** Bytes of headers of TCP and IP, both ways: an estimate. */
  readonly headers: number;
}

export const NO_BYTES: WireBytes = { sent: 0, received: 0, headers: 0 };

export function addBytes(a: WireBytes, b: WireBytes): WireBytes {
  return { sent: a.sent + b.sent, received: a.received + b.received, headers: a.headers + b.headers };
}

export function allBytes({ sent, received, headers }: WireBytes): number {
  return sent + received + headers;
}

/**
 * Header bytes of one message that leaves and is answered, and of the answer: at most. Every second segment is acknowledged, the answer
 * is as well, and the broker may acknowledge the last segment before it answers.
 * @param bytes of the message
 */
export function exchangeHeaders(bytes: number): number {
  const segments = Math.ceil(bytes / SEGMENT);
  return (segments + Math.ceil(segments / 2) + 2) * HEADER;
}

/** What a connection speaks; `gathered`: TLS whose end leaves with the goodbye. */
export type Spoken = 'plain' | 'tls' | 'gathered';

interface Watched {
  readonly socket: Socket;
  readonly spoken: Spoken;
  /** When the first SYN left. */
  begun: number;
  sent: number;
  received: number;
  /** A flight left and nothing came since. */
  asked: boolean;
  open: boolean;
  /** Milliseconds there and back. */
  away: number;
  readonly here: Acknowledger;
  readonly there: Acknowledger;
}

export class WireMeter {
  readonly #now: () => number;
  #closed: WireBytes = NO_BYTES;
  /** One connection, and one that asks for another broker. */
  readonly #watched = new Set<Watched>();

  /** @param now milliseconds, monotonic */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Since it was made. */
  get total(): WireBytes {
    this.look();
    return this.#closed;
  }

  /** From its first moment on: a socket that is not connected yet. */
  watch(socket: Socket, spoken: Spoken = 'plain'): void {
    const watched: Watched = {
      ...{ socket, spoken, begun: this.#now(), sent: 0, received: 0, asked: false, open: false, away: 0 },
      ...{ here: new Acknowledger(), there: new Acknowledger() },
    };
    this.#watched.add(watched);
    this.#add(SYN);
    let refused = false;
    socket.on('error', (error) => {
      refused ||= 'code' in error && error.code === 'ECONNREFUSED';
    });
    let tries = 0;
    let six = 0;
    // A name may lead to several addresses, which the system tries one after the other: each has a SYN, and the last one an answer.
    socket.on('connectionAttempt', (_ip, _port, family) => {
      watched.begun = this.#now();
      six = family === 6 ? IPV6 : 0;
      this.#add((tries++ === 0 ? 0 : SYN) + six);
    });
    socket.once('connect', () => {
      watched.open = true;
      watched.away = this.#now() - watched.begun;
      this.#headers(SYN + HEADER, socket, 2);
    });
    socket.once('close', () => {
      this.#count(watched);
      this.#watched.delete(watched);
      if (watched.open) this.#ends(watched);
      else if (refused) this.#add(RST + six);
      else {
        const again = SYN_AGAIN.filter((ms) => this.#now() - watched.begun >= ms).length;
        this.#add(again * (SYN + six));
      }
    });
  }

  /** The other side sent a small message more than can be seen: one read took two. */
  unseen(socket: Socket): void {
    this.#headers(2 * HEADER, socket, 2);
  }

  #ends({ socket, spoken }: Watched): void {
    // On a slow way, and after a visit that failed, the end from here is the first.
    const first = spoken === 'gathered' && socket.readableEnded;
    const closing = first ? CLOSING_GATHERED : CLOSING;
    this.#headers(closing * HEADER, socket, closing);
    if (spoken !== 'plain' && !first) this.#headers(HEADER + ALERT, socket);
  }

  /** To be called after each flight: what lies between two calls counts as one of each direction. */
  look(): void {
    for (const watched of this.#watched) this.#count(watched);
  }

  #count(watched: Watched): void {
    const { socket, here, there, away } = watched;
    const sent = Math.max(0, socket.bytesWritten - watched.sent);
    const received = Math.max(0, socket.bytesRead - watched.received);
    watched.sent += sent;
    watched.received += received;
    const now = this.#now();
    const [out, back] = [Math.ceil(sent / SEGMENT), Math.ceil(received / SEGMENT)];
    let packets = out + back;
    if (packets === 0) {
      packets = here.waits(now) + there.waits(now, away);
      if (packets > 0) this.#headers(packets * HEADER, socket, packets);
      return;
    }
    const leaves = (): void => {
      if (out > 0) packets += here.sends(now) + there.takes(out, now);
    };
    const comes = (): void => {
      if (back > 0) packets += there.sends(now, away) + here.takes(back, now);
    };
    // What came in between answers the flight before it.
    if (watched.asked && back > 0) {
      comes();
      leaves();
      watched.asked = out > 0;
    } else {
      leaves();
      comes();
      watched.asked = back === 0;
    }
    this.#closed = addBytes(this.#closed, { sent, received, headers: 0 });
    this.#headers(packets * HEADER, socket, packets);
  }

  #headers(bytes: number, socket: Socket, packets = 1): void {
    this.#add(bytes + packets * (socket.remoteFamily === 'IPv6' ? IPV6 : 0));
  }

  #add(bytes: number): void {
    this.#closed = { ...this.#closed, headers: this.#closed.headers + bytes };
  }
}
