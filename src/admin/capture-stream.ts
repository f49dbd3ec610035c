/**
 * One reader of `/api/v1/capture`: a head, then every frame. It never holds up the bus: while it does not keep up, frames
 * are left out, and a line `{"type":"missed","frames":…}` says how many. Bound: CAPTURE_UNSENT.
 */
import type { Writable } from 'node:stream';
import { CAPTURE_UNSENT } from './limits.ts';
import type { CaptureHead, WireFrame } from './wire-target.ts';

export class CaptureStream {
  readonly #out: Writable;
  #missed = 0;
  #behind = false;

  constructor(out: Writable) {
    this.#out = out;
  }

  begin(head: CaptureHead): void {
    this.#out.write(`${JSON.stringify(head)}\n`);
  }

  push(frame: WireFrame): void {
    if (this.#behind) {
      this.#missed++;
      return;
    }
    this.#out.write(`${JSON.stringify(frame)}\n`);
    if (this.#out.writableLength < CAPTURE_UNSENT) return;
    this.#behind = true;
    this.#out.once('drain', () => {
      this.#behind = false;
      if (this.#missed > 0) this.#out.write(`${JSON.stringify({ type: 'missed', frames: this.#missed })}\n`);
      this.#missed = 0;
    });
  }
}
