/** What the log says of outages of one upstream broker: each fault once, the return, and a broker that ends each connection. */
import { foreignText } from '../../core/foreign-text.ts';
import type { Logger } from '../../core/logger.ts';

/** Different faults of one outage in the log, and of messages that cannot be used. */
const MOST_WORDS = 5;
/** Letters of a topic that are shown. */
const LONGEST = 200;

export class OutageWords {
  readonly #logger: Logger;
  readonly #name: string;
  /** What the log says of the outage that goes on. */
  readonly #said = new Set<string>();
  readonly #unusable = new Set<string>();

  constructor(logger: Logger, name: string) {
    this.#logger = logger;
    this.#name = name;
  }

  failed(message: string): void {
    if (this.#said.has(message) || this.#said.size >= MOST_WORDS) return;
    this.#said.add(message);
    this.#logger.warn({ forwarder: this.#name, error: message }, 'The upstream broker is not available; readings are kept.');
  }

  /** @param url of one of several brokers */
  available(url: string | undefined): void {
    const after = [...this.#said].at(-1);
    const of = { forwarder: this.#name, ...(url !== undefined && { url }) };
    if (after === undefined) this.#logger.info(of, 'Connected to the upstream broker.');
    else this.#logger.info({ ...of, after }, 'The upstream broker is available again.');
    this.#said.clear();
  }

  /** A message of the broker has no meaning here. Each fault is said once. */
  unusable(topic: string, error: string): void {
    if (this.#unusable.has(error) || this.#unusable.size >= MOST_WORDS) return;
    this.#unusable.add(error);
    this.#logger.error(
      { forwarder: this.#name, topic: foreignText(topic, LONGEST), error },
      'A message of the broker cannot be used; the gateway passes over it.',
    );
  }

  flapping(error: string | undefined): void {
    this.#logger.warn(
      { forwarder: this.#name, error },
      'The upstream broker ends each connection after a short time; the log says when one stays.',
    );
  }

  windows(error: string | undefined): void {
    this.#logger.warn(
      { forwarder: this.#name, error },
      'The link to the upstream broker is up for some seconds at a time; the gateway tries every two seconds, and the log says when a connection stays.',
    );
  }
}
