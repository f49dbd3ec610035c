/**
 * Bytes of a forwarder's connections as a metered link counts them: what its sockets sent and received (TLS included), which is exact,
 * and the headers of TCP and IP, which is an estimate. What it leaves out: segments that are sent again, and what lies below IP.
 *
 * The estimate, from what a socket sees of its traffic (RFC 791, RFC 8200, RFC 9293, RFC 7323):
 * - A header has 52 bytes over IPv4 (20 IP, 20 TCP, 12 for timestamps), and 20 more over IPv6. A SYN has 8 more of options.
 * - A flight of n bytes takes n / 1448 segments, rounded up: an Ethernet frame without the header.
 * - Each segment that arrives is acknowledged by one of its own; one that leaves as well, but for the first of a flight that is
 *   answered, since the answer brings the acknowledgement. Delayed acknowledgements make the true number smaller.
 * - To open takes three segments, to close four. A SYN without an answer is sent four times in ten seconds.
 */
import type { Socket } from 'node:net';

const HEADER = 52;
const SYN = 60;
const IPV6 = 20;
const SEGMENT = 1500 - HEADER;
/** SYNs of a connection that never came about, apart from the first. */
const SYN_AGAIN = 3;
/** The refusal of a port. */
const RST = 40;

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

/** Header bytes of one message that leaves and is answered, and of the answer: at most. @param bytes of the message */
export function exchangeHeaders(bytes: number): number {
  return (2 * Math.ceil(bytes / SEGMENT) + 1) * HEADER;
}

interface Watched {
  readonly socket: Socket;
  sent: number;
  received: number;
  /** A flight left and nothing came since. */
  asked: boolean;
  open: boolean;
}

export class WireMeter {
  #closed: WireBytes = NO_BYTES;
  /** One connection, and one that asks for another broker. */
  readonly #watched = new Set<Watched>();

  /** Since it was made. */
  get total(): WireBytes {
    this.look();
    return this.#closed;
  }

  /** From its first moment on: a socket that is not connected yet. */
  watch(socket: Socket): void {
    const watched = { socket, sent: 0, received: 0, asked: false, open: false };
    this.#watched.add(watched);
    this.#headers(SYN, socket);
    let refused = false;
    socket.on('error', (error) => {
      refused ||= 'code' in error && error.code === 'ECONNREFUSED';
    });
    socket.once('connect', () => {
      watched.open = true;
      this.#headers(SYN + HEADER, socket, 2);
    });
    socket.once('close', () => {
      this.#count(watched);
      this.#watched.delete(watched);
      if (watched.open) this.#headers(4 * HEADER, socket, 4);
      else if (refused) this.#headers(RST, socket);
      else this.#headers(SYN_AGAIN * SYN, socket, SYN_AGAIN);
    });
  }

  /** To be called after each flight: what lies between two calls counts as one of each direction. */
  look(): void {
    for (const watched of this.#watched) this.#count(watched);
  }

  #count(watched: Watched): void {
    const { socket } = watched;
    const sent = Math.max(0, socket.bytesWritten - watched.sent);
    const received = Math.max(0, socket.bytesRead - watched.received);
    if (sent === 0 && received === 0) return;
    watched.sent += sent;
    watched.received += received;
    const [out, back] = [Math.ceil(sent / SEGMENT), Math.ceil(received / SEGMENT)];
    // An answer acknowledges the flight that was before it.
    const saved = received > 0 && (watched.asked || sent > 0) ? 1 : 0;
    if (sent > 0) watched.asked = received === 0;
    else if (received > 0) watched.asked = false;
    const packets = Math.max(out + back, 2 * (out + back) - saved);
    this.#closed = addBytes(this.#closed, { sent, received, headers: 0 });
    this.#headers(packets * HEADER, socket, packets);
  }

  #headers(bytes: number, socket: Socket, packets = 1): void {
    const six = socket.remoteFamily === 'IPv6' ? IPV6 : 0;
    this.#closed = { ...this.#closed, headers: this.#closed.headers + bytes + packets * six };
  }
}
