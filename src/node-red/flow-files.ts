/**
 * The two small files of the gateway about Node-RED. What cannot be read is set aside and made anew: flows start without their old
 * safe mode, and with a new secret the editor asks for the passwords of nodes again. Neither keeps the gateway from anything.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { readOwn, setAside, writeOwn } from '../access/state-file.ts';
import { SluiceError, toError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';

/** Encrypts the passwords that nodes keep in flows_cred.json; another one on each gateway. */
export const SECRET_FILE = 'node-red.secret';
/** Why the flows do not start. */
export const SAFE_MODE_FILE = 'node-red.json';
const SECRET = /^[0-9a-f]{64}$/;
const MOST = 4096;

export class FlowFiles {
  readonly #folder: string;
  readonly #logger: Logger;

  constructor(stateDir: string, logger: Logger) {
    this.#folder = stateDir;
    this.#logger = logger;
  }

  /** Rejects where the disk takes no new one: without a secret that stays, what it encrypts would be lost. */
  async secret(): Promise<string> {
    const file = path.join(this.#folder, SECRET_FILE);
    const text = (await this.#read(file))?.trim();
    if (text !== undefined && SECRET.test(text)) return text;
    if (text !== undefined) await this.#aside(file, 'is damaged');
    const made = randomBytes(32).toString('hex');
    try {
      await writeOwn(file, `${made}\n`);
    } catch (cause) {
      throw new SluiceError(
        'unsupported',
        `${file} cannot be written: ${toError(cause).message}; make room on the disk, or move away what is in its place`,
        { cause },
      );
    }
    return made;
  }

  async safeMode(): Promise<string | undefined> {
    const file = path.join(this.#folder, SAFE_MODE_FILE);
    const text = await this.#read(file);
    if (text === undefined) return undefined;
    try {
      const value = JSON.parse(text) as { v?: unknown; safeMode?: unknown };
      if (value.v === 1 && (value.safeMode === null || typeof value.safeMode === 'string')) return value.safeMode ?? undefined;
    } catch {
      // As for any other content.
    }
    await this.#aside(file, 'is damaged');
    return undefined;
  }

  async saveSafeMode(why: string | undefined): Promise<void> {
    await writeOwn(
      path.join(this.#folder, SAFE_MODE_FILE),
      `${JSON.stringify({ v: 1, safeMode: why?.slice(0, 1000) ?? null })}\n`,
    );
  }

  async #read(file: string): Promise<string | undefined> {
    const found = await readOwn(file, MOST);
    if (found.kind === 'text' && !found.readableByOthers) return found.text;
    if (found.kind === 'none') return undefined;
    await this.#aside(file, found.kind === 'text' ? 'could be read by other users' : found.why);
    return undefined;
  }

  async #aside(file: string, why: string): Promise<void> {
    try {
      const aside = await setAside(file);
      this.#logger.warn({ file, aside }, `A file about Node-RED ${why}; it was set aside, and a new one is made.`);
    } catch {
      // What lies there cannot be moved; the write that follows says why.
    }
  }
}
