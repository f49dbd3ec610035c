/** Bounds of every listener. Times in milliseconds. */

/** A connection that sends nothing, or does not end its TLS handshake, is closed after this. */
export const HANDSHAKE_WITHIN = 5_000;
/**
 * TLS handshakes that begin at once, and so many more in a second: each takes a small board 5 to 10 ms of the thread that polls.
 * MAX_WAITING_HANDSHAKES connections wait for their turn.
 */
export const HANDSHAKES_AT_ONCE = 10;
export const HANDSHAKES_PER_SECOND = 20;
export const MAX_WAITING_HANDSHAKES = 64;
/** The rest between two of them: those that come at once do not hold up the thread for 50 to 100 ms. */
export const HANDSHAKE_REST = 10;
/** Connections before the end of their handshake: those that wait, and those whose peer sends nothing more after the beginning. */
export const MOST_BEFORE_TLS =
  MAX_WAITING_HANDSHAKES + HANDSHAKES_AT_ONCE + Math.ceil((HANDSHAKES_PER_SECOND * HANDSHAKE_WITHIN) / 1000);
/**
 * Connections that wait in the kernel until they are accepted; it allows net.core.somaxconn at most (4,096 by default). One more
 * loses its SYN, and its client tries again after a second. Node's own 511 are too few for a fleet that comes back at once.
 */
export const BACKLOG = 4_096;
/** The first wait before an address is tried again, and the longest. */
export const LISTEN_RETRY_MIN = 500;
export const LISTEN_RETRY_MAX = 30_000;
