/**
 * Questions to a broker whether it is there (PINGREQ). The client library asks some of its own. Answers have no number, so all
 * questions stand here in the order in which they were sent.
 */
export class Questions {
  /** Bound: the library has one open, and each lane and each notice under way has one. */
  readonly #open: ((() => void) | undefined)[] = [];
  #next: (() => void) | undefined;

  /** @param send makes the library write the question @param answered called once */
  ask(send: () => void, answered: () => void): void {
    this.#next = answered;
    send();
    this.#next = undefined;
  }
  /** One was written. */
  written(): void {
    this.#open.push(this.#next);
    this.#next = undefined;
  }
  /** An answer came. */
  answered(): void {
    this.#open.shift()?.();
  }
}
