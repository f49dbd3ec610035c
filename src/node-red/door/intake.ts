/**
 * The lines that a client sent and that wait for their turn. Invariants:
 * - the lines of one read wait, and the socket is paused meanwhile;
 * - lines are worked on for TURN ms at a time and IN_SECOND ms in a second, whatever comes: polls and alarms go on;
 * - while the client does not take what it was sent, no further line is worked on.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import { Lines } from '../lines.ts';
import * as limits from './limits.ts';

export interface IntakeSide {
  readonly clock: Clock;
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
  /** Milliseconds of this second. */
  #used = 0;
  #cancelSecond: (() => void) | undefined;

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
    this.#cancelSecond?.();
  }

  /** Goes on where it stopped, for one turn. */
  work(): void {
    if (this.#working || this.#closed) return;
    this.#working = true;
    const { clock, socket, isBehind, take } = this.#s;
    const begin = clock.monotonic();
    let now = begin;
    while (this.#next < this.#waiting.length && !this.#isClosed() && !isBehind() && now - begin < limits.TURN) {
      if (this.#used + now - begin >= limits.IN_SECOND) break;
      const line = this.#waiting[this.#next++] as string;
      take(line);
      now = clock.monotonic();
    }
    this.#used += now - begin;
    this.#working = false;
    if (this.#isClosed()) return;
    this.#cancelSecond ??= clock.after(1000, () => this.#secondOver());
    if (this.#next >= this.#waiting.length) {
      this.#waiting = [];
      this.#next = 0;
      if (socket.isPaused()) socket.resume();
      return;
    }
    socket.pause();
    if (isBehind() || this.#used >= limits.IN_SECOND || this.#resting) return;
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

  #secondOver(): void {
    this.#cancelSecond = undefined;
    const held = this.#used >= limits.IN_SECOND;
    this.#used = 0;
    if (held) this.work();
  }
}
