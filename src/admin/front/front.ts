/**
 * The secure front of Node-RED: the editor at `nodeRed.editor`, HTTP-in nodes at `nodeRed.http`. Each is a listener of its own, hence
 * an origin of its own, with a switch, a log-in and bounds of its own (front-door.ts). Nothing else leads to Node-RED: its socket
 * can be opened by the gateway only. A door that is switched off keeps nothing.
 */
import type { Logger } from '../../core/logger.ts';
import type { FrontStatus } from '../target.ts';
import type { WebListen } from '../web-listener.ts';
import { type PreparedListeners, WebListeners } from '../web-listeners.ts';
import { FrontDoor } from './front-door.ts';
import type { FrontSide } from './front-side.ts';
import type { FrontKind } from './headers.ts';
import { MAX_CONNECTIONS, MAX_PER_ADDRESS, REQUEST_WITHIN } from './limits.ts';

export interface FrontOptions {
  readonly side: FrontSide;
  readonly logger: Logger;
  /** As of WebListeners. */
  readonly onListen?: ((listen: WebListen, fault: string | undefined, kind: FrontKind) => void) | undefined;
}

const WORDS: Readonly<Record<FrontKind, { readonly who: string; readonly key: string }>> = {
  editor: { who: ' of the flow editor', key: 'nodeRed.editor.listen' },
  'http-in': { who: ' of HTTP-in nodes', key: 'nodeRed.http.listen' },
};

const KINDS = ['editor', 'http-in'] as const;

export class FrontListeners {
  readonly #door: FrontDoor;
  readonly #web: WebListeners;
  #started = false;

  constructor(kind: FrontKind, { side, logger, onListen }: FrontOptions) {
    const door = new FrontDoor(kind, side);
    this.#door = door;
    this.#web = new WebListeners({
      ...{
        logger,
        onListen: (listen, fault) => onListen?.(listen, fault, kind),
        clock: side.clock,
        network: { most: MAX_CONNECTIONS, perAddress: MAX_PER_ADDRESS },
      },
      handle: (req, res, at) => door.handle(req, res, at),
      site: {
        ...{ ...WORDS[kind], requestWithin: REQUEST_WITHIN },
        upgrade: (req, socket, head, at) => door.upgrade(req, socket, head, at),
      },
    });
  }

  async prepare(listen: readonly WebListen[], leaving: ReadonlySet<number>): Promise<PreparedListeners> {
    const next = await this.#web.prepare(listen, leaving);
    return {
      ...next,
      open: () => {
        this.#start();
        next.open();
      },
      close: () => {
        // Who is connected at an address that goes, goes with it; the WebSockets of the others come again.
        if (next.goes) this.#door.sockets.endAll();
        next.close();
      },
    };
  }

  /** The first addresses. */
  set(listen: readonly WebListen[]): void {
    this.#start();
    this.#web.set(listen);
  }

  async stop(): Promise<void> {
    this.#door.stop();
    await this.#web.stop();
  }

  #start(): void {
    if (!this.#started) this.#door.start();
    this.#started = true;
  }

  /** undefined: it is switched off. */
  get status(): FrontStatus | undefined {
    const { all, connections, refused } = this.#web;
    if (all.length === 0) return undefined;
    const listeners = all.map(({ status }) => status);
    return {
      state: all.some(({ address }) => address !== undefined) ? 'listening' : 'waiting',
      fault: listeners.find(({ fault }) => fault !== undefined)?.fault,
      ...{ listeners, connections, sockets: this.#door.sockets.size },
      refused: { ...this.#door.refused, connections: refused, sockets: this.#door.sockets.refused },
    };
  }
}

export type FrontListen = Readonly<Record<FrontKind, readonly WebListen[]>>;

export class Front {
  readonly #doors: Readonly<Record<FrontKind, FrontListeners>>;
  readonly #side: FrontSide;

  constructor(options: FrontOptions) {
    this.#side = options.side;
    this.#doors = { editor: new FrontListeners('editor', options), 'http-in': new FrontListeners('http-in', options) };
  }

  /** The first addresses. They follow in the background. */
  set(listen: FrontListen): void {
    for (const kind of KINDS) this.#doors[kind].set(listen[kind]);
  }

  /** The door of one kind, for a reload. */
  prepare(kind: FrontKind, listen: readonly WebListen[], leaving: ReadonlySet<number>): Promise<PreparedListeners> {
    return this.#doors[kind].prepare(listen, leaving);
  }

  async stop(): Promise<void> {
    await Promise.all(Object.values(this.#doors).map((door) => door.stop()));
    this.#side.audit.flush();
  }

  status(): Readonly<Record<FrontKind, FrontStatus | undefined>> {
    return { editor: this.#doors.editor.status, 'http-in': this.#doors['http-in'].status };
  }
}
