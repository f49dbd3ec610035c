/** Every bound of the socket for flows. Sizes in bytes, times in milliseconds. */

/** Connections in all, and those of them that have not said a good hello. */
export const MOST_CONNECTIONS = 24;
export const MOST_STRANGERS = 16;
/** Connections with the token: one for each runtime, and some for tools beside it. */
export const MOST_SESSIONS = 8;
/** A good hello comes within this time; a wrong one is answered after this time. */
export const HELLO_WITHIN = 5000;
export const WRONG_AFTER = 1000;
/** One line, each way. */
export const LONGEST_IN = 64 * 1024;
export const LONGEST_OUT = 256 * 1024;
/** Beyond this nothing more is written, and no further line is read, until the client has taken it. */
export const UNSENT = 512 * 1024;
/** Each connection may have so many. */
export const MOST_SUBSCRIPTIONS = 64;
/** All connections together: each reading is looked at for each of them. */
export const ALL_SUBSCRIPTIONS = 128;
/** A connection may have so many whatever the others have: one flow cannot take them all. */
export const OWN_SUBSCRIPTIONS = 8;
export const MOST_PATTERNS = 64;
export const MOST_CALLS = 32;
/** Commands that act, at one time; further ones wait. */
export const COMMANDS_AT_ONCE = 4;
/** Questions about history at one time, of all connections. */
export const HISTORIES_AT_ONCE = 2;
/** A client that takes nothing of an answer about history for so long gets no more of it. */
export const TAKEN_WITHIN = 30_000;
/** Lines that may be on their way for a subscription. */
export const MOST_CREDIT = 1024;
export const CREDIT = 16;
/** Readings, and transitions of alarms, that wait for a subscription. */
export const WAITING_READINGS = 1000;
export const WAITING_ALARMS = 2000;
/** Readings of one line. */
export const LINE_READINGS = 500;
export const MOST_LATEST = 1000;
export const MOST_PUT = 500;
/** Refused readings that the answer to a put names. */
export const NAMED_REFUSALS = 20;
/** Readings of one answer about history. */
export const MOST_HISTORY = 50_000;
export const HISTORY = 5000;
export const PART_READINGS = 500;
/** The gateway works for one connection so long at a time, and so long in a second; for all of them together so long in a second. */
export const TURN = 5;
export const IN_SECOND = 250;
export const ALL_IN_SECOND = 400;
/** Between two lines that say that something is left out. */
export const THROTTLED_EVERY = 1000;
/** A reading may be so old, and its clock so far ahead. */
export const OLDEST_PUT = 60_000;
export const AHEAD = 1000;
