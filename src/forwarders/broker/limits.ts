/** Every bound of the embedded broker. Sizes in bytes, times in milliseconds. */
import { MOST_BEFORE_TLS } from '../../access/doors/limits.ts';

/** A number of things, and the bytes in them. */
export interface Amount {
  readonly count: number;
  readonly bytes: number;
}
/**
 * What one account (user, device, token) may use of a total: half of what is stored, three eighths of the places. shares.ts says
 * who gives something up when that, or the total, is reached.
 */
const STORED = 1 / 2;
const PLACES = 3 / 8;

/** Clients at one time, and connections without an accepted CONNECT; who gives way is in places.ts. */
export const MAX_CONNECTIONS = 64;
export const MAX_UNCONNECTED = 64;
/** Connections without a log-in of one address that is not of this board, and clients of one account, among these. */
export const MAX_PER_ADDRESS = PLACES * MAX_CONNECTIONS;
export const MAX_PER_ACCOUNT = PLACES * MAX_CONNECTIONS;
/** Connections of refused CONNECTs that get time to read their answer although more came behind it; others are closed at once. */
export const MAX_LINGERING = 16;
/**
 * Sockets of one address of the broker; more are closed at once, whoever they are. So there is space for all that the limits above
 * and TLS let in, and for those that wait for their first turn or are being closed.
 */
export const MAX_SOCKETS = MAX_CONNECTIONS + MAX_UNCONNECTED + MAX_LINGERING + MOST_BEFORE_TLS + 32;
/** A client without a subscription may lose its place after this; one with a subscription after STAYS, except the KEPT_CLIENTS that are there for longest. */
export const IDLE_AFTER = 5_000;
export const STAYS = 60_000;
export const KEPT_CLIENTS = 16;
/** A connection that has not sent its CONNECT by then is closed. */
export const CONNECT_TIMEOUT = 5_000;
/** Addresses on which one broker listens. */
export const MAX_LISTENERS = 8;
/** No sign of life is waited for longer than one and a half times this, whatever a client asks for. Seconds. */
export const MAX_KEEPALIVE = 3_600;
/** Largest packet (Remaining Length) before CONNECT is accepted, and after; `broker.maxPacket` asks for another one, of 1 MB at most. */
export const MAX_PACKET_BEFORE_CONNECT = 4 * 1024;
export const MAX_PACKET = 256 * 1024;
/**
 * Bytes of packets that are not whole yet, of all clients: 16 of MAX_PACKET at a time. When there are more, the client whose packet
 * waits for longest is disconnected, as is one whose packet is not whole after PACKET_TIMEOUT.
 */
export const MAX_PARTIAL = 4 * 1024 * 1024;
export const PACKET_TIMEOUT = 30_000;
/** Requests of one client without an answer; what it sends behind them is not read until one of them is answered. */
export const MOST_UNANSWERED = 256;
export const MAX_CLIENT_ID = 128;
export const MAX_SUBSCRIPTIONS = 32;
/**
 * Requests of one client: packets and the topic filters in them. So many at once, and so many more a second; a client that
 * makes more is disconnected. Acknowledgements of what was sent are none; MAX_OWED is two for each packet id there is.
 */
export const REQUESTS_AT_ONCE = 200;
export const REQUESTS_PER_SECOND = 20;
/** The same of a client with an account, which may publish. */
export const KNOWN_REQUESTS_AT_ONCE = 1000;
export const KNOWN_REQUESTS_PER_SECOND = 100;
/** The same of all clients of an account, and of all anonymous ones. They outlive a connection, so that a new one begins with no more. */
export const ACCOUNT_REQUESTS_AT_ONCE = 4 * KNOWN_REQUESTS_AT_ONCE;
export const ACCOUNT_REQUESTS_PER_SECOND = 4 * KNOWN_REQUESTS_PER_SECOND;
export const ANONYMOUS_REQUESTS_AT_ONCE = MAX_CONNECTIONS * REQUESTS_AT_ONCE;
export const ANONYMOUS_REQUESTS_PER_SECOND = MAX_CONNECTIONS * REQUESTS_PER_SECOND;
/**
 * The same of all clients, and of one address that is not of this board: of its CONNECTs, and of its clients without an account. What
 * others ask for counts for their accounts, since behind one router all have one address.
 */
export const ALL_REQUESTS_AT_ONCE = 4 * ACCOUNT_REQUESTS_AT_ONCE;
export const ALL_REQUESTS_PER_SECOND = 4 * ACCOUNT_REQUESTS_PER_SECOND;
export const ADDRESS_REQUESTS_AT_ONCE = PLACES * ALL_REQUESTS_AT_ONCE;
export const ADDRESS_REQUESTS_PER_SECOND = PLACES * ALL_REQUESTS_PER_SECOND;
export const MAX_OWED = 2 * 65_535;
/** Retained messages that one client gets in a turn. */
export const REPLAYED_PER_TURN = 16;
/** Values that are published in one turn, times the filters of all clients. */
export const DELIVERIES_PER_TURN = 256;
/** Bytes of the topic of a message. MQTT allows 64 kB; each queue, row and subscriber would carry them. */
export const MAX_TOPIC = 1024;
/** Length of a topic filter in characters, and levels of a filter or topic. */
export const MAX_FILTER = 256;
export const MAX_LEVELS = 16;
/** A subscription with more levels than MAX_LEVELS is denied; one with more than these ends the connection: aedes cannot read it (100, and one that patches/aedes.ts adds). */
export const MOST_LEVELS = 99;
export const AEDES_LEVELS = 100;

/**
 * A subscriber that takes nothing for this long is closed when much waits for it (outbound.ts); it never holds up the others. On loopback
 * a peer acknowledges in steps of about 100 kB: a reader of 200 kB/s does so at least every 1.8 s, one of 50 kB/s every 2.6 s.
 */
export const DRAIN_TIMEOUT = 3_000;
/**
 * Bytes waiting for one client from which on live messages pass it by (see slow-clients.ts) and its requests wait. What was
 * under way in that moment comes on top: MAX_IN_FLIGHT messages at most.
 */
export const MAX_UNSENT = 256 * 1024;
/** Messages handed to the broker and not delivered yet. */
export const MAX_IN_FLIGHT = 256;
/**
 * Messages in flight times the filters of all clients: a client may have many filters that match the same message, and each
 * is looked at for each message. With more filters values follow each other more slowly, and each is the latest.
 */
export const MAX_DELIVERIES = 32_768;

/** Persistent sessions, connected or not, of all and of one account. Of an account the one that is away for longest gives way. */
export const MAX_SESSIONS = 32;
export const MAX_ACCOUNT_SESSIONS = STORED * MAX_SESSIONS;
/** A session whose client stays away for this long ends. */
export const SESSION_EXPIRY = 24 * 3_600_000;
export const SESSION_SWEEP = 60_000;
/** Messages queued for one session and bytes of their topics and payloads, and those for all of them. */
export const MAX_SESSION_MESSAGES = 4_000;
export const MAX_SESSION_BYTES = 1024 * 1024;
export const MAX_ALL_SESSIONS_MESSAGES = 32_000;
export const MAX_ALL_SESSIONS_BYTES = 4 * 1024 * 1024;
/** And for those of one account. */
export const MAX_ACCOUNT_QUEUED = STORED * MAX_ALL_SESSIONS_MESSAGES;
export const MAX_ACCOUNT_QUEUED_BYTES = STORED * MAX_ALL_SESSIONS_BYTES;
/** Time between two notes in the store of how long clients have been away. */
export const AWAY_EVERY = 3_600_000;
/** Retained messages of clients, and bytes of their topics and payloads. */
export const MAX_RETAINED = 10_000;
export const MAX_RETAINED_BYTES = 4 * 1024 * 1024;
/** Those that one account published last. */
export const MAX_ACCOUNT_RETAINED = STORED * MAX_RETAINED;
export const MAX_ACCOUNT_RETAINED_BYTES = STORED * MAX_RETAINED_BYTES;
/** Messages of one account that wait for the disk before they are acknowledged, and bytes of their topics and payloads. */
export const MAX_ACCOUNT_UNSETTLED_MESSAGES = MAX_SESSION_MESSAGES;
export const MAX_ACCOUNT_UNSETTLED = 1024 * 1024;
/** The bytes of all accounts. Beyond it, and while the disk is behind, one account has MAX_UNSETTLED_BEHIND. */
export const MAX_UNSETTLED = 4 * 1024 * 1024;
export const MAX_UNSETTLED_BEHIND = 64 * 1024;
/**
 * The store holds at most so many rows and bytes of one account that are not on the disk yet. Later messages of the account wait. A message
 * for thirty sessions is 31 rows. LANE_TURNS messages of an account ask for a turn of the event loop at a time.
 * The gateway reads on from a client while LANE_READ_ON of its bytes wait for their lane at most, and LANE_READ_ON_ALL of its account.
 */
export const LANE_ROWS = 2_048;
export const LANE_BYTES = 128 * 1024;
export const LANE_TURNS = 32;
export const LANE_READ_ON = 16 * 1024;
export const LANE_READ_ON_ALL = 64 * 1024;
/** The disk is late when something waits for it for this long: messages are handed on, and their acknowledgements wait. */
export const LATE_AFTER = 1_000;
/** A client whose message waits for its acknowledgement for longer is disconnected. */
export const WITHHELD_WITHIN = 60_000;
/**
 * A client that was disconnected for the disk may come back after this, after twice as much the next time, and so on up to the most. All of it
 * is forgotten when it stays so long; so many clients are remembered.
 */
export const COME_BACK_AFTER = 1_000;
export const COME_BACK_MOST = 30_000;
export const COME_BACK_FORGOTTEN = 300_000;
export const COME_BACK_CLIENTS = 256;
/** QoS 2 messages of one client that it has published and not released, over all connections of a session; bytes of topics and payloads that are kept of all of them. */
export const MAX_INCOMING = 100;
export const MAX_INCOMING_BYTES = 1024 * 1024;
/** How long the disk is waited for before a subscription is granted. */
export const SUBSCRIBE_WITHIN = 2_000;
/** At a start: how long the log is waited for, for what sessions missed while nobody listened. */
export const BACKLOG_WITHIN = 10_000;

/**
 * While a reload exchanges a bus of MQTT devices: how long its messages wait for the new one, how many, and their payload bytes. The
 * other buses of the exchange take 3 s at most to free their ports.
 */
export const EXCHANGE_WITHIN = 10_000;
export const EXCHANGE_MESSAGES = 1_000;
export const EXCHANGE_MESSAGES_BYTES = 1024 * 1024;

/** Time between two messages of each `$SYS` topic. */
export const SYSTEM_EVERY = 10_000;

/** Retained `value/…` changes are published at most this often per point. */
export const VALUE_EVERY = 100;
/** A batch on `data` holds at most so many readings and waits at most this long. */
export const BATCH_READINGS = 1_000;
export const BATCH_AGE = 1_000;
/** Records kept while the broker cannot take a batch; the oldest go first. */
export const MAX_WAITING_RECORDS = 4_000;

/** `stop()` closes by force after this. */
export const STOP_WITHIN = 1_000;
