/** A reading that was asked for, as programs and people get it: plain JSON. */
import type { ReadResult } from '../core/commands.ts';
import type { ReadReply } from './target.ts';
import { tellSample } from './tell-sample.ts';
import { frameOf } from './wire-access.ts';

/** @param offset from monotonic to UTC, ms */
export function readReply({ device, samples, faults, frames }: ReadResult, offset: number): ReadReply {
  const readings: ReadReply['readings'][number][] = [];
  for (const sample of samples)
    tellSample(sample, offset, (item) => {
      if (item.type !== 'reading') return;
      const { type: _, device: __, ...reading } = item;
      readings.push(reading);
    });
  return { device, readings, faults, ...(frames === undefined ? {} : { frames: frames.map((f) => frameOf(f, offset)) }) };
}
