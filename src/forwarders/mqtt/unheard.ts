/**
 * Batches that a broker of MQTT 5 acknowledges with "no matching subscribers". They are delivered: rules of a broker may take them
 * without a subscription, and a gateway that held them back would fill its log. A broker without such rules keeps nothing of them,
 * so they are counted, and the log says when it begins and ends.
 */
import type { Logger } from '../../core/logger.ts';
import type { Lane } from '../../store/files/lane-state.ts';

export class Unheard {
  readonly #logger: Logger;
  readonly #forwarder: string;
  /** Messages. */
  count = 0;
  /** Lanes whose last batch was not heard, and messages of the batch that is under way. */
  readonly #lanes = new Set<Lane>();
  readonly #now: Record<Lane, number> = { data: 0, history: 0 };

  constructor(logger: Logger, forwarder: string) {
    this.#logger = logger;
    this.#forwarder = forwarder;
  }

  /** A message of a batch had no subscriber. */
  note(lane: Lane, topic: string): void {
    this.count++;
    this.#now[lane]++;
    if (this.#lanes.has(lane)) return;
    if (this.#lanes.size === 0)
      this.#logger.warn(
        { forwarder: this.#forwarder, topic },
        'The broker acknowledges readings and has no subscriber for them; where no rule of the broker takes them, subscribe the platform with a persistent session.',
      );
    this.#lanes.add(lane);
  }

  /** All messages of a batch are acknowledged. */
  acknowledged(lane: Lane): void {
    const heard = this.#now[lane] === 0;
    this.#now[lane] = 0;
    if (heard && this.#lanes.delete(lane) && this.#lanes.size === 0)
      this.#logger.info({ forwarder: this.#forwarder }, 'The broker has a subscriber for readings.');
  }
}
