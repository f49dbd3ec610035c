/**
 * Which counter tells that a limit was reached. Every constant of limits.ts is in here: a test fails for one that is not, and for a
 * counter that `sluice status -v`, the metrics or docs/reference/topics.md do not show.
 */
import type { Dropped, Reached, Refused } from './broker-counts.ts';
import * as limits from './limits.ts';

export type LimitName = keyof typeof limits;
export type Counter = `refused ${Refused}` | `dropped ${Dropped}` | `reached ${Reached}`;

export const COUNTED_LIMITS = {
  'refused places': ['MAX_CONNECTIONS'],
  'refused account': ['MAX_PER_ACCOUNT'],
  'refused address': ['MAX_PER_ADDRESS'],
  'refused backlog': ['MAX_SOCKETS'],
  'refused sessions': ['MAX_SESSIONS'],
  'refused displaced': ['MAX_UNCONNECTED', 'IDLE_AFTER', 'STAYS', 'KEPT_CLIENTS'],
  'refused late': ['CONNECT_TIMEOUT'],
  'refused silent': ['MAX_KEEPALIVE'],
  'refused id': ['MAX_CLIENT_ID'],
  'refused requests': [
    'REQUESTS_AT_ONCE',
    'REQUESTS_PER_SECOND',
    'KNOWN_REQUESTS_AT_ONCE',
    'KNOWN_REQUESTS_PER_SECOND',
    'MAX_OWED',
  ],
  'refused account-requests': [
    'ACCOUNT_REQUESTS_AT_ONCE',
    'ACCOUNT_REQUESTS_PER_SECOND',
    'ANONYMOUS_REQUESTS_AT_ONCE',
    'ANONYMOUS_REQUESTS_PER_SECOND',
  ],
  'refused address-requests': ['ADDRESS_REQUESTS_AT_ONCE', 'ADDRESS_REQUESTS_PER_SECOND'],
  'refused all-requests': ['ALL_REQUESTS_AT_ONCE', 'ALL_REQUESTS_PER_SECOND'],
  'refused slow': ['DRAIN_TIMEOUT'],
  'refused size': ['MAX_PACKET_BEFORE_CONNECT', 'MAX_PACKET'],
  'refused partial': ['MAX_PARTIAL'],
  'refused unfinished': ['PACKET_TIMEOUT'],
  'refused incoming': ['MAX_INCOMING'],
  'refused behind': [
    'MAX_ACCOUNT_UNSETTLED',
    'MAX_ACCOUNT_UNSETTLED_MESSAGES',
    'MAX_UNSETTLED',
    'MAX_UNSETTLED_BEHIND',
    'WITHHELD_WITHIN',
  ],
  'refused early': ['COME_BACK_AFTER', 'COME_BACK_MOST', 'COME_BACK_FORGOTTEN', 'COME_BACK_CLIENTS'],
  'refused topic': ['MAX_TOPIC', 'MOST_LEVELS', 'AEDES_LEVELS'],
  'dropped sessions': ['MAX_SESSION_MESSAGES', 'MAX_SESSION_BYTES'],
  'dropped account-queues': ['MAX_ACCOUNT_QUEUED', 'MAX_ACCOUNT_QUEUED_BYTES'],
  'dropped all-queues': ['MAX_ALL_SESSIONS_MESSAGES', 'MAX_ALL_SESSIONS_BYTES'],
  'dropped slow': ['MAX_UNSENT'],
  'dropped busy': ['MAX_IN_FLIGHT', 'MAX_DELIVERIES', 'MAX_WAITING_RECORDS'],
  'dropped retained': ['MAX_ACCOUNT_RETAINED', 'MAX_ACCOUNT_RETAINED_BYTES'],
  'dropped all-retained': ['MAX_RETAINED', 'MAX_RETAINED_BYTES'],
  'dropped incoming': ['MAX_INCOMING_BYTES'],
  'dropped exchange': ['EXCHANGE_WITHIN', 'EXCHANGE_MESSAGES', 'EXCHANGE_MESSAGES_BYTES'],
  'reached subscriptions': ['MAX_SUBSCRIPTIONS'],
  'reached filters': ['MAX_FILTER', 'MAX_LEVELS'],
  'reached account-sessions': ['MAX_ACCOUNT_SESSIONS'],
  'reached all-sessions': ['MAX_SESSIONS'],
  'reached expired': ['SESSION_EXPIRY'],
  'reached lingering': ['MAX_LINGERING'],
} as const satisfies Partial<Record<Counter, readonly LimitName[]>>;

/** How often and in what pieces the broker works. Nothing is refused or lost at them. */
export const PACES: readonly LimitName[] = [
  'MAX_LISTENERS',
  'MOST_UNANSWERED',
  'REPLAYED_PER_TURN',
  'DELIVERIES_PER_TURN',
  'SESSION_SWEEP',
  'AWAY_EVERY',
  'SUBSCRIBE_WITHIN',
  'LATE_AFTER',
  'LANE_ROWS',
  'LANE_BYTES',
  'LANE_TURNS',
  'LANE_READ_ON',
  'LANE_READ_ON_ALL',
  'BACKLOG_WITHIN',
  'SYSTEM_EVERY',
  'VALUE_EVERY',
  'BATCH_READINGS',
  'BATCH_AGE',
  'STOP_WITHIN',
];

/** Who is bounded in what: the limits, and how the page says it; or why there is no limit. */
export type Bound = { readonly limits: readonly LimitName[]; readonly words: string } | { readonly reason: string };
export type Whom = 'client' | 'account' | 'address' | 'all';

const bound = (words: string, ...names: LimitName[]): Bound => ({ limits: names, words });
const reason = (words: string): Bound => ({ reason: words });
const n = (value: number): string => value.toLocaleString('en');
const size = (bytes: number): string => (bytes % 1024 ** 2 === 0 ? `${bytes / 1024 ** 2} MB` : `${bytes / 1024} kB`);
const rate = (atOnce: number, perSecond: number): string => `${n(atOnce)} at once, ${n(perSecond)} a second`;
const amount = (count: number, bytes: number): string => `${n(count)} and ${size(bytes)}`;

/** Behind one router all clients have one address, and on the board as well: what is kept belongs to accounts. */
const OF_ACCOUNTS = reason('what is kept belongs to accounts; behind one router all have one address');
const FOLLOWS = reason('follows from its clients and sessions');

export const BOUNDS: Readonly<Record<string, Readonly<Record<Whom, Bound>>>> = {
  connections: {
    client: reason('one: a newer one ends the older one'),
    account: bound(n(limits.MAX_PER_ACCOUNT), 'MAX_PER_ACCOUNT'),
    address: bound(`${n(limits.MAX_PER_ADDRESS)} without a log-in`, 'MAX_PER_ADDRESS'),
    all: bound(
      `${n(limits.MAX_CONNECTIONS)}, and ${n(limits.MAX_UNCONNECTED)} before their CONNECT`,
      ...(['MAX_CONNECTIONS', 'MAX_UNCONNECTED'] as const),
    ),
  },
  'size of a packet': {
    client: bound(size(limits.MAX_PACKET), 'MAX_PACKET', 'MAX_PACKET_BEFORE_CONNECT'),
    account: FOLLOWS,
    address: FOLLOWS,
    all: bound(`${size(limits.MAX_PARTIAL)} that are not whole`, 'MAX_PARTIAL'),
  },
  requests: {
    client: bound(
      rate(limits.KNOWN_REQUESTS_AT_ONCE, limits.KNOWN_REQUESTS_PER_SECOND),
      ...(['KNOWN_REQUESTS_AT_ONCE', 'KNOWN_REQUESTS_PER_SECOND', 'REQUESTS_AT_ONCE', 'REQUESTS_PER_SECOND'] as const),
    ),
    account: bound(
      rate(limits.ACCOUNT_REQUESTS_AT_ONCE, limits.ACCOUNT_REQUESTS_PER_SECOND),
      ...(['ACCOUNT_REQUESTS_AT_ONCE', 'ACCOUNT_REQUESTS_PER_SECOND'] as const),
    ),
    address: bound(
      `${rate(limits.ADDRESS_REQUESTS_AT_ONCE, limits.ADDRESS_REQUESTS_PER_SECOND)}, of CONNECTs and of clients without an account`,
      ...(['ADDRESS_REQUESTS_AT_ONCE', 'ADDRESS_REQUESTS_PER_SECOND'] as const),
    ),
    all: bound(
      rate(limits.ALL_REQUESTS_AT_ONCE, limits.ALL_REQUESTS_PER_SECOND),
      ...(['ALL_REQUESTS_AT_ONCE', 'ALL_REQUESTS_PER_SECOND'] as const),
    ),
  },
  subscriptions: {
    client: bound(n(limits.MAX_SUBSCRIPTIONS), 'MAX_SUBSCRIPTIONS'),
    account: FOLLOWS,
    address: FOLLOWS,
    all: FOLLOWS,
  },
  'persistent sessions': {
    client: reason('one'),
    account: bound(n(limits.MAX_ACCOUNT_SESSIONS), 'MAX_ACCOUNT_SESSIONS'),
    address: OF_ACCOUNTS,
    all: bound(n(limits.MAX_SESSIONS), 'MAX_SESSIONS'),
  },
  'retained messages': {
    client: reason('that of its account: a client chooses its id, and with another id it would begin again'),
    account: bound(
      amount(limits.MAX_ACCOUNT_RETAINED, limits.MAX_ACCOUNT_RETAINED_BYTES),
      ...(['MAX_ACCOUNT_RETAINED', 'MAX_ACCOUNT_RETAINED_BYTES'] as const),
    ),
    address: OF_ACCOUNTS,
    all: bound(amount(limits.MAX_RETAINED, limits.MAX_RETAINED_BYTES), 'MAX_RETAINED', 'MAX_RETAINED_BYTES'),
  },
  'messages in queues': {
    client: bound(amount(limits.MAX_SESSION_MESSAGES, limits.MAX_SESSION_BYTES), 'MAX_SESSION_MESSAGES', 'MAX_SESSION_BYTES'),
    account: bound(
      amount(limits.MAX_ACCOUNT_QUEUED, limits.MAX_ACCOUNT_QUEUED_BYTES),
      ...(['MAX_ACCOUNT_QUEUED', 'MAX_ACCOUNT_QUEUED_BYTES'] as const),
    ),
    address: OF_ACCOUNTS,
    all: bound(
      amount(limits.MAX_ALL_SESSIONS_MESSAGES, limits.MAX_ALL_SESSIONS_BYTES),
      ...(['MAX_ALL_SESSIONS_MESSAGES', 'MAX_ALL_SESSIONS_BYTES'] as const),
    ),
  },
  'messages in flight to the broker': {
    client: bound(
      `${n(limits.MOST_UNANSWERED)}, of them ${n(limits.MAX_INCOMING)} of QoS 2`,
      ...(['MOST_UNANSWERED', 'MAX_INCOMING'] as const),
    ),
    account: bound(
      `${amount(limits.MAX_ACCOUNT_UNSETTLED_MESSAGES, limits.MAX_ACCOUNT_UNSETTLED)} that wait for the disk`,
      ...(['MAX_ACCOUNT_UNSETTLED_MESSAGES', 'MAX_ACCOUNT_UNSETTLED', 'MAX_UNSETTLED_BEHIND'] as const),
    ),
    address: OF_ACCOUNTS,
    all: bound(`${size(limits.MAX_UNSETTLED)} that wait for the disk`, 'MAX_UNSETTLED', 'MAX_INCOMING_BYTES'),
  },
  'messages in flight to a client': {
    client: bound(size(limits.MAX_UNSENT), 'MAX_UNSENT', 'MAX_OWED'),
    account: FOLLOWS,
    address: FOLLOWS,
    all: bound(`${n(limits.MAX_IN_FLIGHT)} of the gateway`, 'MAX_IN_FLIGHT', 'MAX_DELIVERIES'),
  },
};
