/** File systems in memory, and ext4 on loop devices, as small, full and broken as a test wants them. They need root. */
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { asRoot, peer } from '../peers/peers.ts';

/** A quiet command; what it said on stderr is in the error. */
export function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/** false after the test was marked as skipped: only root may mount. */
export function mayMount(t: TestContext): boolean {
  return asRoot(t, 'mount a loop device') && peer(t, 'mkfs.ext4', 'apt-get install -y e2fsprogs') !== undefined;
}

/** A folder to mount on, unmounted and removed at the end of the test. Its files may be in use until then. */
export function mountPoint(t: TestContext, name: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), `sluice-${name}-`));
  const point = path.join(folder, 'mnt');
  mkdirSync(point);
  t.after(() => {
    try {
      run('umount', '-l', point);
    } catch {
      // Unmounted by the test.
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return point;
}

/** A new ext4 of `megabytes`, mounted until the end of the test. @returns its mount point */
export function loopDisk(t: TestContext, name: string, megabytes: number): string {
  const point = mountPoint(t, name);
  const image = path.join(path.dirname(point), 'disk.img');
  const file = openSync(image, 'w');
  ftruncateSync(file, megabytes * 1024 ** 2);
  closeSync(file);
  run('mkfs.ext4', '-q', '-F', '-m', '0', '-b', '4096', image);
  // `loop` sets the device up and lets it go with the mount.
  run('mount', '-o', 'loop', image, point);
  return point;
}

/** A file system in memory. @param options of tmpfs @returns undefined after the test was marked as skipped */
export function memoryDisk(t: TestContext, options: string): string | undefined {
  if (!mayMount(t)) return undefined;
  const disk = mountPoint(t, 'small');
  run('mount', '-t', 'tmpfs', '-o', `${options},mode=0755`, 'tmpfs', disk);
  return disk;
}

/** The name of the file that fills a disk. */
export const BALLAST = 'ballast';

/** Takes all that is free. @param but bytes that are left, in steps of 4 kB */
export function fillDisk(disk: string, but = 0): void {
  const file = openSync(path.join(disk, BALLAST), 'a');
  const space = path.join(disk, 'space');
  const spared = openSync(space, 'w');
  try {
    if (but > 0) writeSync(spared, Buffer.alloc(but, 1));
    for (const piece = Buffer.alloc(4096, 1); ; ) writeSync(file, piece);
  } catch {
    // It is full.
  } finally {
    closeSync(file);
    closeSync(spared);
    rmSync(space);
  }
}
