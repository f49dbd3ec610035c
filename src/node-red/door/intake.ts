/**
 * The lines that a client sent and that wait for their turn. Invariants:
 * - the lines of one read wait, and the socket is paused meanwhile;
 * - lines are worked on as far as the share of the client goes (work-share.ts), whatever comes: polls and alarms go on;
 * - while the client does not take what it was sent, no further line is worked on.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import { Lines } from '../lines.ts';
import * as limits from './limits.ts';
import type { WorkShare } from './work-share.ts';

export interface IntakeSide {
  readonly clock: Clock;
  readonly share: WorkShare;
  readonly socket: Pick<Socket, 'pause' | 'resume' | 'isPaused'>;
  readonly take: (line: string) => void;
  /** A line had more than LONGEST_IN bytes. */
  readonly tooLong: () => void;
  /** The client has not taken what it was sent. */
  readonly isBehind: () => boolean;
}

export class Intake {
  readonly #s: IntakeSide;
  readonly #lines: Lines;
  #waiting: string[] = [];
  #next = 0;
  #closed = false;
  #working = false;
  #resting = false;

  constructor(side: IntakeSide) {
    this.#s = side;
    this.#lines = new Lines(limits.LONGEST_IN, (line) => this.#waiting.push(line));
  }

  push(chunk: Buffer): void {
    // A chunk that was under way when the intake closed is not kept.
    if (this.#closed) return;
    this.#lines.push(chunk);
    if (this.#lines.cut > 0) {
      this.#waiting = [];
      this.#s.tooLong();
    } else this.work();
  }

  /** No further line is taken. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
  }

  /** Goes on where it stopped, for one turn. */
  work(): void {
    if (this.#working || this.#closed) return;
    this.#working = true;
    const { clock, share, socket, isBehind, take } = this.#s;
    const turn = share.turn();
    const begin = clock.monotonic();
    let now = begin;
    while (this.#next < this.#waiting.length && !this.#isClosed() && !isBehind() && now - begin < turn) {
      const line = this.#waiting[this.#next++] as string;
      take(line);
      now = clock.monotonic();
    }
    this.#working = false;
    if (this.#isClosed()) return;
    share.spent(now - begin);
    if (this.#next >= this.#waiting.length) {
      this.#waiting = [];
      this.#next = 0;
      if (socket.isPaused()) socket.resume();
      return;
    }
    socket.pause();
    if (isBehind() || this.#resting || share.turn() === 0) return;
    this.#resting = true;
    setImmediate(() => {
      this.#resting = false;
      this.work();
    });
  }

  /** A line that was taken may have closed it. */
  #isClosed(): boolean {
    return this.#closed;
  }
}
