/** The addresses of HTTP and HTTPS. A reload disturbs only those that changed. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import { Connections } from './connections.ts';
import * as limits from './limits.ts';
import { type WebDoor, type WebListen, WebListener } from './web-listener.ts';

export interface WebListenersOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly handle: (req: IncomingMessage, res: ServerResponse, door: WebDoor) => Promise<void>;
  /** An address cannot be had, with the words for it; undefined: it has been got. Once each. */
  readonly onListen?: ((listen: WebListen, fault: string | undefined) => void) | undefined;
}

export class WebListeners {
  readonly #o: WebListenersOptions;
  /** Programs of this machine, and everybody else: neither takes the places of the other. */
  readonly #local = new Connections({ most: limits.MAX_CONNECTIONS });
  readonly #network = new Connections({ most: limits.MAX_NETWORK_CONNECTIONS, perAddress: limits.MAX_PER_ADDRESS });
  #listeners: readonly WebListener[] = [];
  #stopped = false;

  constructor(options: WebListenersOptions) {
    this.#o = options;
  }

  get all(): readonly WebListener[] {
    return this.#listeners;
  }
  get connections(): number {
    return this.#local.size + this.#network.size;
  }
  /** Connections that ended because others came, and those that were not taken. */
  get refused(): number {
    return this.#listeners.reduce((sum, { dropped }) => sum + dropped, this.#local.ended + this.#network.ended);
  }

  /** Old addresses are free before new ones are taken: the two may be the same port. */
  async set(listen: readonly WebListen[]): Promise<void> {
    const wanted = listen.slice(0, limits.MAX_LISTENERS);
    const kept = this.#listeners.filter((one) => wanted.some(({ key }) => key === one.listen.key));
    const gone = this.#listeners.filter((one) => !kept.includes(one));
    this.#listeners = kept;
    await Promise.all(gone.map((one) => one.stop()));
    if (this.#stopped) return;
    const { logger, clock, handle, onListen } = this.#o;
    this.#listeners = wanted.map((one) => {
      const same = kept.find((other) => other.listen.key === one.key);
      if (same !== undefined) return same;
      const made = new WebListener({
        ...{ logger, clock, handle, listen: one, onListen: (fault) => onListen?.(one, fault) },
        connections: one.door === 'http' ? this.#local : this.#network,
      });
      made.start();
      return made;
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.set([]);
  }
}
