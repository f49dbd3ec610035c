/** Bounds of the front of Node-RED, for each of its two doors. Sizes in bytes, times in milliseconds. */

/** Bytes of one request body. Node-RED takes no more (node-red/child/red-settings.ts). */
export const MAX_BODY = 5 * 1024 ** 2;
/** A form of the front's own pages. */
export const MAX_FORM = 4 * 1024;
/** Header fields of one answer of Node-RED. */
export const MAX_ANSWER_HEAD = 16 * 1024;
/** Requests that Node-RED has at one time. */
export const MAX_FORWARDS = 64;
/** WebSockets at one time, and those of one session or token, or of one address where nobody logs in. */
export const MAX_SOCKETS = 32;
export const MAX_SOCKETS_OF_ONE = 8;
/** Connections of a door from the network, and those of one address: two browsers with an editor need 14. */
export const MAX_CONNECTIONS = 96;
export const MAX_PER_ADDRESS = 32;
/** A request comes whole within this time: a deploy of 1 MB over a slow link. */
export const REQUEST_WITHIN = 120_000;
/** A request, an answer or a WebSocket on which nothing moves for this long ends. Node-RED sends a beat every 15 s. */
export const STALL = 60_000;
/** Requests of one address: the editor asks for some 150 files when it opens. */
export const REQUESTS_AT_ONCE = 600;
export const REQUESTS_PER_SECOND = 60;
/** Characters of a Location or a cookie of an answer; longer ones are left out. */
export const LONGEST_FIELD = 4 * 1024;
/** Events about changes of flows in a minute; then one event counts the rest. */
export const EVENTS = 30;
