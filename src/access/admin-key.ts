/**
 * Proof that a caller on the Unix socket is root or the user of the gateway, where the kernel cannot be asked: the content of
 * `admin.key`, which nobody else can read (0600). Invariants:
 * - The key is random and of one start. It is made when it is first needed, and removed at the stop.
 * - It is worth something on the Unix socket only, and only while the kernel does not say who calls.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { toError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { isSecretOf, randomText, sha256 } from './secrets.ts';
import { KEY_FILE, LONGEST_KEY } from './shown-key.ts';
import { removeOwn, writeOwn } from './state-file.ts';

export class AdminKey {
  readonly #file: string;
  readonly #logger: Logger;
  /** SHA-256; undefined until it is made. */
  #hash: string | undefined;

  constructor(stateDir: string, logger: Logger) {
    this.#file = path.join(stateDir, KEY_FILE);
    this.#logger = logger;
  }

  /** Once in a start. Never rejects. */
  async make(): Promise<void> {
    const key = randomText(randomBytes);
    try {
      await writeOwn(this.#file, `${key}\n`);
      this.#hash = sha256(key);
    } catch (thrown) {
      this.#logger.warn(
        { error: toError(thrown).message },
        `${this.#file} cannot be written, so root has no way to show who it is: nobody can manage accounts until the next start.`,
      );
    }
  }

  /** @param shown by a caller */
  fits(shown: unknown): boolean {
    return typeof shown === 'string' && shown.length <= LONGEST_KEY && this.#hash !== undefined && isSecretOf(shown, this.#hash);
  }

  /** Never rejects. */
  async stop(): Promise<void> {
    if (this.#hash === undefined) return;
    this.#hash = undefined;
    await removeOwn(this.#file).catch(() => {});
  }
}
