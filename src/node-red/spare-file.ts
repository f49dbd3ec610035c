/**
 * Room that no flow can take: an allocated file and some empty files in the state directory, which nobody writes. Where flows filled
 * the disk, they are removed after the end of the flows, and the log has room again. The kernel allocates the file without a write to
 * the card (fallocate). The empty ones stand for entries of the file system: SQLite makes a file for each journal.
 */
import { execFile } from 'node:child_process';
import { lstat, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { SPARE_FILE, SPARE_FOLDER } from '../core/flow-supervisor.ts';

const run = promisify(execFile);

/** Milliseconds. The watch over the disk waits for it. */
const WITHIN = 5000;
/** Many times the files that the log makes while it is written. */
const EMPTY_FILES = 64;

export class SpareFile {
  readonly #file: string;
  readonly #folder: string;
  #busy = false;

  constructor(stateDir: string) {
    this.#file = path.join(stateDir, SPARE_FILE);
    this.#folder = path.join(stateDir, SPARE_FOLDER);
  }

  /** @returns bytes that it holds; 0 where the file system cannot allocate, or has no room. Never rejects. */
  async make(bytes: number): Promise<number> {
    if (this.#busy) return this.held();
    this.#busy = true;
    try {
      await this.#makeEmptyFiles();
      const held = await this.held();
      if (held >= bytes) return held;
      await run('fallocate', ['--length', String(bytes), '--', this.#file], { timeout: WITHIN });
      return await this.held();
    } catch {
      await this.release();
      return 0;
    } finally {
      this.#busy = false;
    }
  }

  async #makeEmptyFiles(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    // Appending leaves those of an earlier start as they are.
    for (let i = 0; i < EMPTY_FILES; i++) await writeFile(path.join(this.#folder, String(i)), '', { flag: 'a', mode: 0o600 });
  }

  async held(): Promise<number> {
    const found = await lstat(this.#file).catch(() => undefined);
    return found?.isFile() === true ? found.blocks * 512 : 0;
  }

  /** Never rejects. */
  async release(): Promise<void> {
    await rm(this.#file, { force: true }).catch(() => {});
    await rm(this.#folder, { force: true, recursive: true }).catch(() => {});
  }
}
