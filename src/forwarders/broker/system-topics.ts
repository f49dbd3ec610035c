/**
 * `$SYS/broker/…`: what the broker counts of itself, under the names that Mosquitto gives to the same counts. Invariants:
 * - Only a client with a granted filter below `$SYS` gets them (topic-rules.ts: administrators), as QoS 0. `#` does not match them.
 * - They are made when somebody listens, every SYSTEM_EVERY, and for a new subscription. Nothing of them is stored or queued.
 */
import type { Clock } from '../../core/clock.ts';
import { matches } from '../../core/topic-filter.ts';
import { VERSION } from '../../core/version.ts';
import { SYSTEM_EVERY } from './limits.ts';
import type { RetainedPacket } from './retained.ts';

export const SYSTEM = '$SYS/broker/';

export interface SystemCounts {
  readonly connected: number;
  /** Persistent sessions whose client is away. */
  readonly away: number;
  /** PUBLISH of clients, and to clients. */
  readonly received: number;
  readonly sent: number;
  readonly subscriptions: number;
  readonly retained: number;
}

export interface SystemTopicsOptions {
  readonly clock: Clock;
  readonly counts: () => SystemCounts;
  /** Whether a client that is here has a filter below `$SYS`. */
  readonly wanted: () => boolean;
  readonly publish: (topic: string, payload: string) => void;
}

export class SystemTopics {
  readonly #o: SystemTopicsOptions;
  #since = 0;
  #cancel: (() => void) | undefined;

  constructor(options: SystemTopicsOptions) {
    this.#o = options;
  }

  start(): void {
    this.#since = this.#o.clock.monotonic();
    this.#next();
  }
  stop(): void {
    this.#cancel?.();
  }

  /** For a new subscription. */
  matching(filters: readonly string[]): RetainedPacket[] {
    const asked = filters.filter((filter) => filter.startsWith('$'));
    if (asked.length === 0) return [];
    return this.#all()
      .filter(([topic]) => asked.some((filter) => matches(filter, topic)))
      .map(([topic, text]) => ({ cmd: 'publish', topic, payload: Buffer.from(text), qos: 0, retain: true }));
  }

  #next(): void {
    this.#cancel = this.#o.clock.after(SYSTEM_EVERY, () => {
      if (this.#o.wanted()) for (const [topic, text] of this.#all()) this.#o.publish(topic, text);
      this.#next();
    });
  }

  #all(): (readonly [topic: string, text: string])[] {
    const uptime = Math.floor((this.#o.clock.monotonic() - this.#since) / 1000);
    return Object.entries(systemTexts(this.#o.counts(), uptime)).map(([name, text]) => [SYSTEM + name, text] as const);
  }
}

/** By the topic below SYSTEM. @param uptime seconds */
export function systemTexts(
  { connected, away, received, sent, subscriptions, retained }: SystemCounts,
  uptime: number,
): Readonly<Record<string, string>> {
  return {
    version: `sluice ${VERSION}`,
    uptime: `${uptime} seconds`,
    'clients/connected': `${connected}`,
    'clients/disconnected': `${away}`,
    'clients/total': `${connected + away}`,
    'publish/messages/received': `${received}`,
    'publish/messages/sent': `${sent}`,
    'subscriptions/count': `${subscriptions}`,
    'retained messages/count': `${retained}`,
  };
}
