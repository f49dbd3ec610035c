/**
 * A serial talker without its port: bytes in, samples out. It never throws on what the wire brings.
 * One shape for the device; with NMEA one for each sentence that points ask for.
 */
import type { Sample, Shape } from '../../core/point.ts';
import { type CounterMemory, CounterStates } from '../counter.ts';
import { createFramer } from './framer.ts';
import { NmeaTime } from './nmea-time.ts';
import { createDecoder, PointGroups } from './point-groups.ts';
import type { Decoder, FrameConfig, Framer, TalkerConfig } from './types.ts';

/** An NMEA sentence begins at its `$`, whatever noise stands before it in the line. */
export function framingOf({ frame, decode }: Pick<TalkerConfig, 'frame' | 'decode'>): FrameConfig {
  return frame.type === 'line' && decode.type === 'nmea' && frame.start === undefined ? { ...frame, start: '$' } : frame;
}

export interface TalkerCounters {
  /** Frames that gave a sample. */
  frames: number;
  /** Frames with a right form that no point of ours asks for. */
  otherFrames: number;
  crcErrors: number;
  badFrames: number;
  skippedBytes: number;
  /** Stretches of skipped bytes. */
  resyncs: number;
  /** Frames that began and never got whole, or whose beginning was missed. */
  halfFrames: number;
}

export class Talker {
  readonly shapes: readonly Shape[];
  private readonly framer: Framer;
  private readonly decoder: Decoder;
  private readonly binary: boolean;
  private readonly time: NmeaTime | undefined;
  private readonly onTime: ((utc: number, at: number) => void) | undefined;
  private readonly groups: PointGroups;
  private readonly counts = { frames: 0, otherFrames: 0, crcErrors: 0, badFrames: 0 };

  /**
   * @param onTime gets the time that an NMEA device gives, and when the sentence had arrived
   * @param counters what is known of the counters among the points
   * @throws SluiceError config-invalid for a pattern that is none
   */
  constructor(config: TalkerConfig, onTime?: (utc: number, at: number) => void, counters: CounterMemory = new CounterStates()) {
    this.framer = createFramer(framingOf(config));
    this.decoder = createDecoder(config);
    this.binary = config.decode.type === 'binary';
    this.time = onTime !== undefined && config.decode.type === 'nmea' ? new NmeaTime() : undefined;
    this.onTime = onTime;
    this.groups = new PointGroups(config, counters);
    this.shapes = this.groups.shapes;
  }

  /** @param at monotonic milliseconds at which the chunk arrived */
  push(chunk: Uint8Array, at: number): Sample[] {
    const samples: Sample[] = [];
    for (const frame of this.framer.push(chunk, at)) {
      const sample = this.decode(this.binary ? frame.bytes : frame.payload, frame.at);
      if (sample !== undefined) samples.push(sample);
    }
    return samples;
  }

  /** The port was opened (again): what came before belongs to nothing. */
  reset(at: number): void {
    this.framer.reset(at);
  }

  /** The device was asked: what it began to say before is worth nothing. @param at monotonic milliseconds; Infinity: long after it */
  restart(at: number): void {
    this.framer.restart(at);
  }

  /** As of a framer. */
  quietIn(at: number): number | undefined {
    return this.framer.quietIn(at);
  }

  get counters(): TalkerCounters {
    const { crcErrors, skipped } = this.framer;
    return {
      ...this.counts,
      crcErrors: this.counts.crcErrors + crcErrors,
      skippedBytes: skipped.bytes,
      resyncs: skipped.stretches,
      halfFrames: skipped.halves,
    };
  }

  private decode(frame: Uint8Array, at: number): Sample | undefined {
    const utc = this.time?.push(frame);
    if (utc !== undefined) this.onTime?.(utc, at);
    const decoded = this.decoder.decode(frame);
    if (decoded.kind === 'refused') {
      if (decoded.cause === 'crc') this.counts.crcErrors++;
      else this.counts.badFrames++;
      return undefined;
    }
    const sample = this.groups.read(decoded, at);
    if (sample === undefined) this.counts.otherFrames++;
    else this.counts.frames++;
    return sample;
  }
}
