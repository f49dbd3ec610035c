/** How many connections one address or one account holds. Nobody takes every place of the others. */
export class Shares {
  readonly #most: number;
  /** At most as many entries as there are connections. */
  readonly #held = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** @returns false when it has its share already */
  take(key: string): boolean {
    const held = this.#held.get(key) ?? 0;
    if (held >= this.#most) return false;
    this.#held.set(key, held + 1);
    return true;
  }

  give(key: string): void {
    const held = (this.#held.get(key) ?? 0) - 1;
    if (held > 0) this.#held.set(key, held);
    else this.#held.delete(key);
  }
}

const LOOPBACK = /^(?:::1|(?:::ffff:)?127\.\d+\.\d+\.\d+)$/i;

/** Clients of this board share its addresses, so they are not counted by them. @returns undefined for those */
export function addressKey(address: string | undefined): string | undefined {
  return address === undefined || LOOPBACK.test(address) ? undefined : address.replace(/^::ffff:/i, '');
}
