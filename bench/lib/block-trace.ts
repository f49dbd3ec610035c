/** Counts the blocks that each process wrote to a block device, as the kernel traces it. Needs root; makes an instance of its own in tracefs. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Workspace } from './workspace.ts';

const TRACEFS = '/sys/kernel/tracing';
/** For each processor: some hundred thousand writes. */
const BUFFER_KB = 32 * 1024;
const SECTORS = 8;

export interface Writers {
  /** ext4's journal. */
  readonly journal: number;
  /** Blocks of processes that wrote and synced by themselves. */
  readonly own: number;
  /** The kernel, later: pages of mapped files, tables of inodes, what nobody synced. */
  readonly later: number;
}

export class BlockTrace {
  readonly #folder: string;

  constructor(space: Workspace) {
    if (!existsSync(path.join(TRACEFS, 'events'))) {
      execFileSync('mount', ['-t', 'tracefs', 'tracefs', TRACEFS]);
      space.after(() => execFileSync('umount', [TRACEFS]));
    }
    this.#folder = path.join(TRACEFS, 'instances', path.basename(space.folder));
    mkdirSync(this.#folder);
    space.after(() => rmdirSync(this.#folder));
    writeFileSync(path.join(this.#folder, 'buffer_size_kb'), String(BUFFER_KB));
    // Major number 7: loop devices.
    writeFileSync(path.join(this.#folder, 'events/block/block_bio_queue/filter'), `dev >= ${7 << 20} && dev < ${8 << 20}`);
    writeFileSync(path.join(this.#folder, 'events/block/block_bio_queue/enable'), '1');
  }

  /** A line among what is traced: the writes to a device are counted between the two. */
  mark(what: 'from' | 'to', device: string): void {
    writeFileSync(path.join(this.#folder, 'trace_marker'), `${what} ${numberOf(device)}`);
  }

  /** Blocks of 4 KiB to each device between its marks, by its number. */
  read(): Map<string, Writers> {
    const found = new Map<string, { journal: number; own: number; later: number }>();
    const ended = new Set<string>();
    for (const line of readFileSync(path.join(this.#folder, 'trace'), 'utf8').split('\n')) {
      const [, what, marked = ''] = /tracing_mark_write: (from|to) (\d+)/.exec(line) ?? [];
      if (what === 'from') found.set(marked, { journal: 0, own: 0, later: 0 });
      else if (what === 'to') ended.add(marked);
      const [, device, sectors, name] = /block_bio_queue: 7,(\d+) \S*W\S* \d+ \+ (\d+) \[(.*)\]/.exec(line) ?? [];
      const of = device === undefined ? undefined : found.get(device);
      if (of === undefined || name === undefined || ended.has(device as string)) continue;
      of[/^jbd2/.test(name) ? 'journal' : /^kworker/.test(name) ? 'later' : 'own'] += Number(sectors) / SECTORS;
    }
    return found;
  }
}

/** The minor number of a loop device. */
export function numberOf(device: string): string {
  return device.slice('loop'.length);
}
