/**
 * A namespace of process numbers for Node-RED and everything that it starts. The kernel ends all of it with its first process, also a
 * program in a session of its own and without the mark of leftovers.ts. It needs root with CAP_SYS_ADMIN; a container may lack that.
 *
 * The first process is a shell, because Node would not wait for programs whose parent is gone.
 */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { promisify } from 'node:util';
import { PROGRAM_WITHIN } from './programs.ts';

const run = promisify(execFile);

/** A shell tells a signal by this much more. */
const SIGNAL = 128;

export interface TaskUser {
  readonly uid: number;
  readonly gid: number;
}

/** Whether it can be had here. */
export async function mayHaveOwnTasks({ uid, gid }: TaskUser): Promise<boolean> {
  const [program = '', ...words] = ownTasks({ uid, gid }, [], ['true']);
  try {
    await run(program, words, { timeout: PROGRAM_WITHIN });
    return true;
  } catch {
    return false;
  }
}

/** @param limits programs that give way to the next (fence.ts) @param command what runs in it under that user */
export function ownTasks({ uid, gid }: TaskUser, limits: readonly string[], command: readonly string[]): string[] {
  return [
    ...['unshare', '--pid', '--fork', '--', 'setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--'],
    ...[...limits, 'sh', '-c', '"$@" & wait "$!"', 'sh', ...command],
  ];
}

/** What the end of the shell says about its command. */
export function endOf(code: number | null, signal: NodeJS.Signals | null): string {
  const number = code === null ? 0 : code - SIGNAL;
  const name = signal ?? Object.entries(os.constants.signals).find(([, value]) => value === number)?.[0];
  return name === undefined ? `it ended with status ${code}` : `it was ended by ${name}`;
}

/** The last of a row of processes that each have one child: what the programs in front of it started. */
export function lastOf(pid: number): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(name);
    if (parent !== undefined) parents.set(parent, Number(name));
  }
  let last = pid;
  for (let next = parents.get(last); next !== undefined; next = parents.get(last)) last = next;
  return last;
}

function parentOf(pid: string): number | undefined {
  try {
    // proc_pid_stat(5): the name in brackets may hold brackets too.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}
