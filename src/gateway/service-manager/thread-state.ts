/** States of the threads of this process, as proc(5) has them. Threads of the store carry their names there. */
import { readdirSync, readFileSync } from 'node:fs';

/** @returns one letter for each thread of this name; empty where the kernel does not say */
export function threadState(name: string): string {
  try {
    return readdirSync('/proc/self/task')
      .map((id) => stateOf(id, name))
      .join('');
  } catch {
    return '';
  }
}

function stateOf(id: string, name: string): string {
  try {
    const text = readFileSync(`/proc/self/task/${id}/stat`, 'latin1');
    const [open, close] = [text.indexOf('('), text.lastIndexOf(')')];
    return text.slice(open + 1, close) === name.slice(0, 15) ? (text[close + 2] ?? '') : '';
  } catch {
    // It ended meanwhile.
    return '';
  }
}
