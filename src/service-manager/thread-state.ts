/** What the threads of this process do, as proc(5) has it. Threads of the store carry their names there. */
import { readdirSync, readFileSync } from 'node:fs';
import type { ThreadState } from './liveness.ts';

/**
 * System calls in which a thread waits for messages and locks, and for no file: epoll_wait, epoll_pwait, epoll_pwait2, futex. A sleep
 * in any other call may be one for a file, for example one of a file system that a program serves.
 */
const WAITS: Readonly<Record<string, readonly string[]>> = {
  x64: ['232', '281', '441', '202'],
  arm64: ['22', '441', '98'],
};

/** The state of all threads with this name together. */
export function threadState(name: string): ThreadState {
  const states = threads().flatMap((id) => stateOf(id, name) ?? []);
  const all = (what: ThreadState['does']) => states.length > 0 && states.every(({ does }) => does === what);
  return {
    does: states.some(({ does }) => does === 'disk') ? 'disk' : all('idle') ? 'idle' : 'runs',
    ticks: states.reduce((sum, { ticks }) => sum + ticks, 0),
  };
}

function threads(): string[] {
  try {
    return readdirSync('/proc/self/task');
  } catch {
    return [];
  }
}

function stateOf(id: string, name: string): ThreadState | undefined {
  try {
    const text = readFileSync(`/proc/self/task/${id}/stat`, 'latin1');
    const [open, close] = [text.indexOf('('), text.lastIndexOf(')')];
    if (text.slice(open + 1, close) !== name.slice(0, 15)) return undefined;
    // The state, and after ten fields the times in user and in system mode.
    const fields = text.slice(close + 2).split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    const does = fields[0]?.startsWith('D') ? 'disk' : fields[0] === 'S' && waits(id) ? 'idle' : 'runs';
    return { does, ticks };
  } catch {
    // It ended meanwhile.
    return undefined;
  }
}

/** False where the kernel does not say in which call it is. */
function waits(id: string): boolean {
  try {
    const call = readFileSync(`/proc/self/task/${id}/syscall`, 'latin1').split(' ', 1)[0] ?? '';
    return WAITS[process.arch]?.includes(call) === true;
  } catch {
    return false;
  }
}
