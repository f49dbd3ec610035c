/**
 * `modbus-times.json` of the state folder: how long devices took to answer, so that a start plans by what an earlier run measured.
 *
 * - Nothing but a cheaper plan depends on it. A file that is damaged, too large or not readable is none: then times are assumed
 *   until they are measured.
 * - Written beside itself and renamed, when something was measured, and at a stop: at most every NEW_EVERY for a device of
 *   which nothing was known, at most every CHANGED_EVERY for one that has become quicker or slower.
 * - Bounds: MOST entries, of which those set longest ago go first; MOST_BYTES.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import type { MeasuredTimes } from '../../config/kinds.ts';
import type { Clock } from '../../core/clock.ts';
import { toError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { TimeMemory } from '../driver.ts';

const NAME = 'modbus-times.json';
const MOST = 4096;
const MOST_BYTES = 1_000_000;
const LONGEST_KEY = 300;
/** The longest time of a reply: the longest time-out that may be configured, ms. */
const LONGEST = 60_000;
/** Milliseconds. */
const SOON = 1000;
const NEW_EVERY = 60_000;
const CHANGED_EVERY = 600_000;

/** @returns nothing where there is no such file, or none that can be believed */
export function readMeasured(stateDir: string): Map<string, number> {
  let fd: number | undefined;
  try {
    fd = openSync(path.join(stateDir, NAME), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const { size } = fstatSync(fd);
    return size > MOST_BYTES || !fstatSync(fd).isFile() ? new Map() : parseMeasured(readFileSync(fd, 'utf8'));
  } catch {
    return new Map();
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

export function parseMeasured(text: string): Map<string, number> {
  const found = new Map<string, number>();
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    return found;
  }
  if (typeof file !== 'object' || file === null || !('times' in file) || !('crc' in file) || !('v' in file)) return found;
  const { v, crc, times } = file;
  if (v !== 1 || typeof times !== 'object' || times === null || crc !== crc32(JSON.stringify(times))) return found;
  for (const [key, ms] of Object.entries(times).slice(0, MOST))
    if (key.length <= LONGEST_KEY && typeof ms === 'number' && ms >= 0 && ms <= LONGEST) found.set(key, ms);
  return found;
}

export function measuredText(times: MeasuredTimes & Iterable<readonly [string, number]>): string {
  const plain = Object.fromEntries(times);
  return `${JSON.stringify({ v: 1, crc: crc32(JSON.stringify(plain)), times: plain })}\n`;
}

export class MeasuredFile implements TimeMemory {
  readonly #stateDir: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #times: Map<string, number>;
  #cancel: (() => void) | undefined;
  #writeAt = Number.POSITIVE_INFINITY;
  #writtenAt: number | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(stateDir: string, clock: Clock, logger: Logger) {
    this.#stateDir = stateDir;
    this.#clock = clock;
    this.#logger = logger;
    this.#times = readMeasured(stateDir);
  }

  get(key: string): number | undefined {
    return this.#times.get(key);
  }

  set(key: string, ms: number): void {
    const isNew = !this.#times.delete(key);
    for (const oldest of this.#times.keys()) {
      if (this.#times.size < MOST) break;
      this.#times.delete(oldest);
    }
    this.#times.set(key, Math.round(ms * 100) / 100);
    const now = this.#clock.monotonic();
    const pause = this.#writtenAt === undefined ? 0 : this.#writtenAt + (isNew ? NEW_EVERY : CHANGED_EVERY) - now;
    const at = now + Math.max(SOON, pause);
    if (at >= this.#writeAt) return;
    this.#cancel?.();
    this.#writeAt = at;
    this.#cancel = this.#clock.after(at - now, () => this.#write());
  }

  /** Writes what is not written yet. Never rejects. */
  async stop(): Promise<void> {
    if (this.#cancel !== undefined) this.#write();
    await this.#writing;
  }

  #write(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#writeAt = Number.POSITIVE_INFINITY;
    this.#writtenAt = this.#clock.monotonic();
    const text = measuredText(this.#times);
    this.#writing = this.#writing.then(() => this.#put(text));
  }

  async #put(text: string): Promise<void> {
    const file = path.join(this.#stateDir, NAME);
    try {
      await writeFile(`${file}.new`, text, { mode: 0o640 });
      await rename(`${file}.new`, file);
    } catch (thrown) {
      // The written part would take room on a full disk that the log needs.
      await rm(`${file}.new`, { force: true }).catch(() => {});
      if (!this.#failed)
        this.#logger.warn(
          { error: toError(thrown).message },
          `${file} cannot be written: after a restart the reads are planned by assumed times until devices were measured again.`,
        );
      this.#failed = true;
    }
  }
}
