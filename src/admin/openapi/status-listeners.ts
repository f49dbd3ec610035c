/** The schema of everything in the status that listens on an address: the embedded broker, HTTP, and the front of Node-RED. */
import * as z from 'zod';
import type { BrokerStoreStatus } from '../../core/broker-store.ts';
import { DROPPED, REACHED, REFUSED } from '../../forwarders/broker/broker-counts.ts';
import type { EmbeddedBrokerStatus } from '../../forwarders/broker/broker-types.ts';
import type { AnnounceStatus, FrontStatus, HttpStatus } from '../target.ts';
import { count, fault, flag, list, shape, text, word } from './parts.ts';

const address = shape<{ readonly host: string; readonly port: number }>({ host: text('the address'), port: count('the port') });

/** A number of each name. */
const counts = <Name extends string>(words: Readonly<Record<Name, string>>) =>
  z.strictObject(
    Object.fromEntries(Object.entries<string>(words).map(([name, why]) => [name, count(why)])),
  ) as unknown as z.ZodType<Readonly<Record<Name, number>>>;

export const broker = shape<EmbeddedBrokerStatus>({
  state: word(['stopped', 'waiting', 'listening'], 'whether it listens'),
  fault: fault(),
  address: address.describe('the first address').optional(),
  listeners: list(
    shape<EmbeddedBrokerStatus['listeners'][number]>({
      ...{ host: text('the address'), port: count('the port'), tls: flag('whether it speaks TLS'), fault: fault() },
    }),
    'all addresses',
  ),
  clients: count('connected clients'),
  sessions: count('persistent sessions'),
  queuedMessages: count('messages in the queues of sessions'),
  queuedBytes: count('bytes of topics and payloads in the queues of sessions'),
  retained: count('retained messages of clients'),
  retainedBytes: count('bytes of their topics and payloads'),
  store: shape<BrokerStoreStatus>({
    state: word(['memory', 'idle', 'file', 'faulty'], 'where sessions are kept'),
    fault: fault(),
    bytes: count('bytes of the file'),
    commits: count('commits since the start'),
    failures: count('commits that failed'),
    repairs: count('files that were set aside'),
  }),
  withheldMessages: count('messages of clients that wait for a disk that does not take them, before they are acknowledged'),
  withheldBytes: count('bytes of their topics and payloads'),
  unsentBytes: count('bytes that wait for connected clients'),
  partialBytes: count('bytes of packets that are not whole yet'),
  published: count('messages since the start'),
  dropped: counts(DROPPED).describe('messages that somebody did not get, by cause'),
  refused: counts(REFUSED).describe('clients that were turned away, by cause'),
  reached: counts(REACHED).describe('what else a limit ended or refused'),
});

const webListener = shape<HttpStatus['listeners'][number]>({
  ...{ host: text('the address'), port: count('the port'), tls: flag('whether it speaks TLS'), fault: fault() },
  fingerprint: text('SHA-256 of its certificate').optional(),
});
const webRefused = {
  connections: count('connections that ended for others or were not taken'),
  hosts: count('requests for a name that is not of this gateway'),
  origins: count('requests of pages of other sites'),
  requests: count('requests of an address with too many'),
};
export const frontDoor = shape<FrontStatus>({
  state: word(['waiting', 'listening'], 'whether it listens'),
  fault: fault(),
  listeners: list(webListener, 'all addresses'),
  connections: count('open connections'),
  sockets: count('open WebSockets'),
  refused: shape<FrontStatus['refused']>({
    ...webRefused,
    strangers: count('callers without a session or a right token'),
    sockets: count('WebSockets beyond a bound'),
  }),
});

export const http = shape<HttpStatus>({
  state: word(['off', 'waiting', 'listening'], 'whether it listens'),
  address: address.describe('the first address that listens').optional(),
  fault: fault(),
  listeners: list(webListener, 'all addresses'),
  connections: count('open connections'),
  refused: shape<HttpStatus['refused']>(webRefused),
}).describe('the HTTP interface');

export const announce = shape<AnnounceStatus>({
  heard: count('packets of the local network'),
  answered: count('answers'),
  unanswered: count('questions that a bound left without an answer'),
  floods: count('times that a flood of packets made the gateway silent for some seconds'),
  claims: count('packets in which another device claimed a name of this gateway'),
}).describe('multicast DNS since the start; absent without a dashboard');
