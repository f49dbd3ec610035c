/** aedes with our parts in its hooks: it keeps no message and decides nothing by itself. */
import { Readable } from 'node:stream';
import type { Aedes, Client, PublishPacket } from 'aedes';
import { asWritten, oneClientAnId, SESSION_IS_PRESENT } from '../patches/aedes.ts';
import { encodeNumbersOnDemand } from '../patches/mqtt-packet.ts';
import type { Audience } from './audience.ts';
import { type Clients, guardOf } from './clients.ts';
import type { Kept } from './kept.ts';
import * as limits from './limits.ts';
import type { Replays } from './replays.ts';
import { mayRead } from './topic-rules.ts';
import type { Traffic } from './traffic.ts';

interface AedesParts {
  readonly audience: Audience;
  readonly clients: Clients;
  readonly kept: Kept;
  readonly replays: Replays<Client>;
  readonly traffic: Traffic;
}

export async function makeAedes({ audience, clients, kept, replays, traffic }: AedesParts): Promise<Aedes> {
  // Here and not at the top: a gateway without an embedded broker does not pay for it.
  const { Aedes } = await import('aedes');
  encodeNumbersOnDemand();
  /** The client whose subscription aedes announced last: aedes asks for the retained messages in the same call. */
  let subscriber: Client | undefined;
  const aedes = await Aedes.createBroker({
    persistence: kept.persistence(
      (filters) => (subscriber === undefined ? Readable.from([]) : replays.of(subscriber, filters)),
      (client, topic) => audience.granted(client, topic),
      (client, packet) => traffic.sent(client as Client, packet),
      (client) => clients.holds(client as Client),
    ),
    concurrency: 2 * limits.MAX_IN_FLIGHT,
    // Only clusters need heartbeats; aedes quadruples it, and timers end at 2^31 ms.
    heartbeatInterval: 2 ** 29 - 1,
    connectTimeout: limits.CONNECT_TIMEOUT,
    drainTimeout: limits.DRAIN_TIMEOUT,
    // The guard gives nothing behind a CONNECT before it is accepted.
    queueLimit: 1,
    // A client id of MQTT 3.1 was measured before.
    maxClientsIdLength: limits.MAX_CLIENT_ID,
    maxTopicLevels: limits.AEDES_LEVELS,
    maxInflightInbound: limits.MAX_INCOMING,
    preConnect: (client, packet, next) => {
      clients.connects(client, packet);
      next(null, true);
    },
    authenticate: (client, username, password, next) => {
      void clients.admit(client, username, password).then((refusal) => next(refusal ?? null, refusal === undefined));
    },
    authorizePublish: (client, packet, next) =>
      traffic.arrived(client, packet, (error) => {
        if (error || client === null || !isUnanswered(client, packet)) {
          next(error ?? null);
          return;
        }
        // aedes hands on what it could acknowledge. This one is on the disk: left out now, it would come after a restart.
        aedes.publish(packet, () => next(GONE));
      }),
    // aedes delivers a message to the first filter that it finds, and lowers its QoS to that of the filter that is its topic. With
    // QoS 2 for all of them `forward` alone decides (MQTT-3.3.5-1). The SUBACK has what was asked for.
    authorizeSubscribe: (client, subscription, next) => {
      const { topic, qos } = subscription;
      const filter = asWritten(topic);
      // Nobody asked for it: it is no denied filter.
      if (filter === SESSION_IS_PRESENT.topic) {
        next(null, null);
        return;
      }
      const granted = mayRead(clients.credentials.of(client), filter) && audience.grant(client, filter, qos);
      next(null, granted ? { ...subscription, qos: 2 } : null);
    },
    authorizeForward: (client, packet) => traffic.forward(client, packet),
  });
  oneClientAnId(aedes);
  aedes.on('connackSent', (packet, client) => {
    if (packet.returnCode === 0) guardOf(client).accept();
  });
  aedes.on('subscribe', (_filters, client) => {
    subscriber = client;
  });
  aedes.on('unsubscribe', (filters, client) => audience.remove(client, filters));
  for (const event of ['clientError', 'connectionError'] as const)
    aedes.on(event, (client, error) => clients.failed(client, error));
  return aedes;
}

const GONE = new Error('its client is gone');

/** A message of QoS 1 whose PUBACK cannot be written any more. A will has no identifier; what else is published waits for no answer. */
function isUnanswered({ connecting, connected }: Client, { qos, messageId }: PublishPacket): boolean {
  return qos === 1 && messageId !== undefined && !connecting && !connected;
}
