/** Every bound of the local API. Sizes in bytes, times in milliseconds. */
/** Connections of the socket, and of HTTP for this machine. A further one ends another: connections.ts. The long answers below leave at least a quarter of them. */
export const MAX_CONNECTIONS = 32;
/** Connections from the network, and those of one address among them. */
export const MAX_NETWORK_CONNECTIONS = 64;
export const MAX_PER_ADDRESS = 16;
/** Sockets of one address of HTTP, those with a TLS handshake before them among them. */
export const MAX_SOCKETS = 256;
/** Addresses on which HTTP listens; config/listener-schema.ts has the same number. */
export const MAX_LISTENERS = 8;
export const MAX_HEADERS = 8 * 1024;
export const MAX_URL = 4 * 1024;
export const MAX_BODY = 64 * 1024;
/** An import of flows; the flows in it have 5 MB. So many such bodies are read at one time. */
export const FLOWS_BODY = 5_004_096;
/** A receipt, whose quotes are escaped. */
export const RECEIPT_BODY = 1024 * 1024;
export const MAX_LARGE_BODIES = 2;
export const HEADERS_WITHIN = 5_000;
export const REQUEST_WITHIN = 10_000;
export const KEEP_ALIVE = 5_000;
/** How often late requests are looked for. */
export const CHECK_EVERY = 5_000;
/** An export or tail whose reader takes nothing for this long is ended. */
export const READER_STALL = 60_000;

/** Long answers at one time through one door; more are refused with 503. */
export const MAX_TAILS = 8;
export const MAX_EXPORTS = 2;
export const MAX_CAPTURES = 4;
export const MAX_RESENDS = 4;
/** Each makes the log's reading thread work for some tenths of a second at most. */
export const MAX_QUESTIONS = 4;
export const MAX_BUCKETS = 5_000;
/** Points in one answer of what was removed. */
export const MAX_REMOVED = 1_000;
/** Names in one `points=`. */
export const MAX_POINTS = 1_000;

/** Bytes waiting for one tail; from then on readings are conflated and alarms kept up to these numbers. */
export const TAIL_UNSENT = 256 * 1024;
export const TAIL_READINGS = 2_000;
export const TAIL_ALARMS = 100;

/** Bytes waiting for one capture; from then on frames are left out. */
export const CAPTURE_UNSENT = 256 * 1024;

/** Pages that stay open, through one door. */
export const MAX_LIVES = 6;
/** Milliseconds between two rounds for a page; the page asks for more on a slow link. */
export const LIVE_EVERY = 2_000;
export const LIVE_EVERY_MIN = 1_000;
export const LIVE_EVERY_MAX = 60_000;
/** Readings in one event: about 20 kB. */
export const LIVE_READINGS = 500;
/** Streams and answers that are compressed at one time, through all doors; answers that are shorter are not compressed. */
export const MAX_PACKED_STREAMS = 8;
export const MAX_PACKED_ANSWERS = 4;
export const SMALLEST_PACKED = 1024;
/** Changes of alarms in the answer for a chart: the newest. */
export const MAX_ALARM_CHANGES = 200;

/** `stop()` closes by force after this. */
export const STOP_WITHIN = 500;
/** The same at an address that a reload takes away. */
export const RETIRE_WITHIN = 5000;

/** A page of metrics is made again when it is this old; who asks sooner gets the same page. */
export const METRICS_AGE = 1_000;
/** The same of the state that `/api/v1/status` shows over HTTP. */
export const STATUS_AGE = 250;
/** Requests of one address of the network: so many at once, and so many more in a second. */
export const REQUESTS_AT_ONCE = 100;
export const REQUESTS_PER_SECOND = 20;
/** Bytes of one connection that are read at once: a request of a browser has 500 to 1,000, the shortest one 26. */
export const PIECE = 1024;
/** A connection is not read for so long after a request that was one too many. */
export const REFUSED_REST = 200;
/** Addresses that are remembered for it. */
export const MAX_ADDRESSES = 1_024;
/** The share that one address of the network may have of each kind of long answers. */
export const SHARE_OF_ADDRESS = 0.5;
/** Long answers end when the session or the token behind them has; looked at so often, and at each change of accounts. */
export const LOOK_AT_CALLERS = 60_000;
/** How long a browser keeps what lets its log-ins be told from those of strangers, seconds. */
export const MARK_AGE = 365 * 86_400;
