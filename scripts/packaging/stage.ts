/** The tree of a package before it is packed: which file goes where, with modes and times that are the same on every machine. */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  globSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { packageFiles } from './fetch.ts';
import type { Cpu, LockedPackage } from './lock.ts';
import { needed } from './prune.ts';

const EXECUTABLE = /^(?:\x7fELF|#!)/;

export class Stage {
  readonly root: string;
  /** The first folder is made anew by the caller. */
  constructor(root: string) {
    this.root = root;
  }

  text(target: string, text: string, mode = 0o644): void {
    const file = this.#place(target);
    writeFileSync(file, text);
    chmodSync(file, mode);
  }

  bytes(target: string, bytes: Uint8Array): void {
    const file = this.#place(target);
    writeFileSync(file, bytes);
    chmodSync(file, 0o644);
  }

  /** A file with the mode that its content asks for. */
  file(source: string, target: string): void {
    const file = this.#place(target);
    copyFileSync(source, file);
    const head = readFileSync(source).subarray(0, 4).toString('latin1');
    // Nobody starts a program of an npm package by its name on a board.
    const starts = EXECUTABLE.test(head) && !target.includes('node_modules/');
    chmodSync(file, starts ? 0o755 : 0o644);
  }

  link(target: string, to: string): void {
    symlinkSync(to, this.#place(target));
  }

  folder(target: string): void {
    mkdirSync(path.join(this.root, target), { recursive: true, mode: 0o755 });
  }

  /** Every file of a folder that `wanted` names. @returns bytes */
  tree(source: string, target: string, wanted: (file: string) => boolean = () => true): number {
    let bytes = 0;
    for (const file of globSync('**', { cwd: source }).sort()) {
      const from = path.join(source, file);
      const about = statSync(from);
      if (!about.isFile() || !wanted(file)) continue;
      this.file(from, path.join(target, file));
      bytes += about.size;
    }
    return bytes;
  }

  /** npm packages of a lock below `target`. @returns how many bytes go in, and how many stay out */
  packages(root: string, packages: readonly LockedPackage[], target: string, cpu: Cpu): { kept: number; left: number } {
    let kept = 0;
    let left = 0;
    for (const one of packages) {
      const source = packageFiles(root, one);
      // A package inside of a package is one of its own, with its own line of the lock.
      const own = (file: string) => !file.startsWith('node_modules/');
      kept += this.tree(source, path.join(target, one.folder), (file) => {
        const take = own(file) && needed(one.name, file, cpu);
        if (!take && own(file)) left += statSync(path.join(source, file)).size;
        return take;
      });
    }
    return { kept, left };
  }

  /** Folders get their mode, and everything the time of the sources. */
  finish(epoch: number): void {
    for (const name of ['', ...globSync('**', { cwd: this.root })]) {
      const at = path.join(this.root, name);
      if (lstatSync(at).isDirectory()) chmodSync(at, 0o755);
      lutimesSync(at, epoch, epoch);
    }
  }

  /** Installed size in KiB, as Debian counts it: each file in blocks of 1 KiB, and 1 KiB for everything else. */
  installedSize(): number {
    return globSync('**', { cwd: this.root })
      .filter((name) => !name.startsWith('DEBIAN'))
      .map((name) => statSync(path.join(this.root, name), { throwIfNoEntry: false }))
      .reduce((sum, about) => sum + (about?.isFile() === true ? Math.ceil(about.size / 1024) : 1), 0);
  }

  /** md5sums of Debian: dpkg --verify compares them. */
  sums(): string {
    return globSync('**', { cwd: this.root })
      .filter((name) => !name.startsWith('DEBIAN') && lstatSync(path.join(this.root, name)).isFile())
      .sort()
      .map(
        (name) =>
          `${createHash('md5')
            .update(readFileSync(path.join(this.root, name)))
            .digest('hex')}  ${name}\n`,
      )
      .join('');
  }

  #place(target: string): string {
    const file = path.join(this.root, target);
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
    return file;
  }
}
