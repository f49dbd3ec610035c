/**
 * Keeps the disk of the gateway from flows. There is no quota of the kernel for one folder on a common board, so it is watched:
 * - The folder of Node-RED is measured each minute, and sooner where the free space fell by what the folder may still grow.
 * - The free space and the free files of the disk are looked at each second. They do not depend on what a flow hides, or where.
 * - Beyond a bound the flows are stopped (`full`), and stay stopped until there is room (`room`).
 * - A spare file (spare-file.ts) gives the log room where a flow was faster than the watch.
 * Nothing here throws, and a disk that hangs holds up nothing but the next look.
 */
import { statfs } from 'node:fs/promises';
import type { Clock } from '../core/clock.ts';
import type { FlowDisk } from '../core/flow-supervisor.ts';
import { formatSize } from '../core/units.ts';
import { DEEPEST, type FolderSize, folderSize, MOST_ENTRIES } from './folder-size.ts';
import { SpareFile } from './spare-file.ts';

/** Milliseconds. */
const LOOK_EVERY = 1000;
const MEASURE_EVERY = 60_000;
/** Between two walks, whatever happens. */
const MEASURE_LEAST = 2000;
const REST = 20;
/** The share of the bound from which a person is warned, and below which stopped flows may start again. */
const WARN = 0.8;
const RESUME = 0.9;
/** The folder never has more of its file system than this. */
const SHARE = 0.25;
/** Free files of the file system below which flows stop: a share of all. */
const FEW_FILES = 0.02;
/** Where the log leaves nothing free: the spare file is no larger than this, and than this share of the disk. */
const LEAST_SPARE = 16 * 1024 ** 2;
const SPARE_SHARE = 1 / 32;

export interface DiskBounds {
  /** The folder of Node-RED. */
  readonly folder: string;
  /** Whether this process can look into it. Otherwise Node-RED itself reports its size. */
  readonly readable: boolean;
  /** Bytes: `nodeRed.disk`. */
  readonly most: number;
}

export interface DiskWatchOptions {
  readonly clock: Clock;
  readonly stateDir: string;
  /** Bytes: `buffer.minFree`. */
  readonly minFree: () => number;
  /** Flows run, or may run. A process without its flows fills no disk. */
  readonly flowing: () => boolean;
  /** @param urgent the disk is nearly full: the process is killed @param why completes "flows are stopped because …" */
  readonly full: (why: string, urgent: boolean) => void;
  readonly space: () => void;
  readonly warn: (message: string) => void;
}

interface Fault {
  readonly what: 'folder' | 'space' | 'files';
  readonly why: string;
  readonly urgent: boolean;
}

interface Space {
  readonly free: number;
  readonly size: number;
  readonly freeFiles: number;
  readonly files: number;
}

export class DiskWatch {
  readonly #o: DiskWatchOptions;
  readonly #spare: SpareFile;
  #bounds: DiskBounds | undefined;
  #cancel: (() => void) | undefined;
  #round = 0;
  #looked: Promise<void> = Promise.resolve();
  #size: FolderSize | undefined;
  #space: Space | undefined;
  /** When the last walk was, and the free space then. */
  #measuredAt = Number.NEGATIVE_INFINITY;
  #freeThen = 0;
  #full: Fault | undefined;
  #warned = false;
  #held = 0;

  constructor(options: DiskWatchOptions) {
    this.#o = options;
    this.#spare = new SpareFile(options.stateDir);
  }

  /** The first look is over: nothing starts before it knows whether there is room. */
  get looked(): Promise<void> {
    return this.#looked;
  }

  /** Watches from now on; `undefined`: no longer. Never rejects. */
  set(bounds: DiskBounds | undefined): Promise<void> {
    this.#looked = this.#set(bounds);
    return this.#looked;
  }

  async #set(bounds: DiskBounds | undefined): Promise<void> {
    const before = this.#bounds;
    this.#bounds = bounds;
    this.#cancel?.();
    this.#round++;
    if (bounds?.folder !== before?.folder) this.#size = undefined;
    this.#measuredAt = Number.NEGATIVE_INFINITY;
    if (bounds === undefined) {
      this.#full = undefined;
      this.#space = undefined;
      if (before !== undefined) await this.#release();
      return;
    }
    await this.#look(this.#round);
  }

  /** What the process says that its folder takes. */
  reported(bytes: number): void {
    if (this.#bounds?.readable !== false) return;
    this.#size = { bytes, entries: 0 };
    this.#judge();
  }

  /** The process is gone: what it filled stays filled, so the log gets the spare room. */
  ended(): void {
    if (this.#full?.urgent === true) void this.#release();
  }

  status(): FlowDisk | undefined {
    const bounds = this.#bounds;
    if (bounds === undefined) return undefined;
    return {
      used: this.#size?.bytes,
      most: this.#bound(bounds),
      free: this.#space?.free,
      spare: Math.max(0, this.#held),
      full: this.#full?.why,
    };
  }

  async #look(round: number): Promise<void> {
    const bounds = this.#bounds;
    if (bounds === undefined || round !== this.#round) return;
    const now = (): number => this.#o.clock.monotonic();
    this.#space = (await spaceOf(this.#o.stateDir)) ?? this.#space;
    if (bounds.readable && this.#isDue(bounds, now())) {
      this.#measuredAt = now();
      this.#freeThen = this.#space?.free ?? 0;
      const most = this.#bound(bounds);
      const rest = (): Promise<void> => this.#after(REST);
      // The folder may not be there yet.
      const size = await folderSize(bounds.folder, { most, now, rest }).catch(() => undefined);
      if (round !== this.#round) return;
      if (size?.ended !== 'time' || this.#size === undefined) this.#size = size ?? { bytes: 0, entries: 0 };
    }
    if (round !== this.#round) return;
    this.#judge();
    await this.#keepSpare();
    if (round === this.#round) this.#cancel = this.#o.clock.after(LOOK_EVERY, () => void this.#look(round));
  }

  /** The folder cannot have grown by more than the free space fell, unless something else was removed meanwhile. */
  #isDue(bounds: DiskBounds, now: number): boolean {
    const since = now - this.#measuredAt;
    if (since >= MEASURE_EVERY || this.#size === undefined) return true;
    if (since < MEASURE_LEAST) return false;
    const moved = (this.#space?.free ?? 0) - this.#freeThen;
    const left = Math.max(0, this.#bound(bounds) - this.#size.bytes);
    return this.#full === undefined ? -moved > left / 2 : moved > this.#bound(bounds) / 50;
  }

  #judge(): void {
    const bounds = this.#bounds;
    if (bounds === undefined) return;
    const full = this.#spaceFault(1) ?? this.#folderFault(bounds, 1);
    const before = this.#full;
    if (full !== undefined) {
      // One reason stays as it was given first, although its figures change each second.
      if (before?.what !== full.what) {
        this.#full = full;
        this.#o.full(full.why, full.urgent);
      }
      if (full.urgent && !this.#o.flowing()) void this.#release();
      return;
    }
    if (before !== undefined) {
      if (this.#spaceFault(1.5) !== undefined || this.#folderFault(bounds, RESUME) !== undefined) return;
      this.#full = undefined;
      this.#o.space();
    }
    this.#warnNear(bounds);
  }

  #warnNear(bounds: DiskBounds): void {
    const [used, bound] = [this.#size?.bytes ?? 0, this.#bound(bounds)];
    if (used < bound * WARN) {
      this.#warned &&= used >= bound * (WARN - 0.1);
      return;
    }
    if (this.#warned) return;
    this.#warned = true;
    this.#o.warn(
      `The folder of Node-RED takes ${inMB(used)} of ${inMB(bound)}; beyond that flows are stopped. Remove files from ${bounds.folder}, or raise nodeRed.disk.`,
    );
  }

  #folderFault(bounds: DiskBounds, share: number): Fault | undefined {
    const [size, bound] = [this.#size, this.#bound(bounds)];
    if (size === undefined) return undefined;
    const rule =
      bound < bounds.most ? `a quarter of its file system is ${inMB(bound)}` : `nodeRed.disk allows ${formatSize(bounds.most)}`;
    const words =
      size.ended === 'entries' || size.entries > MOST_ENTRIES * share
        ? `its folder holds more than ${MOST_ENTRIES.toLocaleString('en')} files`
        : size.ended === 'depth'
          ? `its folder holds folders nested deeper than ${DEEPEST}`
          : size.bytes > bound * share
            ? `its folder takes more than it may: ${rule}`
            : undefined;
    return words === undefined
      ? undefined
      : { what: 'folder', why: `${words}; remove files from ${bounds.folder}`, urgent: false };
  }

  #spaceFault(factor: number): Fault | undefined {
    if (this.#space === undefined) return undefined;
    const { free, size, freeFiles, files } = this.#space;
    const where = `where ${this.#o.stateDir} lies`;
    // What the log got from the spare file is not room for flows.
    const lent = factor === 1 || this.#held > 0 ? 0 : spareOf(this.#o.minFree(), size);
    if (free < lowOf(this.#o.minFree(), size) * factor + lent)
      return {
        what: 'space',
        why: `the disk is nearly full: ${inMB(free)} of ${inMB(size)} are free ${where}, and the log needs them; make room there`,
        urgent: true,
      };
    if (files > 0 && freeFiles < files * FEW_FILES * factor)
      return {
        what: 'files',
        why: `the disk holds nearly as many files as it can: ${freeFiles} of ${files} are left ${where}; remove files there`,
        urgent: true,
      };
    return undefined;
  }

  async #keepSpare(): Promise<void> {
    const space = this.#space;
    if (space === undefined || this.#full !== undefined || this.#held > 0) return;
    const bytes = spareOf(this.#o.minFree(), space.size);
    if (space.free < 2 * bytes) return;
    // -1: this file system cannot; it is not asked again until the next configuration.
    if (this.#held === 0) this.#held = (await this.#spare.make(bytes)) || -1;
  }

  async #release(): Promise<void> {
    this.#held = 0;
    await this.#spare.release();
  }

  #bound({ most }: DiskBounds): number {
    return this.#space === undefined ? most : Math.min(most, this.#space.size * SHARE);
  }

  #after(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#o.clock.after(ms, resolve);
    return promise;
  }
}

/** Half of what the log leaves free (store/archive/tiers.ts), so that a log that fills its disk stops no flow. */
function lowOf(minFree: number, size: number): number {
  return Math.max(Math.min(minFree, size / 10) / 2, Math.min(4 * 1024 ** 2, size / 20));
}

/** What the log leaves free: given free, it brings the log back to where it was. */
function spareOf(minFree: number, size: number): number {
  return Math.floor(Math.max(Math.min(minFree, size / 10), Math.min(LEAST_SPARE, size * SPARE_SHARE)));
}

async function spaceOf(folder: string): Promise<Space | undefined> {
  try {
    const { bavail, blocks, bsize, ffree, files } = await statfs(folder);
    return { free: bavail * bsize, size: blocks * bsize, freeFiles: ffree, files };
  } catch {
    return undefined;
  }
}

function inMB(bytes: number): string {
  return formatSize(Math.round(bytes / 1024 ** 2) * 1024 ** 2);
}
