/** An ext4 in memory that is given another content and mounted many times, in a few milliseconds each. It needs root. */
import { closeSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { pythonPeer } from '../peers/peers.ts';
import { type Child, startChild } from './child.ts';
import { mountPoint, run } from './loop-disk.ts';
import { scratch } from './scratch.ts';
import { waitFor } from './wait-for.ts';

interface Device {
  readonly fd: number;
  readonly mounter: Child;
  asked: number;
}

export class ImageDisk {
  /** Where it is mounted. */
  readonly folder: string;
  readonly #make: () => Device;
  #device: Device;

  /** @param make another device, for when a program with mounts of its own holds a copy of ours */
  constructor(folder: string, make: () => Device) {
    this.folder = folder;
    this.#make = make;
    this.#device = make();
  }

  /** The disk holds the image and is mounted while `use` runs. */
  async with<R>(image: Uint8Array, use: (folder: string) => Promise<R>): Promise<R> {
    const { fd } = this.#device;
    for (let done = 0; done < image.length; ) done += writeSync(fd, image, done, image.length - done, done);
    await this.#ask('mount');
    try {
      return await use(this.folder);
    } finally {
      if ((await this.#ask('unmount')) === 'busy') this.#device = this.#make();
    }
  }

  async #ask(what: 'mount' | 'unmount'): Promise<string> {
    const { mounter } = this.#device;
    const line = this.#device.asked++;
    mounter.write(what);
    const answer = await waitFor(
      () => `${what} of ${this.folder}: ${mounter.over ?? 'no answer'}: ${mounter.stderr.join('\n')}`,
      () => mounter.stdout[line],
      { every: 1 },
    );
    if (answer === 'ok' || (answer === 'busy' && what === 'unmount')) return answer;
    throw new Error(`${what} of ${this.folder}: ${answer}`);
  }
}

/** @returns undefined after the test was marked as skipped */
export function imageDisk(t: TestContext, size: number): ImageDisk | undefined {
  const python = pythonPeer(t, 'ctypes', 'apt-get install -y python3');
  if (python === undefined) return undefined;
  const folder = mountPoint(t, 'image');
  const helper = path.join(import.meta.dirname, 'mount-again.py');
  return new ImageDisk(folder, () => {
    const file = path.join(scratch(t, 'image', '/dev/shm'), 'disk.img');
    const fd = openSync(file, 'w+');
    writeSync(fd, Buffer.alloc(size));
    const loop = run('losetup', '-f', '--show', file);
    t.after(() => {
      closeSync(fd);
      run('losetup', '-d', loop);
    });
    return { fd, mounter: startChild(t, python, [helper, loop, folder], { stdin: true }), asked: 0 };
  });
}
