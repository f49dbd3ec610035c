/** Reads a stream that may be written without end: beyond so many bytes in a second it is left alone until the second is over. */
import type { Readable } from 'node:stream';
import type { Clock } from '../core/clock.ts';

const SECOND = 1000;
/** Far more than any log has, and nothing for the processor. */
const MOST_IN_SECOND = 256 * 1024;

export function readPaced(stream: Readable, clock: Clock, take: (chunk: Buffer) => void): void {
  let used = 0;
  let over: (() => void) | undefined;
  stream.on('data', (chunk: Buffer) => {
    take(chunk);
    used += chunk.length;
    if (over === undefined)
      over = clock.after(SECOND, () => {
        used = 0;
        over = undefined;
        if (stream.isPaused()) stream.resume();
      });
    if (used > MOST_IN_SECOND) stream.pause();
  });
  stream.on('close', () => over?.());
}
