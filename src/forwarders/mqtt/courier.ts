/**
 * Brings the messages of a dialect over one connection. Each is made just before it leaves; what begins a connection is
 * never mixed with anything else.
 */
import { SluiceError } from '../../core/errors.ts';
import type { Connection } from './connection.ts';
import type { OutMessage } from './dialect.ts';
import type { Delivered } from './patience.ts';

/** Messages of one batch under way at once; a broker of MQTT 5 may allow fewer over all, which the connection sees to. */
const WINDOW = 16;

export class Courier {
  readonly #connection: Connection;
  #alone: Promise<unknown> | undefined;
  /** Called each time when all that the connection begins with is sent. */
  greeted: () => void = () => {};

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Sends these alone: nothing else leaves until all are taken. @throws SluiceError when the connection is over, upstream-refused */
  async alone(messages: Iterable<OutMessage>): Promise<void> {
    while (this.#alone !== undefined) await this.#alone;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#alone = promise;
    try {
      const outcome = await this.#all(messages, () => undefined);
      if (typeof outcome === 'object') throw 'keep' in outcome ? outcome.keep : outcome.reject;
    } finally {
      this.#alone = undefined;
      resolve();
    }
  }

  /**
   * `reject` when the broker refuses one of them for good, `keep` when it does not take one of them now; the others are sent.
   * @throws SluiceError when the connection is over
   */
  deliver(messages: Iterable<OutMessage>): Promise<Delivered> {
    return this.#all(messages, () => this.#alone);
  }

  async #all(messages: Iterable<OutMessage>, turn: () => Promise<unknown> | undefined): Promise<Delivered> {
    const underWay = new Set<Promise<void>>();
    let refused: SluiceError | undefined;
    let kept: SluiceError | undefined;
    let failed: unknown;
    const iterator = messages[Symbol.iterator]();
    for (;;) {
      for (let wait = turn(); wait !== undefined; wait = turn()) await wait;
      if (failed !== undefined || kept !== undefined) break;
      const next = iterator.next();
      if (next.done === true) break;
      const message = next.value;
      const sent = this.#connection
        .publish(message)
        .then(() => message.taken?.())
        .catch((thrown: unknown) => {
          if (thrown instanceof SluiceError && thrown.code === 'upstream-refused') refused ??= thrown;
          else if (thrown instanceof SluiceError && (thrown.code === 'upstream-busy' || thrown.code === 'upstream-too-large')) {
            if (thrown.code === 'upstream-busy' || message.mayLack !== true) kept ??= thrown;
            message.kept?.(thrown);
          } else failed ??= thrown;
        })
        .finally(() => underWay.delete(sent));
      underWay.add(sent);
      if (underWay.size >= WINDOW) await Promise.race(underWay);
    }
    await Promise.all(underWay);
    if (failed !== undefined) throw failed;
    if (kept !== undefined) return { keep: kept };
    return refused === undefined ? 'accept' : { reject: refused };
  }
}

export function noConnection(): SluiceError {
  return new SluiceError('upstream-connect', 'there is no connection to the broker');
}
