/**
 * Connections that wait for their first turn. The addresses take turns: a burst from one of them holds up nobody else. Clients of this
 * board share an address, and wait for each other.
 */
export class Arrivals<Connection> {
  /** By addresses; the one that was served last is last. */
  readonly #waiting = new Map<string, Connection[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(connection: Connection, address: string): void {
    const others = this.#waiting.get(address);
    if (others === undefined) this.#waiting.set(address, [connection]);
    else others.push(connection);
    this.#size++;
  }

  /** Those that are over take no turn: who comes and goes without end would be kept waiting here without a bound. */
  remove(connection: Connection, address: string): void {
    const waiting = this.#waiting.get(address);
    const at = waiting?.indexOf(connection) ?? -1;
    if (waiting === undefined || at < 0) return;
    waiting.splice(at, 1);
    this.#size--;
    if (waiting.length === 0) this.#waiting.delete(address);
  }

  /** Whose turn it is. */
  next(): Connection | undefined {
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    const [address, connections] = first;
    this.#waiting.delete(address);
    const next = connections.shift();
    this.#size--;
    if (connections.length > 0) this.#waiting.set(address, connections);
    return next;
  }

  *[Symbol.iterator](): Generator<Connection> {
    for (const connections of this.#waiting.values()) yield* connections;
  }
}
