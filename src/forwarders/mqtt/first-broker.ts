/** Asks the first of several brokers whether it takes connections, while the gateway is at another one. */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../core/clock.ts';
import type { Brokers } from './brokers.ts';

/** Milliseconds for an answer. */
const WITHIN = 10_000;
/** Milliseconds in which the work on the other broker ends. */
const LEAVE_WITHIN = 10_000;

export interface FirstBrokerSide {
  /** The way to it, up to where MQTT begins. Rejects where there is none. */
  open(url: string, signal: AbortSignal): Promise<Duplex>;
  /** It takes connections. Called once: the work on the other one shall end. */
  answered(): void;
  /** It has not ended in time. */
  late(): void;
}

export class FirstBroker {
  answered = false;
  readonly #clock: Clock;
  readonly #brokers: Brokers;
  readonly #side: FirstBrokerSide;
  #cancel: () => void = () => {};
  #asking: AbortController | undefined;
  #over = false;

  constructor(clock: Clock, brokers: Brokers, side: FirstBrokerSide) {
    this.#clock = clock;
    this.#brokers = brokers;
    this.#side = side;
    this.#later();
  }

  /** The connection to the other one is over. */
  end(): void {
    this.#over = true;
    this.#cancel();
    this.#asking?.abort();
  }

  #later(): void {
    this.#cancel = this.#clock.after(this.#brokers.nextQuestion(this.#clock.monotonic()), () => void this.#ask());
  }

  /** Never rejects. */
  async #ask(): Promise<void> {
    const asking = new AbortController();
    this.#asking = asking;
    const late = this.#clock.after(WITHIN, () => asking.abort());
    const answers = await this.#side.open(this.#brokers.first, asking.signal).then(
      (wire) => {
        wire.on('error', () => {});
        wire.destroy();
        return true;
      },
      // It is away, or a file of TLS cannot be read: the next connection to it says so in words.
      () => false,
    );
    late();
    this.#asking = undefined;
    // One that the end of the connection cuts short is asked on the next one.
    if (this.#over) return;
    this.#brokers.asked();
    this.answered = answers;
    if (!answers) {
      this.#later();
      return;
    }
    this.#cancel = this.#clock.after(LEAVE_WITHIN, () => this.#side.late());
    this.#side.answered();
  }
}
