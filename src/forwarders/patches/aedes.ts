/** What aedes needs beyond its interface. The canary: test/unit/forwarders/patches.test.ts. */

import type { EventEmitter } from 'node:events';
import type { Aedes, Client } from 'aedes';

/** The version that this was looked at in. */
export const KNOWN = { package: 'aedes', version: '1.2.0' } as const;

/**
 * A result that is there already: `then` calls back before it returns. aedes takes a message whose number is lower than the
 * last one for a repeat. It numbers a QoS 1 message, awaits the persistence, and hands it on; with a promise a QoS 0 message
 * overtakes it there, and the QoS 1 message is lost.
 */
export class Settled<T> implements PromiseLike<T> {
  readonly #value: T;
  constructor(value: T) {
    this.#value = value;
  }
  // biome-ignore lint/suspicious/noThenProperty: aedes calls `then` on what it gets, and that is the point
  then<A = T, B = never>(fulfilled?: ((value: T) => A | PromiseLike<A>) | null): PromiseLike<A | B> {
    return new Settled(fulfilled?.(this.#value) as A);
  }
}

/**
 * aedes counts a filter that a SUBSCRIBE names twice once, and its SUBACK has too few return codes then (MQTT-3.8.4-4,
 * MQTT-3.8.4-5: the packet is to be handled as if there were one for each filter). Earlier ones get a name of their own, which
 * no client can ask for: it has a NUL.
 */
export function tellTwiceApart(client: Client): void {
  const { _parser: parser } = client as unknown as { readonly _parser: EventEmitter };
  parser.prependListener('packet', (packet: { readonly cmd: string; readonly subscriptions?: { topic: string }[] }) => {
    const { subscriptions = [] } = packet;
    if (packet.cmd !== 'subscribe' || subscriptions.length < 2) return;
    const later = new Set<string>();
    for (const [i, subscription] of subscriptions.entries().toArray().reverse()) {
      if (later.has(subscription.topic)) subscription.topic = `\0${i}/${subscription.topic}`;
      else later.add(subscription.topic);
    }
  });
}

/** The filter that the client wrote. */
export function asWritten(filter: string): string {
  return filter.startsWith('\0') ? filter.slice(filter.indexOf('/') + 1) : filter;
}

/**
 * aedes says "session present" only of a session that has a filter; MQTT-3.2.2-2 asks for it of each session that is kept. One
 * without a filter gets this one at its return: no client can ask for it, and it is never granted.
 */
export const SESSION_IS_PRESENT = { topic: '\0', qos: 0 } as const;

/**
 * Takes the will away from a client, as if it had none. aedes has no call for it: it copies the will of the CONNECT to `_will`
 * before the log-in, and to `will` when it accepts the client, and publishes that one at the end.
 */
export function dropWill(client: Client): void {
  Object.assign(client, { _will: undefined, will: undefined });
}

/** What aedes has for its clients by id. `connectedClients` goes up in `_finishRegisterClient` and down in `unregisterClient`. */
interface Registry {
  readonly clients: Readonly<Record<string, Client | undefined>>;
  registerClient(client: Client): void;
  _finishRegisterClient(client: Client): void;
  unregisterClient(client: Client): void;
}

/**
 * One connection an id (MQTT-3.1.4-2). aedes waits for the close of the older one before it notes the newer one. Meanwhile a third one
 * finds the first closed, and is noted beside the second: both stay. The end of the older one takes out whoever has the id then.
 * With this a newer one takes the id at once, only who has it gives it up, and one that is closed does not get it.
 */
export function oneClientAnId(aedes: Aedes): void {
  const registry = aedes as unknown as Registry;
  const unregister = registry.unregisterClient.bind(registry);
  registry.registerClient = (client) => {
    if (client.closed) return;
    const older = registry.clients[client.id];
    if (older !== undefined) {
      unregister(older);
      older.close();
    }
    registry._finishRegisterClient(client);
  };
  registry.unregisterClient = (client) => {
    if (registry.clients[client.id] === client) unregister(client);
  };
}

/**
 * Lets aedes read on while a packet waits. It takes the next piece of the network when all packets of the last one are through, so a
 * PINGREQ behind messages that wait for the disk would have no answer in time. Each call counts as the end of one packet.
 */
export function readOn(client: Client): void {
  (client as unknown as { _nextBatch(): void })._nextBatch();
}

export type EndedByAedes = 'late' | 'silent' | 'incoming';

/** Why aedes ended a connection by itself, from the words of its errors: they have no code. */
export function endedByAedes(error: Error): EndedByAedes | undefined {
  if (error.message === 'connect did not arrive in time') return 'late';
  if (error.message === 'keep alive timeout') return 'silent';
  return error.message.startsWith('maxInflightInbound exceeded') ? 'incoming' : undefined;
}
