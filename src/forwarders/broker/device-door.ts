/**
 * Messages of clients for those inside the gateway who listen to their topics. It lives as long as the gateway; brokers come
 * and go behind it. Invariants:
 * - a listener gets every message in the order in which it arrived, and what the broker had kept before the others;
 * - where a listener has ended, its messages wait for the next one and are not acknowledged meanwhile: EXCHANGE_WITHIN, EXCHANGE_MESSAGES
 *   and EXCHANGE_MESSAGES_BYTES at most. Those beyond go on unheard and are counted. A reload that exchanges a bus loses none, and a kill in
 *   that time leaves them with their clients;
 * - nothing else waits here: a listener that cannot take more drops it, and counts it.
 */
import type { Clock } from '../../core/clock.ts';
import type { DeviceMessage, DeviceTopics, TopicListener } from '../../core/device-topics.ts';
import { FilterTree } from '../../core/topic-filter.ts';
import { EXCHANGE_MESSAGES, EXCHANGE_MESSAGES_BYTES, EXCHANGE_WITHIN } from './limits.ts';

/** A running broker. */
export interface BrokerSide {
  /** What it keeps of these topics; in between `undefined`, a moment for others. */
  kept(filters: readonly string[]): Iterable<{ readonly topic: string; readonly payload: Uint8Array } | undefined>;
  /** @returns false: nobody has subscribed to it */
  publish(topic: string, payload: string): boolean;
}

const STOPS = (): Error => new Error('the embedded broker stops');

/** What follows for a message that a client published. @param stopped the broker ends: it is not acknowledged */
export type GoOn = (stopped?: Error) => void;

interface Waiting {
  readonly message: DeviceMessage;
  readonly goOn: GoOn;
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
  /** The topics of listeners that have ended and may have a successor; undefined: there are none. */
  #between: FilterTree | undefined;
  #cancelBetween: (() => void) | undefined;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** Messages for which no successor came in time, or for which there was no space. */
  unheard = 0;

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
    this.#endBetween();
    if (this.#broker !== undefined) void this.#replay(entry, this.#broker);
    return () => {
      if (this.#listening.delete(entry)) this.#begin(filters);
    };
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
    for (const { goOn } of this.#waiting.splice(0)) goOn(STOPS());
    this.#waitingBytes = 0;
  }

  /**
   * A client published what it may publish.
   * @param payload not changed before `goOn`
   * @param goOn called once: at once, or when those who listen to its topic have been exchanged
   */
  arrived(topic: string, payload: Uint8Array, again: boolean, goOn: GoOn): void {
    const message: DeviceMessage = { topic, payload, at: this.#clock.monotonic(), retained: false, again };
    if (this.#between?.matches(topic) === true) {
      // Behind `closed`: nobody listens to it any more in this run.
      if (this.#broker === undefined) {
        goOn(STOPS());
        return;
      }
      if (this.#waiting.length < EXCHANGE_MESSAGES && this.#waitingBytes + payload.length <= EXCHANGE_MESSAGES_BYTES) {
        this.#waiting.push({ message, goOn });
        this.#waitingBytes += payload.length;
        return;
      }
      this.unheard++;
    }
    this.#give(message);
    goOn();
  }

  /** @returns whether somebody listens to it */
  #give(message: DeviceMessage): boolean {
    let heard = false;
    for (const { tree, listener } of this.#listening)
      if (tree.matches(message.topic)) {
        listener.message(message);
        heard = true;
      }
    return heard;
  }

  #begin(filters: readonly string[]): void {
    if (this.#broker === undefined) return;
    this.#between ??= new FilterTree();
    for (const filter of filters) this.#between.add(filter);
    this.#cancelBetween?.();
    this.#cancelBetween = this.#clock.after(EXCHANGE_WITHIN, () => this.#endBetween());
  }

  /** Gives what waits to those who listen now. */
  #endBetween(): void {
    this.#cancelBetween?.();
    this.#cancelBetween = undefined;
    this.#between = undefined;
    this.#waitingBytes = 0;
    for (const { message, goOn } of this.#waiting.splice(0)) {
      if (!this.#give(message)) this.unheard++;
      goOn();
    }
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
