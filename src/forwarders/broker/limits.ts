/** Every bound of the embedded broker. Sizes in bytes, times in milliseconds. */

/** Connections at one time; more are closed at once. */
export const MAX_CONNECTIONS = 64;
/** A connection that has not sent its CONNECT by then is closed. */
export const CONNECT_TIMEOUT = 5_000;
/** No sign of life is waited for longer than one and a half times this, whatever a client asks for. Seconds. */
export const MAX_KEEPALIVE = 3_600;
/** Largest packet (Remaining Length) before CONNECT is accepted, and after. */
export const MAX_PACKET_BEFORE_CONNECT = 4 * 1024;
export const MAX_PACKET = 256 * 1024;
/** Packets of one client waiting for its CONNECT to be accepted. */
export const MAX_QUEUED_BEFORE_CONNECT = 42;
export const MAX_CLIENT_ID = 128;
export const MAX_SUBSCRIPTIONS = 32;
/** Length of a topic filter in characters, and its levels. */
export const MAX_FILTER = 256;
export const MAX_LEVELS = 16;

/** A subscriber whose connection takes nothing for this long is closed; it never holds up the others meanwhile. */
export const DRAIN_TIMEOUT = 3_000;
/** Bytes waiting for one client: from half of it on, live messages pass it by (see slow-clients.ts). */
export const MAX_UNSENT = 512 * 1024;
/** Messages handed to the broker and not delivered yet. */
export const MAX_IN_FLIGHT = 256;

/** Persistent sessions, connected or not; a new one takes the place of the one that is away for longest. */
export const MAX_SESSIONS = 32;
/** A session whose client stays away for this long ends. */
export const SESSION_EXPIRY = 24 * 3_600_000;
export const SESSION_SWEEP = 60_000;
/** Messages and payload bytes queued for one session, and bytes for all of them. */
export const MAX_SESSION_MESSAGES = 1_000;
export const MAX_SESSION_BYTES = 1024 * 1024;
export const MAX_ALL_SESSIONS_BYTES = 4 * 1024 * 1024;

/** Retained `value/…` changes are published at most this often per point. */
export const VALUE_EVERY = 100;
/** A batch on `data` holds at most so many readings and waits at most this long. */
export const BATCH_READINGS = 1_000;
export const BATCH_AGE = 1_000;
/** Records kept while the broker cannot take a batch; the oldest go first. */
export const MAX_WAITING_RECORDS = 4_000;

/** First and longest wait before a listening address is tried again. */
export const LISTEN_RETRY_MIN = 500;
export const LISTEN_RETRY_MAX = 30_000;
/** `stop()` closes by force after this. */
export const STOP_WITHIN = 1_000;
