/** What the log says of outages of one upstream broker: each fault once, the return, and a broker that ends each connection. */
import type { Logger } from '../../core/logger.ts';

/** Different faults of one outage in the log. */
const MOST_WORDS = 5;

export class OutageWords {
  readonly #logger: Logger;
  readonly #name: string;
  /** What the log says of the outage that goes on. */
  readonly #said = new Set<string>();

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

  flapping(error: string | undefined): void {
    this.#logger.warn(
      { forwarder: this.#name, error },
      'The upstream broker ends each connection after a short time; the log says when one stays.',
    );
  }
}
