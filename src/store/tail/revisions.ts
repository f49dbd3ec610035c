/** Which revision of the inventory holds from which number of this run on: a short list. */

/** Revisions remembered: a reload makes one, and only records in memory ask. */
const MAX_REVISIONS = 64;

export class Revisions {
  #entries: { from: number; revision: number }[] = [];

  set(from: number, revision: number): void {
    this.#entries.push({ from, revision });
    if (this.#entries.length > MAX_REVISIONS) this.#entries.shift();
  }
  of(seq: number): number {
    return (this.#entries.findLast((e) => e.from <= seq) ?? this.#entries[0])?.revision ?? 0;
  }
}
