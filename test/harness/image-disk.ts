/** An ext4 in memory that is given another content and mounted many times, in a few milliseconds each. It needs root. */
import { closeSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { pythonPeer } from '../peers/peers.ts';
import { type Child, startChild } from './child.ts';
import { mountPoint, run } from './loop-disk.ts';
import { scratch } from './scratch.ts';
import { waitFor } from './wait-for.ts';

export class ImageDisk {
  /** Where it is mounted. */
  readonly folder: string;
  readonly #fd: number;
  readonly #mounter: Child;
  #asked = 0;

  constructor(folder: string, fd: number, mounter: Child) {
    this.folder = folder;
    this.#fd = fd;
    this.#mounter = mounter;
  }

  /** The disk holds the image and is mounted while `use` runs. */
  async with<R>(image: Uint8Array, use: (folder: string) => Promise<R>): Promise<R> {
    for (let done = 0; done < image.length; ) done += writeSync(this.#fd, image, done, image.length - done, done);
    await this.#ask('mount');
    try {
      return await use(this.folder);
    } finally {
      await this.#ask('unmount');
    }
  }

  async #ask(what: 'mount' | 'unmount'): Promise<void> {
    const line = this.#asked++;
    this.#mounter.write(what);
    const { stdout } = this.#mounter;
    const fault = await waitFor(
      () => `${what} of ${this.folder}: ${this.#mounter.over ?? 'no answer'}: ${this.#mounter.stderr.join('\n')}`,
      () => stdout[line],
      { every: 1 },
    );
    if (fault !== 'ok') throw new Error(`${what} of ${this.folder}: ${fault}`);
  }
}

/** @returns undefined after the test was marked as skipped */
export function imageDisk(t: TestContext, size: number): ImageDisk | undefined {
  const python = pythonPeer(t, 'ctypes', 'apt-get install -y python3');
  if (python === undefined) return undefined;
  const folder = mountPoint(t, 'image');
  const file = path.join(scratch(t, 'image', '/dev/shm'), 'disk.img');
  const fd = openSync(file, 'w+');
  writeSync(fd, Buffer.alloc(size));
  const loop = run('losetup', '-f', '--show', file);
  t.after(() => {
    closeSync(fd);
    run('losetup', '-d', loop);
  });
  const helper = path.join(import.meta.dirname, 'mount-again.py');
  return new ImageDisk(folder, fd, startChild(t, python, [helper, loop, folder], { stdin: true }));
}
