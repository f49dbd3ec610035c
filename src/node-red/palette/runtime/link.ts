/** What each node has in common: the shared connection, and a status that follows it. */
import type { Connection } from './connection.ts';
import { CallError } from './connection.ts';
import type { Address, Connections } from './connections.ts';
import type { Red, RedNode, Status } from './red.ts';
import { isFields } from './wire.ts';

/** The editor shows no more changes than this of one node, ms. */
const STATUS_EVERY = 1000;
/** How long a node shows that something was left out, ms. */
const THROTTLED_FOR = 5000;

export const GREEN: Status = { fill: 'green', shape: 'dot', text: 'connected' };

/** The config node, as others see it. */
export interface GatewayNode extends RedNode {
  address?: Address | undefined;
}

/** @returns of the gateway that started this Node-RED; undefined in another Node-RED */
export function ownAddress(red: Red): Address | undefined {
  const { sluice } = red.settings;
  if (!isFields(sluice) || typeof sluice.socket !== 'string' || typeof sluice.token !== 'string') return undefined;
  return { socket: sluice.socket, token: sluice.token };
}

/** @param id of the config node; empty: this gateway. @returns undefined: it is not configured, or not deployed */
export function addressOf(red: Red, id: string | undefined): Address | undefined {
  if (id === undefined || id === '') return ownAddress(red);
  return (red.nodes.getNode(id) as GatewayNode | null)?.address;
}

export class Link {
  readonly connection: Connection | undefined;
  readonly #node: RedNode;
  readonly #ends: (() => void)[] = [];
  /** What a node says of itself while it is connected. */
  readonly #own: () => Status | undefined;
  #shown = '';
  #shownAt = Number.NEGATIVE_INFINITY;
  #later: NodeJS.Timeout | undefined;
  #calm: NodeJS.Timeout | undefined;
  #throttledUntil = 0;
  #fault: Status | undefined;
  #closed = false;

  constructor(
    connections: Connections,
    node: RedNode,
    address: Address | undefined,
    own: () => Status | undefined = () => undefined,
  ) {
    this.#node = node;
    this.#own = own;
    if (address === undefined) {
      this.connection = undefined;
      this.refresh();
      return;
    }
    const { connection, release } = connections.use(address);
    this.connection = connection;
    this.#ends.push(
      release,
      connection.onChange(() => this.refresh()),
    );
    this.refresh();
  }

  /** @throws CallError `not-connected` */
  get open(): Connection {
    if (this.connection === undefined)
      throw new CallError('not-connected', 'no gateway is configured; open the node and choose one');
    return this.connection;
  }

  /** @param end called when the node closes */
  add(end: (() => void) | undefined): void {
    if (end !== undefined) this.#ends.push(end);
  }

  /** Something does not work until the flow is deployed again. */
  broken(text: string): void {
    this.#fault = { fill: 'red', shape: 'ring', text };
    this.refresh();
  }

  throttled(): void {
    this.#throttledUntil = performance.now() + THROTTLED_FOR;
    this.refresh();
    clearTimeout(this.#calm);
    this.#calm = setTimeout(() => this.refresh(), THROTTLED_FOR + 50);
    this.#calm.unref();
  }

  refresh(): void {
    if (this.#closed) return;
    const status = this.#status();
    const text = JSON.stringify(status);
    if (text === this.#shown) return;
    const wait = this.#shownAt + STATUS_EVERY - performance.now();
    // What a flow causes with each message waits; the state of the connection does not.
    if (wait > 0 && status.fill === 'yellow') {
      this.#later ??= setTimeout(() => {
        this.#later = undefined;
        this.refresh();
      }, wait);
      this.#later.unref();
      return;
    }
    this.#shown = text;
    this.#shownAt = performance.now();
    this.#node.status(status);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#later);
    clearTimeout(this.#calm);
    for (const end of this.#ends.splice(0)) end();
  }

  #status(): Status {
    if (this.#fault !== undefined) return this.#fault;
    if (this.connection === undefined) return { fill: 'red', shape: 'ring', text: 'no gateway' };
    switch (this.connection.state) {
      case 'connecting':
        return { fill: 'yellow', shape: 'ring', text: 'connecting' };
      case 'disconnected':
        return { fill: 'red', shape: 'ring', text: 'disconnected' };
      case 'connected':
        if (performance.now() < this.#throttledUntil) return { fill: 'yellow', shape: 'dot', text: 'throttled' };
        return this.#own() ?? GREEN;
    }
  }
}
