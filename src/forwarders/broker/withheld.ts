/**
 * Messages of clients that the disk does not take now, and that a session or a new subscriber has to find after a restart. They are
 * not acknowledged meanwhile. Invariants:
 * - one is acknowledged when the disk has it, or when nobody needs it there any more;
 * - its publisher waits WITHHELD_WITHIN at most. MQTT 3.1.1 has no other way to say no than the end of the connection;
 * - at the end of a connection its messages are forgotten: who published them has them and sends them again;
 * - how many there are is bounded where they come in (admission.ts).
 */
import type { BrokerStore } from '../../core/broker-store.ts';
import type { Clock } from '../../core/clock.ts';
import { WITHHELD_WITHIN } from './limits.ts';

/** A connection whose client waits for acknowledgements. */
export interface Publisher {
  /** One for each connection. */
  readonly connection: object;
  readonly isOver: boolean;
  /** The PUBACK for this message waits. @returns lets it go; undefined: nobody waits for it */
  withhold(messageId: number): (() => void) | undefined;
  /** What the client sends behind a message that waits is read. */
  readOn(): void;
  whenOver(run: () => void): void;
  /** Ends the connection. */
  behind(): void;
}

export interface Waiter {
  readonly by: Publisher;
  readonly bytes: number;
  /** Gives it to the store; absent: queues and retained messages have it. @returns whether anybody needs it there */
  readonly note?: () => boolean;
  /** @param acknowledged false: its connection is over */
  readonly end: (acknowledged: boolean) => void;
}

/** One that waits, or has waited. */
export interface Held extends Waiter {
  readonly until: number;
}

export class Withheld {
  readonly #store: BrokerStore;
  readonly #clock: Clock;
  /** Oldest first. */
  readonly #all = new Set<Held>();
  readonly #connections = new Map<object, Set<Held>>();
  /** Those that are on the disk with its next commit. */
  readonly #given = new Set<Held>();
  #bytes = 0;
  #asking = false;
  #cancel: (() => void) | undefined;

  constructor(store: BrokerStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  get count(): number {
    return this.#all.size;
  }
  get bytes(): number {
    return this.#bytes;
  }

  add(waiter: Waiter): Held {
    const { by, bytes } = waiter;
    const held = { ...waiter, until: this.#clock.monotonic() + WITHHELD_WITHIN };
    if (by.isOver) {
      held.end(false);
      return held;
    }
    this.#all.add(held);
    this.#bytes += bytes;
    const known = this.#connections.get(by.connection);
    if (known === undefined) {
      this.#connections.set(by.connection, new Set([held]));
      by.whenOver(() => this.#forget(by.connection));
    } else known.add(held);
    this.#watch();
    return held;
  }

  /** Queues and retained messages have it, or it has `note`: the disk may be asked. */
  given(held: Held): void {
    if (!this.#all.has(held)) return;
    this.#given.add(held);
    if (!this.#asking) void this.#ask();
  }

  /** Nobody needs it on the disk. */
  needless(held: Held): void {
    if (this.#all.has(held)) this.#end(held, true);
  }

  async #ask(): Promise<void> {
    this.#asking = true;
    while (this.#given.size > 0) {
      await this.#store.again();
      const now = [...this.#all].filter((held) => this.#given.has(held));
      for (const held of now) if (held.note?.() === false) this.needless(held);
      if (!(await this.#store.settled())) continue;
      for (const held of now) this.needless(held);
    }
    this.#asking = false;
  }

  #end(held: Held, acknowledged: boolean): void {
    this.#all.delete(held);
    this.#given.delete(held);
    this.#bytes -= held.bytes;
    this.#connections.get(held.by.connection)?.delete(held);
    if (this.#all.size === 0) {
      this.#cancel?.();
      this.#cancel = undefined;
    }
    held.end(acknowledged);
  }

  #forget(connection: object): void {
    const its = this.#connections.get(connection);
    this.#connections.delete(connection);
    for (const held of its ?? []) this.#end(held, false);
  }

  /** Ends the connection that waits for longest, when that is too long. */
  #watch(): void {
    const [oldest] = this.#all;
    if (oldest === undefined || this.#cancel !== undefined) return;
    this.#cancel = this.#clock.after(Math.max(0, oldest.until - this.#clock.monotonic()), () => {
      this.#cancel = undefined;
      const [first] = this.#all;
      if (first !== undefined && first.until <= this.#clock.monotonic()) {
        first.by.behind();
        this.#forget(first.by.connection);
      }
      this.#watch();
    });
  }
}
