/** The addresses of HTTP and HTTPS. A reload disturbs only those that changed. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import { Connections } from './connections.ts';
import * as limits from './limits.ts';
import { RequestGate } from './request-gate.ts';
import { type WebDoor, type WebListen, WebListener, type WebSite } from './web-listener.ts';

export interface WebListenersOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly handle: (req: IncomingMessage, res: ServerResponse, door: WebDoor) => Promise<void>;
  /** An address cannot be had, with the words for it; undefined: it has been got. Once each. */
  readonly onListen?: ((listen: WebListen, fault: string | undefined) => void) | undefined;
  /** Default: the API and the status page. */
  readonly site?: WebSite;
  /** Connections from the network, and those of one address among them. */
  readonly network?: { readonly most: number; readonly perAddress: number };
}

/** New addresses before they are in use. The steps come in this order: `open`, `close`, `follow`; or `cancel` alone. */
export interface PreparedListeners {
  /** An address of before is not among the new ones. */
  readonly goes: boolean;
  /** Serves at the addresses that were taken. */
  open(): void;
  /** Takes nobody at what goes; answers that are under way there get RETIRE_WITHIN. */
  close(): void;
  /** Opens the rest, whose ports are free now. */
  follow(): void;
  /** Lets go of the addresses that were taken. */
  cancel(): Promise<void>;
}

const API: WebSite = { who: '', key: 'dashboard.listen', requestWithin: limits.REQUEST_WITHIN };
const NETWORK = { most: limits.MAX_NETWORK_CONNECTIONS, perAddress: limits.MAX_PER_ADDRESS };

export class WebListeners {
  readonly #o: WebListenersOptions;
  /** Programs of this machine, and everybody else: neither takes the places of the other. */
  readonly #local = new Connections({ most: limits.MAX_CONNECTIONS });
  readonly #network: Connections;
  readonly #localGate: RequestGate;
  readonly #networkGate: RequestGate;
  #listeners: readonly WebListener[] = [];
  /** They have their addresses and serve nobody yet. */
  readonly #reserved = new Set<WebListener>();
  /** They take nobody, and give their last answers. */
  readonly #retired = new Set<WebListener>();
  #stopped = false;

  constructor(options: WebListenersOptions) {
    this.#o = options;
    this.#network = new Connections(options.network ?? NETWORK);
    this.#localGate = new RequestGate(options.clock);
    this.#networkGate = new RequestGate(options.clock);
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

  /** Reads this connection of the network less often. */
  rest(socket: Socket): void {
    this.#networkGate.rest(socket);
  }

  /** Addresses that cannot be had are tried again for ever. An unchanged one is not disturbed. */
  set(listen: readonly WebListen[]): void {
    const next = this.#next(listen);
    next.close();
    next.follow();
  }

  /**
   * Takes every address that is free for it, and disturbs nothing.
   * @param leaving ports on which something of this gateway still listens that ends with the reload: they are taken after that
   * @throws SluiceError listen-failed: an address cannot be had; then nothing was changed and nothing is held
   */
  async prepare(listen: readonly WebListen[], leaving: ReadonlySet<number>): Promise<PreparedListeners> {
    const next = this.#next(listen);
    const now = next.made.filter((one) => one.listen.port === 0 || !leaving.has(one.listen.port));
    const cancel = async (): Promise<void> => {
      for (const one of now) this.#reserved.delete(one);
      await Promise.all(now.map((one) => one.stop()));
    };
    for (const one of now) this.#reserved.add(one);
    const taken = await Promise.allSettled(now.map((one) => one.reserve()));
    const failed = taken.find((one) => one.status === 'rejected');
    if (failed !== undefined) {
      await cancel();
      throw failed.reason;
    }
    return {
      goes: next.goes,
      open: () => {
        if (this.#stopped) return;
        for (const one of now) {
          this.#reserved.delete(one);
          one.start();
        }
        this.#listeners = [...this.#listeners, ...now];
      },
      close: next.close,
      follow: next.follow,
      cancel,
    };
  }

  /** Old addresses are free before new ones are taken: the two may be the same port. */
  #next(listen: readonly WebListen[]) {
    const before = this.#listeners;
    const all = listen.slice(0, limits.MAX_LISTENERS).map((one) => {
      return before.find((other) => other.listen.key === one.key) ?? this.#made(one);
    });
    const gone = before.filter((one) => !all.includes(one));
    return {
      made: all.filter((one) => !before.includes(one)),
      goes: gone.length > 0,
      close: (): void => {
        this.#listeners = this.#listeners.filter((one) => !gone.includes(one));
        for (const one of gone) {
          this.#retired.add(one);
          // Nobody waits for a slow reader; `stop` ends it sooner.
          void one.retire().finally(() => this.#retired.delete(one));
        }
      },
      follow: (): void => {
        if (this.#stopped) return;
        for (const one of all) if (!this.#listeners.includes(one)) one.start();
        this.#listeners = all;
      },
    };
  }

  /** Apart from `#next`: a closure that is made there would keep the listeners of all reloads before. */
  #made(listen: WebListen): WebListener {
    const { logger, clock, handle, onListen, site = API } = this.#o;
    return new WebListener({
      ...{ logger, clock, handle, site, listen, onListen: (fault) => onListen?.(listen, fault) },
      ...(listen.door === 'http'
        ? { connections: this.#local, gate: this.#localGate }
        : { connections: this.#network, gate: this.#networkGate }),
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const all = [...this.#listeners, ...this.#reserved, ...this.#retired];
    this.#listeners = [];
    await Promise.all(all.map((one) => one.stop()));
    this.#reserved.clear();
  }
}
