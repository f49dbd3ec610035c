/**
 * Gathers what is written to a client: small packets that are written in one turn of the event loop leave in one system call. An alarm
 * gathers nothing and waits for nothing.
 */

/** Bytes from which on nothing more is gathered. Far below `unsent`: what is only gathered makes no client congested. */
const GATHERED = 16 * 1024;

interface Writer {
  /** Bytes that wait. */
  unsent(): number;
  cork(): void;
  uncork(): void;
}

export class Gathering {
  readonly #writer: Writer;
  /** Ends the turn in which packets are gathered. */
  #turn: NodeJS.Immediate | undefined;
  /** Alarms whose turn is not over: while there is one, nothing is gathered. */
  #hurried = 0;

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  /** What is written until aedes has written in its next turn leaves at once, and what was gathered leaves before it. */
  hurry(): void {
    if (this.#turn !== undefined) this.#scatter();
    this.#hurried++;
    // aedes makes its own immediate when this call has returned: ours comes behind it.
    queueMicrotask(() =>
      setImmediate(() => {
        this.#hurried--;
      }),
    );
  }

  /** A packet begins. */
  begins(): void {
    if (this.#hurried > 0) return;
    if (this.#turn !== undefined) {
      if (this.#writer.unsent() >= GATHERED) this.#scatter();
      return;
    }
    this.#writer.cork();
    this.#turn = setImmediate(() => this.#scatter());
  }

  #scatter(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    this.#writer.uncork();
  }
}
