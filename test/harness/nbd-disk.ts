/**
 * An ext4 on a disk that a process serves: nbdkit, nbdfuse, a loop device. What the process does, the disk does. It needs root.
 */
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { peer } from '../peers/peers.ts';
import { type Child, startChild } from './child.ts';
import { mayMount, run } from './loop-disk.ts';
import { waitFor } from './wait-for.ts';

const INSTALL = 'apt-get install -y nbdkit nbdkit-plugin-python libnbd-bin fuse3';

export interface NbdDisk {
  /** Where it is mounted. */
  readonly folder: string;
  /** The process that has what is on the disk. */
  readonly server: Child;
  /** Unmounts. */
  stop(): Promise<void>;
}

/**
 * @param base a folder for all that belongs to it
 * @param plugin of nbdkit, with its parameters
 * @param isNew an ext4 is made on it
 * @param isLazy whoever uses its files at the end of the test goes later
 * @returns undefined after the test was marked as skipped
 */
export async function nbdDisk(
  t: TestContext,
  base: string,
  plugin: readonly string[],
  isNew: boolean,
  isLazy = false,
): Promise<NbdDisk | undefined> {
  if (!mayMount(t)) return undefined;
  const nbdkit = peer(t, 'nbdkit', INSTALL);
  const nbdfuse = nbdkit && peer(t, 'nbdfuse', INSTALL);
  if (nbdkit === undefined || nbdfuse === undefined) return undefined;
  const at = (name: string) => path.join(base, name);
  for (const name of ['fuse', 'mnt']) mkdirSync(at(name));
  const server = startChild(t, nbdkit, ['-f', '-U', at('sock'), ...plugin]);
  await waitForPath(server, at('sock'));
  const fuse = startChild(t, nbdfuse, [at('fuse'), '--unix', at('sock')]);
  await waitForPath(fuse, at('fuse/nbd'));
  const loop = run('losetup', '-f', '--show', at('fuse/nbd'));
  const quietly = (...command: [string, ...string[]]) => {
    try {
      run(...command);
    } catch {
      // Gone already.
    }
  };
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    quietly('umount', ...(isLazy ? ['-l'] : []), at('mnt'));
    quietly('losetup', '-d', loop);
    quietly('fusermount3', '-uz', at('fuse'));
    await Promise.all([fuse.stop(), server.stop()]);
  };
  const once = () => {
    stopped ??= stop();
    return stopped;
  };
  t.after(once);
  if (isNew) run('mkfs.ext4', '-q', '-F', '-b', '4096', loop);
  run('mount', loop, at('mnt'));
  return { folder: at('mnt'), server, stop: once };
}

function waitForPath(child: Child, file: string): Promise<true> {
  return waitFor(
    () => `${file}; ${child.over ?? 'still running'}: ${child.stderr.join('\n')}`,
    () => existsSync(file) || undefined,
  );
}
