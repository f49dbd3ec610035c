/**
 * Which counter tells that a limit was reached. Every constant of limits.ts is in here: a test fails for one that is not, and for a
 * counter that `sluice status -v`, the metrics or docs/reference/topics.md do not show.
 */
import type { Dropped, Reached, Refused } from './broker-counts.ts';
import type * as limits from './limits.ts';

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
  'refused slow': ['DRAIN_TIMEOUT'],
  'refused size': ['MAX_PACKET_BEFORE_CONNECT', 'MAX_PACKET'],
  'refused partial': ['MAX_PARTIAL'],
  'refused unfinished': ['PACKET_TIMEOUT'],
  'refused incoming': ['MAX_INCOMING'],
  'refused behind': ['MAX_ACCOUNT_UNSETTLED', 'MAX_UNSETTLED_BEHIND'],
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
  'BACKLOG_WITHIN',
  'SYSTEM_EVERY',
  'VALUE_EVERY',
  'BATCH_READINGS',
  'BATCH_AGE',
  'STOP_WITHIN',
];
