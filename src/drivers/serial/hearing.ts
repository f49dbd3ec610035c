/** Takes the bytes of an instrument: frames become samples, and the bytes since the last good frame show what is wrong. */
import type { TalkerCounters } from '../../codecs/serial/talker.ts';
import { Talker } from '../../codecs/serial/talker.ts';
import type { TalkerConfig } from '../../codecs/serial/types.ts';
import type { Sample, Shape } from '../../core/point.ts';
import type { ReasonName } from '../../core/reasons.ts';
import type { DeviceContext } from './line-device.ts';

export class Hearing {
  readonly shapes: readonly Shape[];
  private readonly talker: Talker;
  /** The counts at the last good frame. */
  private before: TalkerCounters;
  private bytesSince = 0;

  constructor(config: TalkerConfig, { onTime, counters }: Pick<DeviceContext, 'onTime' | 'counters'>) {
    this.talker = new Talker(config, onTime, counters);
    this.shapes = this.talker.shapes;
    this.before = this.talker.counters;
  }

  get counters(): TalkerCounters {
    return this.talker.counters;
  }

  /** Bytes since the last good frame, or since the device was asked. */
  get heard(): number {
    return this.bytesSince;
  }

  hear(chunk: Uint8Array, at: number): Sample[] {
    this.bytesSince += chunk.length;
    return this.talker.push(chunk, at);
  }

  /** A frame was good: symptoms begin anew. */
  good(): void {
    this.bytesSince = 0;
    this.before = this.talker.counters;
  }

  /** The port was opened: a half frame from before is worth nothing, and the next one may lack its beginning. */
  opened(at: number): void {
    this.talker.reset(at);
  }

  /**
   * The device was asked: what comes now is the answer, and only what comes now tells what is wrong.
   * @param isDone what came before is whole: no reply is on its way
   */
  asked(at: number, isDone: boolean): void {
    this.talker.restart(isDone ? Number.POSITIVE_INFINITY : at);
    this.good();
  }

  /** Milliseconds until what has begun and has no end is over; 0: it is over. undefined: nothing has begun. */
  quietIn(at: number): number | undefined {
    return this.talker.quietIn(at);
  }

  /** Why nothing good came, in one word. */
  reason(): ReasonName {
    const now = this.talker.counters;
    if (now.crcErrors > this.before.crcErrors) return 'crc';
    return now.badFrames > this.before.badFrames || now.otherFrames > this.before.otherFrames ? 'bad-reply' : 'timeout';
  }

  /** Advice for a technician; `silence` when nothing came at all. */
  symptom(silence: string): string {
    if (this.bytesSince === 0) return silence;
    const now = this.talker.counters;
    if (now.otherFrames > this.before.otherFrames)
      return 'frames arrive, but none has a field of a point: check `from` of the points';
    if (now.badFrames > this.before.badFrames)
      return 'frames arrive, but `decode` does not fit them: compare it with what the device sends';
    if (now.crcErrors > this.before.crcErrors)
      return 'frames arrive damaged (checksum): check baudRate, parity, cable and `checksum`';
    return 'bytes arrive, but no frame: check baudRate, parity and `frame`';
  }
}
