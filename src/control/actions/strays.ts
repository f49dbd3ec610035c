/**
 * What a hook has started and what left its process group (setsid). Such a program is found by a mark in its environment, which a
 * child inherits. Its limits:
 * - a program that changes its user, or takes the mark out of its own environment, is not found. The service `sluice-hook` has no such
 *   limit: systemd ends its control group;
 * - at most ROUNDS looks, and ENVIRONMENT bytes of each process: a program that forks faster than it is ended may leave some behind,
 *   and the caller gets to know how many.
 */

import { open, readdir, stat } from 'node:fs/promises';
import { constants } from 'node:os';

export const MARK = 'SLUICE_HOOK';

const ROUNDS = 30;
/** Bytes that are read of one process. The mark is among the first that the gateway gives. */
const ENVIRONMENT = 65_536;

/** Ends them. @returns how many were still there at the last look */
export async function endStrays(mark: string): Promise<number> {
  let left = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const found = await marked(mark);
    left = found.length;
    if (left === 0) return 0;
    for (const pid of found) {
      try {
        process.kill(pid, constants.signals.SIGKILL);
      } catch {
        // It ended by itself.
      }
    }
  }
  return left;
}

async function marked(mark: string): Promise<number[]> {
  const own = process.getuid?.();
  const wanted = Buffer.from(`${MARK}=${mark}\0`);
  const found: number[] = [];
  let names: string[];
  try {
    names = await readdir('/proc');
  } catch {
    return [];
  }
  for (const name of names) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      if ((await stat(`/proc/${name}`)).uid !== own) continue;
      if ((await environmentOf(name)).includes(wanted)) found.push(Number(name));
    } catch {
      // It is over, or the kernel does not show its environment.
    }
  }
  return found;
}

/** Empty for a process that is dead and was not waited for. */
async function environmentOf(pid: string): Promise<Buffer> {
  const file = await open(`/proc/${pid}/environ`);
  try {
    const bytes = Buffer.alloc(ENVIRONMENT);
    const { bytesRead } = await file.read(bytes, 0, ENVIRONMENT, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
