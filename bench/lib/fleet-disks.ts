/**
 * Disks of nodes that lose their power: each records what reaches it (test/harness/recording-disk.ts). What lay in the memory of the
 * kernel is gone after a cut, and of what the disk had and did not flush, a random part. It needs root.
 */
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { seeded } from '../../src/core/seeded.ts';
import { Cuts, type RecordingDisk, recordingDisk } from '../../test/harness/recording-disk.ts';
import type { Workspace } from './workspace.ts';

/** Megabytes of the disk of a node: in the memory of its process, and once more when it is cut. */
const SIZE = Number(process.env.SLUICE_FLEET_DISK_MB ?? 256);

interface Owner {
  readonly store: string;
}

export class FleetDisks {
  readonly #test: TestContext;
  readonly #disks = new Map<Owner, RecordingDisk>();
  readonly #random = seeded(11);

  constructor(space: Workspace) {
    this.#test = space.asTest;
  }

  /** Its files are on a disk of its own from now on. */
  async give(node: Owner, image?: Buffer): Promise<void> {
    const disk = await recordingDisk(this.#test, SIZE, image);
    if (disk === undefined) throw new Error('no disk');
    this.#disks.set(node, disk);
    const files = path.join(disk.folder, 'files');
    mkdirSync(files, { recursive: true });
    rmSync(node.store, { recursive: true, force: true });
    symlinkSync(files, node.store);
  }

  /** The moment at which the power goes, of all disks at once. */
  moment(nodes: readonly Owner[]): ReadonlyMap<Owner, number> {
    return new Map(nodes.map((node) => [node, (this.#disks.get(node) as RecordingDisk).moment]));
  }

  /**
   * What the disk of a node that runs no more holds after a cut at this moment, on a new disk.
   * @returns writes that were lost, at least in part
   */
  async cut(node: Owner, moment: number): Promise<number> {
    const disk = this.#disks.get(node) as RecordingDisk;
    await disk.stop();
    const { image, lost } = new Cuts(disk.entries(), disk.size, this.#firsts.get(node)).at(moment, this.#random);
    const left = Buffer.from(image);
    this.#firsts.set(node, left);
    await this.give(node, left);
    return lost;
  }
  /** What was on a disk at first. */
  readonly #firsts = new Map<Owner, Buffer>();
}
