import { createHmac, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';

/** Made anew by each process, so that a printed mark cannot be tried against a list of passwords. */
let salt: Buffer | undefined;

/**
 * A password or token that a configuration named. However it is printed (JSON, console, template, log) it stays
 * hidden; only `reveal()` gives the text. As JSON it carries a salted mark, so that within one process two
 * configurations can be compared and a changed secret is noticed.
 */
export class SecretText {
  readonly #text: string;
  readonly #again: (() => string) | undefined;

  /** @param again looks where the text came from once more; throws in words when it is not there */
  constructor(text: string, again?: () => string) {
    this.#text = text;
    this.#again = again;
  }

  /** The text itself: hand it straight to the library that needs it. */
  reveal(): string {
    return this.#text;
  }

  /**
   * As `reveal`, and of a secret in a file what the file holds now: passwords and tokens are exchanged while the gateway runs.
   * @throws SluiceError config-invalid: the file is gone, empty or not readable
   */
  fresh(): string {
    return this.#again === undefined ? this.#text : this.#again();
  }

  toJSON(): string {
    salt ??= randomBytes(32);
    return `[secret #${createHmac('sha256', salt).update(this.#text).digest('hex').slice(0, 8)}]`;
  }

  toString(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}
