/**
 * From a byte stream to frames. Invariants of every framer:
 * - however the stream is cut into chunks, the same frames come out;
 * - every byte is part of a frame, of a terminator or of an empty line, still waiting, or counted in `skipped`;
 * - memory is bounded when it is made (twice MAX_FRAME at most), whatever arrives;
 * - a frame with a wrong checksum is never given out, and costs nothing that follows it.
 */
import { BlockFramer } from './block-framer.ts';
import { GapFramer } from './gap-framer.ts';
import { LineFramer } from './line-framer.ts';
import type { FrameConfig, Framer } from './types.ts';

export function createFramer(config: FrameConfig): Framer {
  switch (config.type) {
    case 'line':
      return new LineFramer(config);
    case 'bytes':
      return new BlockFramer(config);
    case 'length': {
      const { start, gap } = config;
      if (start !== undefined) return new BlockFramer({ ...config, start });
      return new GapFramer({ ...config, gap: gap ?? 0 });
    }
  }
}
