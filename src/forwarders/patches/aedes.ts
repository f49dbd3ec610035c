/** What aedes needs beyond its interface. The canary: test/unit/forwarders/patches.test.ts. */

/** The version that this was looked at in. */
export const KNOWN = { package: 'aedes', version: '1.2.0' } as const;

/**
 * A result that is there already: `then` calls back before it returns. aedes takes a message whose number is lower than the
 * last one for a repeat. It numbers a QoS 1 message, awaits the persistence, and hands it on; with a promise a QoS 0 message
 * overtakes it there, and the QoS 1 message is lost.
 */
export class Settled<T> implements PromiseLike<T> {
  readonly #value: T;
  constructor(value: T) {
    this.#value = value;
  }
  // biome-ignore lint/suspicious/noThenProperty: aedes calls `then` on what it gets, and that is the point
  then<A = T, B = never>(fulfilled?: ((value: T) => A | PromiseLike<A>) | null): PromiseLike<A | B> {
    return new Settled(fulfilled?.(this.#value) as A);
  }
}
