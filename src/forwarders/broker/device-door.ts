/**
 * Messages of clients for those inside the gateway who listen to their topics. It lives as long as the gateway; brokers come
 * and go behind it. Invariants:
 * - a listener gets every message in the order in which it arrived, and what the broker had kept before the others;
 * - nothing waits here: a listener that cannot take more drops it, and counts it.
 */
import type { Clock } from '../../core/clock.ts';
import type { DeviceTopics, TopicListener } from '../../core/device-topics.ts';
import { FilterTree } from '../../core/topic-filter.ts';

/** A running broker. */
export interface BrokerSide {
  /** What it keeps of these topics; in between `undefined`, a moment for others. */
  kept(filters: readonly string[]): Iterable<{ readonly topic: string; readonly payload: Uint8Array } | undefined>;
  /** @returns false: nobody has subscribed to it */
  publish(topic: string, payload: string): boolean;
}

interface Listening {
  readonly filters: readonly string[];
  readonly tree: FilterTree;
  readonly listener: TopicListener;
}

export class DeviceDoor implements DeviceTopics {
  readonly #clock: Clock;
  readonly #listening = new Set<Listening>();
  #broker: BrokerSide | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get open(): boolean {
    return this.#broker !== undefined;
  }

  listen(filters: readonly string[], listener: TopicListener): () => void {
    const tree = new FilterTree();
    for (const filter of filters) tree.add(filter);
    const entry = { filters, tree, listener };
    this.#listening.add(entry);
    if (this.#broker !== undefined) void this.#replay(entry, this.#broker);
    return () => this.#listening.delete(entry);
  }

  publish(topic: string, payload: string): boolean {
    return this.#broker?.publish(topic, payload) ?? false;
  }

  /** Clients may connect to this broker. */
  opened(broker: BrokerSide): void {
    this.#broker = broker;
    for (const entry of this.#listening) {
      entry.listener.changed(true);
      void this.#replay(entry, broker);
    }
  }

  /** No client can publish to this broker any more. */
  closed(broker: BrokerSide): void {
    // Its successor may be there already.
    if (this.#broker !== broker) return;
    this.#broker = undefined;
    for (const { listener } of this.#listening) listener.changed(false);
  }

  /** A client published what it may publish. */
  arrived(topic: string, payload: Uint8Array, again: boolean): void {
    if (this.#listening.size === 0) return;
    const at = this.#clock.monotonic();
    for (const { tree, listener } of this.#listening)
      if (tree.matches(topic)) listener.message({ topic, payload, at, retained: false, again });
  }

  async #replay(entry: Listening, broker: BrokerSide): Promise<void> {
    for (const kept of broker.kept(entry.filters)) {
      if (!this.#listening.has(entry) || this.#broker !== broker) return;
      if (kept === undefined) await new Promise<void>((resolve) => setImmediate(resolve));
      else {
        const { topic, payload } = kept;
        entry.listener.message({ topic, payload, at: this.#clock.monotonic(), retained: true, again: false });
      }
    }
  }
}
