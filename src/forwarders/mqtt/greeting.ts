/** What a connection begins with. It leaves alone, and anew when it changed; several wishes become one. One for each connection. */
import type { Courier } from './courier.ts';
import type { OutMessage } from './dialect.ts';

export class Greeting {
  readonly #courier: Courier;
  readonly #messages: () => Iterable<OutMessage>;
  #underWay = false;
  #again = false;

  constructor(courier: Courier, messages: () => Iterable<OutMessage>) {
    this.#courier = courier;
    this.#messages = messages;
  }

  /** When something of it changed. @throws as `send` */
  async again(): Promise<void> {
    if (this.#underWay) this.#again = true;
    else await this.send();
  }

  /** @throws SluiceError when the connection is over, upstream-refused */
  async send(): Promise<void> {
    this.#underWay = true;
    try {
      do {
        this.#again = false;
        await this.#courier.alone(this.#messages());
      } while (this.#again);
      this.#courier.greeted();
    } finally {
      this.#underWay = false;
    }
  }
}
