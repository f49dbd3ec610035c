/**
 * Holds compaction while an answer needs one state of the log. Only the last of several tries asks for it: until then both go on, and
 * an answer that met a move is made anew.
 */
export class Still {
  #held = 0;
  #waiting: (() => void)[] = [];

  get held(): boolean {
    return this.#held > 0;
  }

  /** @returns gives it free; further calls do nothing */
  hold(): () => void {
    this.#held++;
    let over = false;
    return () => {
      if (over) return;
      over = true;
      if (--this.#held === 0) this.#wake();
    };
  }

  /** Before a step of compaction; undefined: it may be made at once. */
  free(): Promise<void> | undefined {
    if (!this.held) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The thread ends: nothing is held any more. */
  end(): void {
    this.#held = 0;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
