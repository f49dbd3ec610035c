/** Stretches without a reading of a point, much longer than its usual distance of readings. */

/** A gap is so many times longer than the usual distance, and at least so long (ms). */
const TIMES = 5;
const LEAST = 60_000;
/** Distances that are looked at before anything is called a gap. */
const LEARN = 4;
/** Gaps that are kept; others are counted. */
const KEPT = 50;

export interface Gap {
  readonly point: string;
  readonly from: number;
  readonly to: number;
}

interface Track {
  last: number;
  /** Follows the median of the distances. */
  usual: number;
  count: number;
}

/** Bounded: three numbers for each point, and KEPT gaps. */
export class Gaps {
  readonly kept: Gap[] = [];
  count = 0;
  readonly #tracks = new Map<string, Track>();

  take(point: string, time: number): void {
    const track = this.#tracks.get(point);
    if (track === undefined) {
      this.#tracks.set(point, { last: time, usual: 0, count: 0 });
      return;
    }
    const distance = time - track.last;
    if (distance <= 0) return;
    if (track.count >= LEARN && distance >= LEAST && distance > TIMES * track.usual) {
      this.count++;
      if (this.kept.length < KEPT) this.kept.push({ point, from: track.last, to: time });
    } else if (track.count === 0) track.usual = distance;
    else track.usual *= distance > track.usual ? 1.1 : 1 / 1.1;
    track.count++;
    track.last = time;
  }
}
