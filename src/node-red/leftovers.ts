/**
 * Proves that no process of an earlier start is left. Every one carries a mark: a word of its command line, and a variable of its
 * environment that everything it starts inherits. Only processes with exactly this mark are ended, so no other process ever is, and
 * there is no file with a number in it that could be old or forged.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Clock } from '../core/clock.ts';
import { SluiceError } from '../core/errors.ts';

/** The variable, and with `=` and the state directory the word of the command line. */
export const MARK = 'SLUICE_FLOWS_OF';

/** Left to itself such a process ends, because its gateway is gone; then it is killed. Milliseconds. */
const ALONE = 3000;
const KILLED = 10_000;
const LOOK_EVERY = 50;
/** Processes that are looked at before anything else has its turn. */
const PIECE = 25;

/** Process numbers, those that ended and wait for their parent not included. */
export function leftovers(stateDir: string): number[] {
  const mark = markOf(stateDir);
  return processes()
    .filter((pid) => isMarked(pid, mark))
    .map(Number);
}

/** Ends what is left. @throws SluiceError where something cannot be ended: nothing may start then */
export async function endLeftovers(stateDir: string, clock: Clock, alone = ALONE): Promise<void> {
  if (await gone(stateDir, clock, alone)) return;
  for (const pid of leftovers(stateDir)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended meanwhile, or it is of another user: the next look tells.
    }
  }
  if (await gone(stateDir, clock, KILLED)) return;
  const pids = leftovers(stateDir).join(', ');
  throw new SluiceError(
    'busy',
    `an earlier Node-RED of this gateway is still there (process ${pids}) and cannot be ended; end it as root: kill -KILL ${pids.replaceAll(',', '')}`,
  );
}

/** Waits so long for their end. All processes are looked at twice: those that were found are waited for between. */
export async function gone(stateDir: string, clock: Clock, within: number): Promise<boolean> {
  const end = clock.monotonic() + within;
  for (;;) {
    let left = await found(stateDir);
    if (left.length === 0) return true;
    while (left.length > 0) {
      if (clock.monotonic() >= end) return false;
      const { promise, resolve } = Promise.withResolvers<void>();
      clock.after(LOOK_EVERY, resolve);
      await promise;
      left = left.filter((pid) => !isZombie(String(pid)));
    }
  }
}

/** As `leftovers`, in pieces: a busy machine has a thousand processes, and polls are due meanwhile. */
async function found(stateDir: string): Promise<number[]> {
  const mark = markOf(stateDir);
  const all: number[] = [];
  const others = processes();
  for (let at = 0; at < others.length; at += PIECE) {
    for (const pid of others.slice(at, at + PIECE)) if (isMarked(pid, mark)) all.push(Number(pid));
    await new Promise(setImmediate);
  }
  return all;
}

function processes(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
}

function markOf(stateDir: string): Buffer {
  return Buffer.from(`\0${MARK}=${stateDir}\0`);
}

function isMarked(pid: string, mark: Buffer): boolean {
  return ['cmdline', 'environ'].some((file) => holds(`/proc/${pid}/${file}`, mark)) && !isZombie(pid);
}

function holds(file: string, mark: Buffer): boolean {
  try {
    const text = readFileSync(file);
    return Buffer.concat([Buffer.of(0), text, Buffer.of(0)]).includes(mark);
  } catch {
    // Gone, or of a user whose processes cannot be looked into.
    return false;
  }
}

function isZombie(pid: string): boolean {
  try {
    // proc_pid_stat(5): the name in brackets is of the process's own choice, and may hold brackets too.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.startsWith(' Z', stat.lastIndexOf(')') + 1);
  } catch {
    return true;
  }
}
