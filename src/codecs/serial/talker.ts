/**
 * A serial talker without its port: bytes in, samples out. It never throws on what the wire brings.
 * One shape for the device; with NMEA one for each sentence that points ask for.
 */
import type { PointInfo, Sample, Shape, Value } from '../../core/point.ts';
import { storageOf } from '../../core/point.ts';
import { ABSENT, GOOD } from '../../core/reasons.ts';
import { type CounterMemory, CounterStates } from '../counter.ts';
import { fillTotals, shapeWithTotals, type Total, totalName, totalReader } from '../totals.ts';
import { BinaryDecoder } from './binary-decoder.ts';
import { createFramer } from './framer.ts';
import { NmeaDecoder } from './nmea.ts';
import { NmeaTime } from './nmea-time.ts';
import { CsvDecoder, JsonDecoder, KeyValueDecoder, RegexDecoder } from './text-decoders.ts';
import type { DecodeConfig, Decoder, FrameConfig, Framer, PointConfig, TalkerConfig } from './types.ts';
import { isScaled, scaled, toReading } from './values.ts';

/** Where a point stands in the frame: `from`, or a field of its own name. */
export function sourceOf(name: string, point: PointConfig): string {
  return String(point.from ?? name);
}

/** The shape that a point belongs to: the sentence of NMEA, else ''. */
export function groupOf(decode: DecodeConfig, name: string, point: PointConfig): string {
  return decode.type === 'nmea' ? (sourceOf(name, point).split('.')[0] ?? '') : '';
}

function createDecoder({ decode, points }: TalkerConfig): Decoder {
  const sources = Array.from(points, ([name, point]) => sourceOf(name, point));
  switch (decode.type) {
    case 'regex':
      return new RegexDecoder(decode);
    case 'csv':
      return new CsvDecoder(decode, sources);
    case 'json':
      return new JsonDecoder();
    case 'key-value':
      return new KeyValueDecoder(decode);
    case 'nmea':
      return new NmeaDecoder(sources.map((from) => from.split('.')[0] ?? ''));
    case 'binary':
      return new BinaryDecoder(decode);
  }
}

/** An NMEA sentence begins at its `$`, whatever noise stands before it in the line. */
export function framingOf({ frame, decode }: Pick<TalkerConfig, 'frame' | 'decode'>): FrameConfig {
  return frame.type === 'line' && decode.type === 'nmea' && frame.start === undefined ? { ...frame, start: '$' } : frame;
}

interface Group {
  readonly shape: Shape;
  readonly points: readonly { readonly from: string; readonly config: PointConfig }[];
  readonly totals: readonly Total[];
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
  private readonly groups = new Map<string, Group>();
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
    const members = Map.groupBy(config.points, ([name, point]) => groupOf(config.decode, name, point));
    for (const [group, points] of members)
      this.groups.set(group, {
        shape: shapeOf(config.device, points),
        points: points.map(([name, point]) => ({ from: sourceOf(name, point), config: point })),
        totals: totalsOf(config, points, counters),
      });
    this.shapes = Array.from(this.groups.values(), (group) => group.shape);
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

  /** The device was asked: what it began to say before is worth nothing. */
  restart(): void {
    this.framer.restart();
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
    const group = decoded.kind === 'fields' ? this.groups.get(decoded.group) : undefined;
    if (decoded.kind === 'other' || group === undefined) {
      this.counts.otherFrames++;
      return undefined;
    }
    const values = new Array<Value>(group.shape.points.length);
    const reasons = new Uint8Array(group.shape.points.length);
    for (const [i, { from, config }] of group.points.entries()) {
      const reading = toReading(decoded.get(from), config);
      values[i] = reading.value;
      reasons[i] = reading.reason;
    }
    if (group.points.every((_, i) => reasons[i] === ABSENT)) {
      this.counts.otherFrames++;
      return undefined;
    }
    this.counts.frames++;
    fillTotals(group.totals, values, reasons, at);
    return { shape: group.shape, at, values, reasons: reasons.every((reason) => reason === GOOD) ? null : reasons };
  }
}

function shapeOf(device: string, points: readonly (readonly [string, PointConfig])[]): Shape {
  return shapeWithTotals(
    device,
    points.map(([name, point]) => ({ info: infoOf(name, point), counter: point.counter, report: point.report })),
  );
}

/** The totals of the points of a shape; they stand behind the points, in the same order. */
function totalsOf(
  { device, decode }: TalkerConfig,
  points: readonly (readonly [string, PointConfig])[],
  counters: CounterMemory,
): Total[] {
  return points
    .flatMap(([name, point], index) => {
      const { counter, type, scale } = point;
      if (counter === undefined) return [];
      const fingerprint = JSON.stringify([decode.type, sourceOf(name, point), type, scale ?? 1]);
      const key = { device, point: name, total: totalName(name, counter), fingerprint };
      const { modulus, maxPerSecond } = counter;
      const whole = infoOf(name, point).storage === 'integer64';
      const rules = { modulus: whole ? BigInt(modulus) : scaled(Number(modulus), point), maxPerSecond };
      return [{ index, read: totalReader(key, counters, () => rules) }];
    })
    .map((total, k) => ({ ...total, slot: points.length + k }));
}

/** A point as the rest of the gateway sees it. */
export function infoOf(name: string, point: PointConfig): PointInfo {
  return { name, type: point.type, storage: storageOf(point.type, isScaled(point)), unit: point.unit, writable: false };
}
