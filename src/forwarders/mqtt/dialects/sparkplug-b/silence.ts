/** Which devices have been silent for so long that they count as dead. */

/** Batches of current readings without a word of a device: one may lack a device that is asked more slowly. */
const SILENT_BATCHES = 2;
/** Devices whose silence is counted. */
const MOST_DEVICES = 10_000;

export class Silence {
  readonly #batches = new Map<string, number>();

  /** @param up the batch has something that the device said itself */
  heard(device: string, up: boolean): void {
    if (up) this.#batches.delete(device);
    else if (this.#batches.has(device) || this.#batches.size < MOST_DEVICES)
      this.#batches.set(device, Math.min(SILENT_BATCHES, (this.#batches.get(device) ?? 0) + 1));
  }
  isDown(device: string): boolean {
    return (this.#batches.get(device) ?? 0) >= SILENT_BATCHES;
  }
}
