/**
 * One side of a TCP connection as it takes data: how many acknowledgements leave it in segments of their own, at most. Pure.
 *
 * - An acknowledgement waits for data that carries it (RFC 9293, 3.8.6.3): on Linux 40 ms, where answers come soon.
 * - Every second segment is acknowledged at once.
 * - A side that has not answered soon acknowledges each segment at once. It waits after one such answer (tcp_pingpong_thresh of Linux),
 *   until a wait ends without data. Linux 5.1 to 5.19 may want three answers: two acknowledgements more for each connection.
 */

/** Milliseconds that an acknowledgement waits for data. */
const WAIT = 40;
/** Segments that one acknowledgement is for. */
const EVERY = 2;

export class Acknowledger {
  /** Its last answer came soon. */
  #soon = false;
  /** Segments that wait for an acknowledgement, and since when. */
  #waiting = 0;
  #since = 0;
  /** When the last segment came. */
  #took = Number.NEGATIVE_INFINITY;

  /** @param now ms @returns acknowledgements of its own */
  takes(segments: number, now: number): number {
    const late = this.waits(now);
    this.#took = now;
    if (!this.#soon) return late + segments;
    const waiting = this.#waiting + segments;
    if (this.#waiting === 0 || waiting >= EVERY) this.#since = now;
    this.#waiting = waiting % EVERY;
    return late + Math.floor(waiting / EVERY);
  }

  /**
   * It sends data. @param away ms that what it takes and what it sends are under way together; 0: it is this end
   * @returns acknowledgements that left before, of their own
   */
  sends(now: number, away = 0): number {
    const late = this.waits(now, away);
    this.#waiting = 0;
    if (now - this.#took < WAIT + away) this.#soon = true;
    return late;
  }

  /** It may still send nothing. @param away as in `sends` @returns as `sends` */
  waits(now: number, away = 0): number {
    if (this.#waiting === 0 || now - this.#since < WAIT + away) return 0;
    this.#waiting = 0;
    this.#soon = false;
    return 1;
  }
}
