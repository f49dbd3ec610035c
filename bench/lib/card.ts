/** A card: an ext4 file system on a loop device of its own, whose writes the kernel counts. Needs root. */
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { deviceBytes, writtenBytes } from './proc.ts';
import type { Workspace } from './workspace.ts';

export interface Written {
  /** As /proc says of this process: what it gave to the file system. */
  readonly proc: number;
  /** What reached the device, the file system's own journal included. */
  readonly device: number;
}

export class Card {
  readonly folder: string;
  /** As under /sys/block. */
  readonly device: string;

  private constructor(folder: string, loop: string) {
    this.folder = folder;
    this.device = path.basename(loop);
  }

  static make(space: Workspace, megabytes: number, options = 'defaults'): Card {
    const image = path.join(space.folder, 'card.img');
    const file = openSync(image, 'w');
    ftruncateSync(file, megabytes * 1024 ** 2);
    closeSync(file);
    execFileSync('mkfs.ext4', ['-q', '-F', '-b', '4096', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]);
    const loop = execFileSync('losetup', ['-f', '--show', image], { encoding: 'utf8' }).trim();
    space.after(() => execFileSync('losetup', ['-d', loop]));
    const folder = path.join(space.folder, 'card');
    mkdirSync(folder);
    execFileSync('mount', ['-o', options, loop, folder]);
    space.after(() => execFileSync('umount', [folder]));
    return new Card(folder, loop);
  }

  /** Since the start of process and device; everything that waits is written first. */
  written(): Written {
    execFileSync('sync', ['-f', this.folder]);
    return { proc: writtenBytes(process.pid), device: deviceBytes(this.device) };
  }
}
