/** Metrics of what listens: the embedded broker and HTTP. */
import { DROPPED, REACHED, REFUSED } from '../forwarders/broker/broker-counts.ts';
import { flag, type Metric, one, type Read, type Sample, type StatusReport, unitOf } from './metric.ts';
import type { GatewayStatus } from './target.ts';

function broker(name: string, type: 'gauge' | 'counter', help: string, read: Read<NonNullable<GatewayStatus['broker']>>): Metric {
  const samples = (r: StatusReport) => (r.broker === undefined ? [] : one(read(r.broker, r)));
  return { name, type, unit: unitOf(name), labels: [], help, read: samples };
}

function namesOf(words: Readonly<Record<string, string>>): string {
  return `${Object.entries(words)
    .map(([name, why]) => `\`${name}\`: ${why}`)
    .join('. ')}.`;
}

export const LISTENER_METRICS: readonly Metric[] = [
  broker('sluice_broker_listening', 'gauge', '1 while the embedded broker listens.', (b) => flag(b.state === 'listening')),
  broker('sluice_broker_clients', 'gauge', 'Connected MQTT clients.', (b) => b.clients),
  broker('sluice_broker_sessions', 'gauge', 'Persistent sessions, their clients connected or not.', (b) => b.sessions),
  broker('sluice_broker_queued_messages', 'gauge', 'Messages queued for sessions.', (b) => b.queuedMessages),
  broker('sluice_broker_queued_bytes', 'gauge', 'Bytes of topics and payloads queued for sessions.', (b) => b.queuedBytes),
  broker('sluice_broker_retained_messages', 'gauge', 'Retained messages of clients.', (b) => b.retained),
  broker('sluice_broker_retained_bytes', 'gauge', 'Bytes of their topics and payloads.', (b) => b.retainedBytes),
  broker('sluice_broker_store_faulty', 'gauge', '1 while `broker.db` takes nothing, and sessions are in memory only.', (b) =>
    flag(b.store.state === 'faulty'),
  ),
  broker('sluice_broker_store_bytes', 'gauge', 'Bytes of `broker.db` and what belongs to it.', (b) => b.store.bytes),
  broker('sluice_broker_store_commits', 'counter', 'Commits of `broker.db`.', (b) => b.store.commits),
  broker(
    'sluice_broker_store_failures',
    'counter',
    'Times that `broker.db` could not be written or opened.',
    (b) => b.store.failures,
  ),
  broker('sluice_broker_store_repairs', 'counter', 'Times that `broker.db` was damaged and set aside.', (b) => b.store.repairs),
  broker(
    'sluice_broker_withheld_messages',
    'gauge',
    'Messages of clients that wait for a disk that does not take them, before they are acknowledged.',
    (b) => b.withheldMessages,
  ),
  broker('sluice_broker_withheld_bytes', 'gauge', 'Bytes of their topics and payloads.', (b) => b.withheldBytes),
  broker('sluice_broker_unsent_bytes', 'gauge', 'Bytes that wait for connected clients.', (b) => b.unsentBytes),
  broker('sluice_broker_partial_bytes', 'gauge', 'Bytes of packets of clients that are not whole yet.', (b) => b.partialBytes),
  broker('sluice_broker_published_messages', 'counter', 'Messages published.', (b) => b.published),
  {
    ...{ name: 'sluice_broker_dropped_messages', type: 'counter', labels: ['why'] },
    help: `Messages that somebody did not get. ${namesOf(DROPPED)}`,
    read: (r) => Object.entries(r.broker?.dropped ?? {}).map(([why, n]): Sample => [{ why }, n]),
  },
  {
    ...{ name: 'sluice_broker_refused', type: 'counter', labels: ['what'] },
    help: `Clients that the broker turned away. ${namesOf(REFUSED)}`,
    read: (r) => Object.entries(r.broker?.refused ?? {}).map(([what, n]): Sample => [{ what }, n]),
  },
  {
    ...{ name: 'sluice_broker_limit_reached', type: 'counter', labels: ['limit'] },
    help: `Sessions, subscriptions and connections that a limit of the broker ended or refused. ${namesOf(REACHED)}`,
    read: (r) => Object.entries(r.broker?.reached ?? {}).map(([limit, n]): Sample => [{ limit }, n]),
  },

  {
    ...{ name: 'sluice_http_listening', type: 'gauge', labels: ['address', 'tls'] },
    help: '1 while HTTP listens on the address, 0 while it tries.',
    read: (r) =>
      (r.http?.listeners ?? []).map(
        ({ host, port, tls, fault }): Sample => [
          { address: `${host}:${port}`, tls: tls ? 'yes' : 'no' },
          flag(fault === undefined),
        ],
      ),
  },
  {
    ...{ name: 'sluice_http_connections', type: 'gauge', labels: [] },
    help: 'Open connections of HTTP and HTTPS.',
    read: (r) => (r.http === undefined ? [] : one(r.http.connections)),
  },
  {
    ...{ name: 'sluice_http_refused', type: 'counter', labels: ['what'] },
    help: 'Refused by HTTP: `connections` that were not taken or made room for others, foreign `hosts`, pages of other `origins`, too many `requests` of one address.',
    read: (r) => Object.entries(r.http?.refused ?? {}).map(([what, n]): Sample => [{ what }, n]),
  },
  {
    ...{ name: 'sluice_announce_events', type: 'counter', labels: ['what'] },
    help: 'Multicast DNS: packets `heard`, questions `answered` or left `unanswered` by a bound, `floods` that made the gateway silent, `claims` of its name by other devices.',
    read: (r) => Object.entries(r.announce ?? {}).map(([what, n]): Sample => [{ what }, n]),
  },
];
