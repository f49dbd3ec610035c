/** What holds from which number of this run on: clock mapping, inventory revision. Both are short lists. */
import type { ClockSegment } from './layout.ts';

/** Revisions remembered: a reload makes one, and only records in memory ask. */
const MAX_REVISIONS = 64;

/** The mappings of this boot. One counts only once it is committed (contract, rule 8). */
export class ClockBook {
  #segments: ClockSegment[] = [];
  #committed = 0;
  /** Grows with every change: what was read from the file under an older one may have the wrong time. */
  version = 0;

  get all(): readonly ClockSegment[] {
    return this.#segments;
  }
  get last(): ClockSegment | undefined {
    return this.#segments.at(-1);
  }
  /** Numbers below this one have the mapping that the file has. */
  get settledBelow(): number {
    return this.#segments[this.#committed]?.fromSeq ?? Number.POSITIVE_INFINITY;
  }
  /** What a commit that begins now has to write. */
  get pending(): readonly ClockSegment[] {
    return this.#segments.slice(this.#committed);
  }

  /** @param handed highest number that anybody handed over; -1 for the first mapping, which holds from the start */
  set(offset: number, estimated: boolean, handed: number): ClockSegment {
    const fromSeq = this.#segments.length === 0 ? 0 : handed + 1;
    const segment = { fromSeq, offset, estimated };
    // Nothing was handed over under the one before: it never held.
    while ((this.#segments.at(-1)?.fromSeq ?? -1) >= fromSeq) this.#segments.pop();
    this.#segments.push(segment);
    this.version++;
    this.#committed = Math.min(this.#committed, this.#segments.length - 1);
    return segment;
  }

  /** The mapping of a number; undefined while it is not committed. */
  of(seq: number): ClockSegment | undefined {
    for (let i = this.#segments.length - 1; i >= 0; i--) {
      const segment = this.#segments[i] as ClockSegment;
      if (segment.fromSeq <= seq) return i < this.#committed ? segment : undefined;
    }
    return undefined;
  }

  /** A commit wrote these. */
  committed(segments: readonly ClockSegment[]): void {
    const last = segments.at(-1);
    const index = last === undefined ? -1 : this.#segments.indexOf(last);
    if (index >= 0) this.#committed = Math.max(this.#committed, index + 1);
  }
}

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
