/**
 * A stick with FAT that can be pulled out. The driver is that of the kernel, over a disk that nbdkit serves, or where the kernel has none
 * that of FUSE, which is another implementation of FAT. They need root.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { peer } from '../peers/peers.ts';
import { type Child, startChild } from './child.ts';
import { mayMount, mountPoint, run } from './loop-disk.ts';
import { waitFor } from './wait-for.ts';

export const FAT_IN_KERNEL = readFileSync('/proc/filesystems', 'utf8').includes('vfat');
const NBD = 'apt-get install -y nbdkit libnbd-bin fuse3';

export class FatDisk {
  /** Where it is mounted. */
  readonly folder: string;
  readonly image: string;
  readonly #t: TestContext;
  /** Processes without which the disk is gone, the first one first. */
  #drivers: Child[] = [];

  constructor(t: TestContext, folder: string, image: string) {
    this.#t = t;
    this.folder = folder;
    this.image = image;
  }

  async mount(): Promise<void> {
    const { dev } = statSync(this.folder);
    if (FAT_IN_KERNEL) {
      const [sock, fuse] = [`${this.image}.sock`, `${this.image}.fuse`];
      mkdirSync(fuse, { recursive: true });
      const server = startChild(this.#t, 'nbdkit', ['-f', '-U', sock, 'file', this.image]);
      const there = (file: string) => waitFor(file, () => statSync(file, { throwIfNoEntry: false }) !== undefined);
      await there(sock);
      this.#drivers = [server, startChild(this.#t, 'nbdfuse', [fuse, '--unix', sock])];
      await there(path.join(fuse, 'nbd'));
      run('mount', '-o', 'loop', path.join(fuse, 'nbd'), this.folder);
    } else this.#drivers = [startChild(this.#t, 'fusefat', ['-f', '-o', 'rw+', this.image, this.folder])];
    await waitFor('the stick', () => statSync(this.folder).dev !== dev);
  }

  /** Everything is on it afterwards. */
  async unmount(): Promise<void> {
    run('umount', this.folder);
    if (FAT_IN_KERNEL) run('umount', `${this.image}.fuse`);
    else await this.#drivers[0]?.ended;
    await Promise.all(this.#drivers.map((one) => one.stop()));
  }

  /** Nothing can be read or written any more. What is in use stays in use. */
  async pull(): Promise<void> {
    const [first] = this.#drivers;
    if (first?.pid !== undefined) process.kill(first.pid, 'SIGKILL');
    await first?.ended;
  }
  /** What a system does with a stick that went. */
  async forget(): Promise<void> {
    run('umount', '-l', this.folder);
    if (FAT_IN_KERNEL) run('umount', '-l', `${this.image}.fuse`);
    await Promise.all(this.#drivers.map((one) => one.stop()));
  }

  /** What fsck says of it while it is not mounted. @throws with its words */
  check(): void {
    run('fsck.vfat', '-n', this.image);
  }
}

/** @returns a new stick, mounted; undefined after the test was marked as skipped */
export async function fatDisk(t: TestContext, name: string, megabytes: number): Promise<FatDisk | undefined> {
  if (!mayMount(t) || peer(t, 'mkfs.vfat', 'apt-get install -y dosfstools') === undefined) return undefined;
  const needed = FAT_IN_KERNEL ? (['nbdkit', 'nbdfuse'] as const) : (['fusefat'] as const);
  for (const one of needed) if (peer(t, one, FAT_IN_KERNEL ? NBD : 'apt-get install -y fusefat') === undefined) return undefined;
  const folder = mountPoint(t, name);
  const image = path.join(path.dirname(folder), 'stick.img');
  const fd = openSync(image, 'w');
  ftruncateSync(fd, megabytes * 1024 ** 2);
  closeSync(fd);
  run('mkfs.vfat', '-n', 'STICK', image);
  const disk = new FatDisk(t, folder, image);
  await disk.mount();
  return disk;
}
