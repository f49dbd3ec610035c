/**
 * What the embedded broker counts when a limit is reached or a rule is broken, in words for people. `sluice status -v`, the metrics,
 * the API and docs/reference/topics.md show each of them under its name; limit-table.ts says which limit has which counter.
 */

/** Connections and clients that were turned away or ended. */
export const REFUSED = {
  places: 'every place was taken',
  account: 'their account had its share of the places',
  address: 'their address had its share of the connections without a log-in',
  backlog: 'a listening address took no more, or there was no TLS handshake in time',
  sessions: 'there was no space for a session, and no account had more than theirs',
  displaced: 'they gave way to another client, or to a newer connection',
  late: 'they sent no CONNECT in time',
  silent: 'they gave no sign of life within their keep-alive',
  id: 'their client id was too long',
  requests: 'one client made too many requests',
  'account-requests': 'the clients of one account made too many requests',
  'address-requests': 'one address sent too many CONNECTs, or too many requests without an account',
  'all-requests': 'all clients together made too many requests, and their account most of them',
  slow: 'they did not read what was sent',
  size: 'a packet was too large',
  partial: 'too many packets were not whole, and theirs waited for longest',
  unfinished: 'a packet was not whole in time',
  incoming: 'they published too many messages of QoS 2 without releasing them',
  behind: 'the disk did not keep up with what their account published, or did not take it in time',
  early: 'they came back too soon after that',
  clients: 'their log-in was refused, or they failed otherwise',
  version: 'they asked for another version of MQTT',
  publish: 'they published where they may not',
  order: 'a packet was out of order',
  header: 'a packet had a wrong header',
  length: 'a packet had a wrong length',
  text: 'a packet had a wrong text',
  value: 'a packet had a wrong value',
  topic: 'a topic was malformed or too long, or a filter was malformed',
} as const;

/** Messages that somebody did not get. */
export const DROPPED = {
  sessions: 'the queue of a session was full',
  'account-queues': 'the queues of an account were full',
  'all-queues': 'all queues together were full, and this account had most in them',
  slow: 'a subscriber did not keep up',
  busy: 'the broker had too many messages under way',
  retained: 'they were not retained: their account had its share',
  'all-retained': 'they were retained, and went because all together were too many and their account had most',
  incoming: 'the content of a message of QoS 2 was not kept for its repetition; its receivers have it',
  exchange: 'they came during a reload of their bus and found no space',
} as const;

/** Other things that a limit ended or refused. */
export const REACHED = {
  subscriptions: 'subscriptions denied: the client had as many as it may have',
  filters: 'subscriptions denied: the filter was too long or had too many levels',
  'account-sessions': 'sessions ended for a newer one of their account, which had its share',
  'all-sessions': 'sessions ended because all together were too many and their account had most',
  expired: 'sessions ended because their client stayed away',
  lingering: 'connections closed at once, without time to read why they were refused',
} as const;

export type Refused = keyof typeof REFUSED;
export type Dropped = keyof typeof DROPPED;
export type Reached = keyof typeof REACHED;

/** A counter of each name. */
export function counters<Name extends string>(words: Readonly<Record<Name, string>>): Record<Name, number> {
  return Object.fromEntries(Object.keys(words).map((name) => [name, 0])) as Record<Name, number>;
}
