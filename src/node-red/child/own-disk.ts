/** The folder of a service is closed to the gateway, so the process measures it. A flow can forge that; the free space it cannot. */
import { folderSize } from '../folder-size.ts';

/** Between two walks, ms. */
const EVERY = 30_000;
const REST = 20;

export class OwnDisk {
  readonly #folder: string;
  readonly #most: number;
  #bytes: number | undefined;
  #measuredAt = Number.NEGATIVE_INFINITY;
  #walks = false;

  constructor(folder: string, most: number) {
    this.#folder = folder;
    this.#most = most;
  }

  /** @returns what the last walk found; undefined before the end of the first one */
  read(): number | undefined {
    void this.#measure();
    return this.#bytes;
  }

  /** Never rejects. */
  async #measure(): Promise<void> {
    if (this.#walks || performance.now() - this.#measuredAt < EVERY) return;
    this.#walks = true;
    this.#measuredAt = performance.now();
    const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, REST));
    const size = await folderSize(this.#folder, { most: this.#most, now: () => performance.now(), rest }).catch(() => undefined);
    this.#walks = false;
    if (size === undefined) return;
    // More than can be counted is more than may be there.
    this.#bytes = size.ended === undefined ? size.bytes : Math.max(size.bytes, this.#most + 1);
  }
}
