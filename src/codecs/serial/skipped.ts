/** Bytes that belong to no frame, and the stretches that they form. */
export class Skipped {
  bytes = 0;
  /** Stretches between two frames: how often the gateway had to look for the start of a frame again. */
  stretches = 0;
  /** Frames that began and never got whole, or whose beginning was missed. */
  halves = 0;
  private lost = false;

  add(bytes: number): void {
    if (bytes <= 0) return;
    this.bytes += bytes;
    if (!this.lost) this.stretches++;
    this.lost = true;
  }

  /** Counts the bytes of a frame of which the rest will not come. */
  half(bytes: number): void {
    if (bytes <= 0) return;
    this.halves++;
    this.add(bytes);
  }

  /** A frame was found: what is skipped after it is another stretch. */
  found(): void {
    this.lost = false;
  }
}
