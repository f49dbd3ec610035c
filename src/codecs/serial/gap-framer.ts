/** Blocks of one length that only a pause tells apart: the first `length` bytes after a pause are a frame. */
import { Skipped } from './skipped.ts';
import type { FixedFrame, Frame, Framer } from './types.ts';
import { MAX_FRAME } from './types.ts';

export class GapFramer implements Framer {
  readonly skipped = new Skipped();
  readonly crcErrors = 0;
  private readonly block: Uint8Array;
  private readonly gap: number;
  private length = 0;
  private lastAt: number;
  /** The block of this burst was given out (or its beginning was missed): wait for the next pause. */
  private done = true;

  constructor(config: FixedFrame & { readonly gap: number }) {
    this.block = new Uint8Array(Math.min(config.length, MAX_FRAME));
    this.gap = config.gap;
    this.lastAt = Number.NEGATIVE_INFINITY;
  }

  push(chunk: Uint8Array, at: number): Frame[] {
    if (chunk.length === 0) return [];
    if (at - this.lastAt >= this.gap) {
      this.skipped.half(this.length);
      this.length = 0;
      this.done = false;
    }
    this.lastAt = at;
    const taken = this.done ? 0 : Math.min(chunk.length, this.block.length - this.length);
    this.block.set(chunk.subarray(0, taken), this.length);
    this.length += taken;
    const whole = !this.done && this.length === this.block.length;
    if (whole) this.skipped.found();
    this.skipped.add(chunk.length - taken);
    if (!whole) return [];
    this.done = true;
    this.length = 0;
    const bytes = this.block.slice();
    return [{ bytes, payload: bytes, at }];
  }

  reset(at: number): void {
    this.skipped.half(this.length);
    this.length = 0;
    this.done = true;
    this.lastAt = at;
  }

  quietIn(at: number): number | undefined {
    return this.length === 0 ? undefined : Math.max(0, this.gap - (at - this.lastAt));
  }

  restart(at: number): void {
    // The rest of a block that is under way belongs to what was asked before.
    const isUnderWay = (this.quietIn(at) ?? 0) > 0;
    this.reset(isUnderWay ? this.lastAt : Number.NEGATIVE_INFINITY);
  }
}
