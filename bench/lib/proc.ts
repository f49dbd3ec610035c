/** What the kernel says about a process: all of its threads, nothing of its children. */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ of Linux on every architecture that Node runs on. */
const TICKS = 100;

/** CPU seconds so far, user and system, all threads (ended ones too). */
export function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** The same by thread: the main one, the log's writer, and all others (V8's own, those that ended). */
export function cpuByThread(pid: number): { main: number; writer: number; others: number } {
  const of = { main: 0, writer: 0, others: 0 };
  const all = cpuSeconds(pid);
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      const text = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8');
      const name = readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8');
      const kind = Number(task) === pid ? 'main' : /writer/.test(name) ? 'writer' : undefined;
      if (kind !== undefined) of[kind] += Number(text.split(' ')[0]) / 1e9;
    } catch {
      // It has just ended.
    }
  }
  return { ...of, others: all - of.main - of.writer };
}

/** Megabytes (1024 × 1024). */
export function memory(pid: number): { rss: number; pss: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1]) / 1024;
  return { rss: field('Rss'), pss: field('Pss') };
}

/** Bytes that the process caused to be written to a block device. */
export function writtenBytes(pid: number): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);
}

/** Bytes written to a block device since it exists; `name` as under /sys/block. */
export function deviceBytes(name: string): number {
  return Number(readFileSync(`/sys/block/${name}/stat`, 'utf8').trim().split(/\s+/)[6]) * 512;
}
