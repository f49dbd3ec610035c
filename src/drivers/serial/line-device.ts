/** The one device on a serial line, as its bus sees it: a talker, or an instrument that answers when it is asked. */
import type { CounterMemory } from '../../codecs/counter.ts';
import type { Clock } from '../../core/clock.ts';
import type { Duty } from '../../core/duty.ts';
import type { Logger } from '../../core/logger.ts';
import type { Sample, Shape } from '../../core/point.ts';
import type { DeviceStatus, SampleSink } from '../../core/ports.ts';

export interface LineDevice {
  readonly name: string;
  readonly shapes: readonly Shape[];
  start(): void;
  stop(): void;
  /** The port was opened. @param send writes to the line; what is written to a port that is gone is lost */
  opened(send: (bytes: Uint8Array) => void): void;
  /** The port is gone (and no longer open): nobody needs to wait for a frame, and no value is good any more. */
  interrupted(why: string): void;
  receive(chunk: Uint8Array): void;
  /** Reads now; rejects with a SluiceError. @param timeout milliseconds, where the device has none of its own */
  read(timeout: number): Promise<Sample[]>;
  status(): DeviceStatus;
  /** Monotonic times as those of `Bus`, of a device that is asked; absent for one that speaks by itself. */
  turns?(): { readonly next: number; readonly last: number; readonly by: number };
  /** Its timers, of one that speaks by itself. */
  duties?(): Duty[];
}

export interface DeviceContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly emit: SampleSink;
  /** Whether the port is open, for the reason and the words of silence. */
  readonly isOpen: () => boolean;
  /** The device said what time it is: UTC ms, monotonic ms of the arrival. */
  readonly onTime?: (utc: number, at: number) => void;
  /** State of counters; without it they begin with the device. */
  readonly counters?: CounterMemory | undefined;
}
