/** Counts the blocks that each process wrote to a block device, as the kernel traces it. Needs root; makes an instance of its own in tracefs. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
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

export interface BlockWrite {
  /** The minor number of the loop device. */
  readonly device: string;
  /** The thread that gave it to the device. */
  readonly name: string;
  /** The first block, and how many of 4 KiB. */
  readonly from: number;
  readonly blocks: number;
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
    for (const { device, name, blocks } of this.writes()) {
      const of = found.get(device) ?? { journal: 0, own: 0, later: 0 };
      found.set(device, of);
      of[/^jbd2/.test(name) ? 'journal' : /^kworker/.test(name) ? 'later' : 'own'] += blocks;
    }
    return found;
  }

  /** Every write to a device between its marks, in order. @throws when the kernel had to drop some */
  writes(): BlockWrite[] {
    this.#refuseGaps();
    const found: BlockWrite[] = [];
    const open = new Set<string>();
    for (const line of readFileSync(path.join(this.#folder, 'trace'), 'utf8').split('\n')) {
      const [, what, marked = ''] = /tracing_mark_write: (from|to) (\d+)/.exec(line) ?? [];
      if (what === 'from') open.add(marked);
      else if (what === 'to') open.delete(marked);
      const [, device, sector, sectors, name] = /block_bio_queue: 7,(\d+) \S*W\S* (\d+) \+ (\d+) \[(.*)\]/.exec(line) ?? [];
      if (device === undefined || name === undefined || !open.has(device)) continue;
      found.push({ device, name, from: Number(sector) / SECTORS, blocks: Number(sectors) / SECTORS });
    }
    return found;
  }

  /** A buffer that overflowed has lost its oldest lines. */
  #refuseGaps(): void {
    for (const cpu of readdirSync(path.join(this.#folder, 'per_cpu'))) {
      const stats = readFileSync(path.join(this.#folder, 'per_cpu', cpu, 'stats'), 'utf8');
      const lost = Number(/^overrun: (\d+)/m.exec(stats)?.[1]);
      if (lost > 0) throw new Error(`the trace lost ${lost} lines of ${cpu}; raise BUFFER_KB`);
    }
  }
}

/** The minor number of a loop device. */
export function numberOf(device: string): string {
  return device.slice('loop'.length);
}
