/**
 * Proof that a caller on the Unix socket is root or the user of the gateway, where the kernel cannot be asked: the content of
 * `admin.key`, which nobody else can read (0600). Invariants:
 * - The key is random and of one start. It is made when it is first needed, and removed at the stop. A disk that had no room for
 *   it is asked again at the next call that needs it; the fault is reported once.
 * - It is worth something on the Unix socket only, and only while the kernel does not say who calls.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { toError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { isSecretOf, randomText, sha256 } from './secrets.ts';
import { KEY_FILE, LONGEST_KEY } from './shown-key.ts';
import { removeOwn, unwrittenWords, writeOwn } from './state-file.ts';

export class AdminKey {
  readonly #file: string;
  readonly #logger: Logger;
  /** SHA-256; undefined until it is made. */
  #hash: string | undefined;
  #making: Promise<void> | undefined;
  #reported = false;
  #stopped = false;

  constructor(stateDir: string, logger: Logger) {
    this.#file = path.join(stateDir, KEY_FILE);
    this.#logger = logger;
  }

  /** Makes the key unless it is there. One try at a time. Never rejects. */
  async make(): Promise<void> {
    if (this.#hash !== undefined || this.#stopped) return;
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
    });
    await this.#making;
  }

  async #make(): Promise<void> {
    const key = randomText(randomBytes);
    try {
      await writeOwn(this.#file, `${key}\n`);
      this.#hash = sha256(key);
    } catch (thrown) {
      if (!this.#reported)
        this.#logger.warn(
          { error: toError(thrown).message },
          `${this.#file} cannot be written: ${unwrittenWords(thrown)}. Root cannot show who it is, so nobody can manage accounts until it can be written. Each command tries again.`,
        );
      this.#reported = true;
    }
  }

  /** @param shown by a caller */
  fits(shown: unknown): boolean {
    return typeof shown === 'string' && shown.length <= LONGEST_KEY && this.#hash !== undefined && isSecretOf(shown, this.#hash);
  }

  /** Never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#making;
    if (this.#hash === undefined) return;
    this.#hash = undefined;
    await removeOwn(this.#file).catch(() => {});
  }
}
