/**
 * One run of a program for a rule. Invariants:
 * - no shell: the program gets its arguments as they are, an environment of three variables, no open file but its three, and one line
 *   of JSON on its standard input;
 * - it leads a process group of its own. When it ends, is late or writes too much, the whole group is killed, and what left the group
 *   is ended as far as it is found (strays.ts);
 * - of its output the first MOST_KEPT bytes are kept. After MOST_OUTPUT bytes it is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { constants } from 'node:os';
import type { Clock } from '../../core/clock.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { formatDuration } from '../../core/units.ts';
import { endStrays, MARK } from './strays.ts';

export interface HookRequest {
  /** The program by its absolute path, and its arguments. */
  readonly run: readonly string[];
  /** For its standard input. */
  readonly input: string;
  /** Milliseconds. */
  readonly timeout: number;
}

/** Bytes. */
export const MOST_KEPT = 2048;
const MOST_OUTPUT = 1024 * 1024;
/** From the kill to the end of a process, ms. */
const KILLED_WITHIN = 5000;
/** From the end of a process to the end of its output, ms. */
const DRAINED_WITHIN = 500;
/** One argument; the kernel takes 128 KiB, and 2 MiB of all. */
export const LONGEST_ARGUMENT = 8192;

/** Resolves with the first of its output when it ended with 0. Rejects with a SluiceError in words. */
export function runProcess({ run, input, timeout }: HookRequest, clock: Clock): Promise<string> {
  const [program = '', ...args] = run;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const mark = randomUUID();
  let child: ChildProcess;
  try {
    child = spawn(program, args, {
      ...{ cwd: '/', detached: true, shell: false, stdio: ['pipe', 'pipe', 'pipe'] },
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', [MARK]: mark },
    });
  } catch (thrown) {
    reject(failure(`${program} cannot be started: ${toError(thrown).message}`, 'never'));
    return promise;
  }
  const kept: Buffer[] = [];
  let size = 0;
  let why: string | undefined;
  const kill = (): void => {
    try {
      // The group outlives its leader while a member lives.
      if (child.pid !== undefined) process.kill(-child.pid, constants.signals.SIGKILL);
    } catch {
      // Nothing of it is left.
    }
  };
  let cancelWait = (): void => {};
  const end = (words: string): void => {
    if (why !== undefined) return;
    why = words;
    kill();
    // A process that hangs in the kernel does not end; nobody waits for it.
    cancelWait = clock.after(KILLED_WITHIN, () => reject(failure(`${program} was killed (${words}) and does not end`, 'later')));
  };
  const take = (chunk: Buffer): void => {
    const left = MOST_KEPT - Math.min(size, MOST_KEPT);
    if (left > 0) kept.push(chunk.subarray(0, left));
    size += chunk.length;
    if (size > MOST_OUTPUT) end('it wrote more than 1 MB');
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  // A program that does not read its input is none the worse.
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
  const cancel = clock.after(timeout, () => end(`it took longer than ${formatDuration(timeout)}`));
  child.once('error', (error) => {
    cancel();
    reject(failure(`${program} cannot be started: ${startWords(error)}`, 'never'));
  });
  // What it has started may hold its output open for ever: its own end counts.
  child.once('exit', (code, signal) => {
    cancel();
    cancelWait();
    kill();
    // What it wrote last is on its way. What left its group may hold its output open for ever.
    let over = false;
    const settle = (): void => {
      if (over) return;
      over = true;
      cancelDrain();
      void endStrays(mark).then(answer);
    };
    const answer = (left: number): void => {
      if (left > 0) why ??= `it starts programs faster than they can be ended; ${left} were left`;
      child.stdout?.destroy();
      child.stderr?.destroy();
      const output = Buffer.concat(kept)
        .toString('utf8')
        .replaceAll(/\p{Cc}+/gu, ' ')
        .trim();
      const said = output === '' ? '' : `: ${output.slice(0, 300)}`;
      if (why !== undefined) reject(failure(`${program} was ended: ${why}${said}`, 'later'));
      else if (code === 0) resolve(output);
      else reject(failure(`${program} ended with ${code ?? String(signal)}${said}`, 'later'));
    };
    const cancelDrain = clock.after(DRAINED_WITHIN, settle);
    child.once('close', settle);
  });
  return promise;
}

function startWords(error: Error & { code?: string }): string {
  if (error.code === 'ENOENT') return 'there is no such file, or the interpreter in its first line is missing';
  if (error.code === 'EACCES') return 'it may not be executed; chmod 755 helps';
  return error.message;
}

function failure(message: string, retry: 'later' | 'never'): SluiceError {
  return new SluiceError(retry === 'never' ? 'unsupported' : 'hook-failed', message);
}
