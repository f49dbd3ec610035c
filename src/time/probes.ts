/** Asking this machine about its clock: files, processes, small programs, the kernel's name for this boot. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Machine } from '../core/clock.ts';
import type { ClockProbes } from './services.ts';

/** Milliseconds that a program may take, and bytes that it may say. */
const LIMIT = 2000;
const MOST = 64 * 1024;

export const systemProbes: ClockProbes = {
  exists: (path) => existsSync(path),
  processes() {
    try {
      return readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .flatMap((pid) => {
          try {
            return [readFileSync(`/proc/${pid}/comm`, 'utf8').trim()];
          } catch {
            return []; // it ended meanwhile
          }
        });
    } catch {
      return [];
    }
  },
  run: (program, ...args) =>
    new Promise((resolve) => {
      execFile(
        program,
        args,
        { timeout: LIMIT, killSignal: 'SIGKILL', maxBuffer: MOST, env: { ...process.env, LC_ALL: 'C' } },
        (error, stdout) => resolve(error === null ? stdout : undefined),
      );
    }),
};

/** The kernel's name for this boot, and its monotonic time at which this process's is 0. */
export function machineBoot(path = '/proc/sys/kernel/random/boot_id'): Machine | undefined {
  try {
    const id = readFileSync(path, 'utf8').trim();
    // CLOCK_MONOTONIC, as performance.now() counts it from the start of the process.
    const origin = Number(process.hrtime.bigint()) / 1e6 - performance.now();
    return /^[0-9a-f-]{36}$/.test(id) ? { id, origin } : undefined;
  } catch {
    return undefined;
  }
}
