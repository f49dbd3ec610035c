/** How long a device takes to answer, and how long it is worth waiting for it. Milliseconds. */

/** The newest replies: enough for the 95th percentile. */
const KEPT = 64;
/** The slowest of so many newest replies decides the time-out. */
const RECENT = 16;
/** Times the slowest reply; Victron's Venus OS waits as long after a scan. */
const FACTOR = 4;
/** Replies needed before it is known how long the device usually takes; of them the fastest part that counts. */
const TYPICAL = { replies: 16, part: 0.2 };
/** Replies needed before the time-out follows them. */
const LEARN = 4;
/** The least time-out, whatever was measured: a busy board or a slow adapter may hold a reply back so long. */
const LEAST = 500;

export class Latency {
  #last = 0;
  #most = 0;
  #sum = 0;
  #count = 0;
  readonly #ring = new Float64Array(KEPT);
  /** Time-outs in a row: each doubles the wait. */
  #inVain = 0;

  /** @param wire what of it the bytes took on the wire alone */
  answered(latency: number, wire: number): void {
    this.#last = latency;
    if (latency > this.#most) this.#most = latency;
    this.#sum += latency;
    this.#ring[this.#count++ % KEPT] = Math.max(0, latency - wire);
    this.#inVain = 0;
  }

  timedOut(): void {
    this.#inVain = Math.min(this.#inVain + 1, 16);
  }

  /** How long to wait for a reply, the time of its bytes not counted. @param most upper bound */
  timeout(most: number): number {
    if (this.#count < LEARN) return most;
    let slowest = 0;
    for (let i = 1; i <= Math.min(RECENT, this.#count); i++)
      slowest = Math.max(slowest, this.#ring[(this.#count - i) % KEPT] as number);
    return Math.min(most, Math.max(LEAST, FACTOR * slowest) * 2 ** this.#inVain);
  }

  /**
   * How long it takes while nothing holds a reply back, without the bytes on the wire: a low percentile of the newest replies.
   * undefined while too few came, and where they come sooner than their bytes could: then the line is not as it is said to be (a
   * converter with another baud rate behind it), and what is left says nothing.
   */
  get typical(): number | undefined {
    if (this.#count < TYPICAL.replies) return undefined;
    const sorted = this.#ring.slice(0, Math.min(this.#count, KEPT)).sort();
    return sorted[Math.ceil(sorted.length * TYPICAL.part) - 1] || undefined;
  }

  /** Latencies of whole exchanges, from writing the request to the last byte of the reply; `p95` is without the bytes on the wire. */
  get report(): { latencyLast: number; latencyMax: number; latencySum: number; latencyP95: number } {
    const n = Math.min(this.#count, KEPT);
    const sorted = this.#ring.slice(0, n).sort();
    const p95 = n === 0 ? 0 : (sorted[Math.ceil(n * 0.95) - 1] as number);
    return { latencyLast: this.#last, latencyMax: this.#most, latencySum: this.#sum, latencyP95: p95 };
  }
}
