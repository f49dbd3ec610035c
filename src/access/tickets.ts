/**
 * Tickets from the status page to the editor: who is logged in there need not type a password again. Invariants:
 * - A ticket has 128 random bits, is kept as its SHA-256, works once, and for TICKET_LASTS only.
 * - It works at the one origin for which it was made, and only while the session that asked for it holds.
 * - At most MOST_TICKETS wait; one more ends the oldest.
 */
import { type RandomBytes, randomText, sha256 } from './secrets.ts';

/** Milliseconds. */
export const TICKET_LASTS = 30_000;
export const MOST_TICKETS = 64;
/** Characters that are looked at. */
const LONGEST = 64;

interface Ticket {
  readonly session: string;
  readonly origin: string;
  readonly until: number;
}

export class Tickets {
  readonly #random: RandomBytes;
  /** By the SHA-256 of the ticket; the oldest comes first. */
  readonly #tickets = new Map<string, Ticket>();

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  get size(): number {
    return this.#tickets.size;
  }

  /** @param origin `https://gate.local:1880` @param now monotonic, ms @returns the ticket, which is nowhere else */
  make(session: string, origin: string, now: number): string {
    for (const [key, { until }] of this.#tickets) if (until <= now) this.#tickets.delete(key);
    const [oldest] = this.#tickets.size >= MOST_TICKETS ? this.#tickets.keys() : [];
    if (oldest !== undefined) this.#tickets.delete(oldest);
    const ticket = randomText(this.#random);
    this.#tickets.set(sha256(ticket), { session, origin, until: now + TICKET_LASTS });
    return ticket;
  }

  /** @returns the session that asked for it; undefined: it is none, was used, is too old, or is for another origin */
  take(ticket: string, origin: string, now: number): string | undefined {
    if (ticket.length > LONGEST) return undefined;
    const key = sha256(ticket);
    const found = this.#tickets.get(key);
    this.#tickets.delete(key);
    return found !== undefined && found.until > now && found.origin === origin ? found.session : undefined;
  }
}
