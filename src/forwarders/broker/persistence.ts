/**
 * What aedes keeps between packets, in the shape that aedes 1.2.0 asks for (the interface of aedes-persistence 11).
 * Two things matter beyond storing:
 * - the calls on the way of a publish complete at once (`Settled`, not a promise): ../patches/aedes.ts says why;
 * - clients publish nothing here, so no retained message, no will and no QoS 2 message of theirs is ever stored.
 */
import { Readable } from 'node:stream';
import { Settled } from '../patches/aedes.ts';
import type { Filter, QueuedPacket, Sessions } from './sessions.ts';

interface Identified {
  readonly id: string;
}
interface Sent {
  readonly cmd: string;
  readonly brokerCounter?: number | undefined;
  readonly messageId?: number | undefined;
}

const done: PromiseLike<void> = new Settled(undefined);

export class BrokerPersistence {
  readonly #sessions: Sessions;
  /** What the client whose subscription was announced last gets for these filters. */
  readonly #retained: (filters: readonly string[]) => Readable;
  /** Whether a filter was granted to this client. */
  readonly #granted: (client: object, topic: string) => boolean;

  constructor(
    sessions: Sessions,
    retained: (filters: readonly string[]) => Readable,
    granted: (client: object, topic: string) => boolean,
  ) {
    this.#sessions = sessions;
    this.#retained = retained;
    this.#granted = granted;
  }

  // aedes looks whether this is an async function
  async setup(): Promise<void> {}
  async destroy(): Promise<void> {}

  storeRetained(): PromiseLike<void> {
    return done;
  }
  createRetainedStream(pattern: string): Readable {
    return this.createRetainedStreamCombi([pattern]);
  }
  createRetainedStreamCombi(patterns: readonly string[]): Readable {
    return this.#retained(patterns);
  }

  async addSubscriptions(client: Identified, filters: readonly Filter[]): Promise<void> {
    for (const filter of filters) if (this.#granted(client, filter.topic)) this.#sessions.subscribe(client.id, filter);
  }
  async removeSubscriptions(client: Identified, topics: readonly string[]): Promise<void> {
    this.#sessions.unsubscribe(client.id, topics);
  }
  async subscriptionsByClient(client: Identified): Promise<Filter[]> {
    return this.#sessions.filters(client.id);
  }
  async cleanSubscriptions(client: Identified): Promise<void> {
    this.#sessions.end(client.id);
  }
  async countOffline(): Promise<{ subsCount: number; clientsCount: number }> {
    return { subsCount: 0, clientsCount: this.#sessions.count };
  }
  subscriptionsByTopic(topic: string): PromiseLike<{ clientId: string; topic: string }[]> {
    return new Settled(this.#sessions.of(topic).map((clientId) => ({ clientId, topic })));
  }
  getClientList(topic: string): Readable {
    return Readable.from(this.#sessions.of(topic));
  }

  outgoingEnqueue(sub: { clientId: string }, packet: QueuedPacket): PromiseLike<void> {
    this.#sessions.enqueue(sub.clientId, packet);
    return done;
  }
  outgoingEnqueueCombi(subs: readonly { clientId: string }[], packet: QueuedPacket): PromiseLike<void> {
    for (const { clientId } of subs) this.#sessions.enqueue(clientId, packet);
    return done;
  }
  outgoingUpdate(client: Identified, packet: Sent): PromiseLike<void> {
    if (packet.cmd === 'publish') this.#sessions.written(client.id, packet);
    return done;
  }
  async outgoingClearMessageId(client: Identified, packet: Sent): Promise<QueuedPacket | undefined> {
    return this.#sessions.acknowledged(client.id, packet.messageId);
  }
  outgoingStream(client: Identified): Readable {
    return Readable.from(this.#sessions.replay(client.id), { highWaterMark: 1 });
  }

  async incomingStorePacket(): Promise<void> {
    throw new Error('clients may not publish');
  }
  async incomingGetPacket(): Promise<never> {
    throw new Error('no such packet');
  }
  async incomingDelPacket(): Promise<never> {
    throw new Error('no such packet');
  }
  async cleanIncoming(): Promise<void> {}
  async putWill(): Promise<void> {}
  async getWill(): Promise<undefined> {}
  async delWill(): Promise<undefined> {}
  streamWill(): Readable {
    return Readable.from([]);
  }
}
