/** What the switching of a transceiver asks of the system. The kernel is behind it (kernel-calls.ts), or a test. */
import type { GpioLine } from '../../config/gpio-line.ts';

/** A descriptor of this process. */
export type Descriptor = number;

export interface TransceiverCalls {
  /** A second descriptor of a port that is open, so that nobody else can close it under a send. */
  copyPort(port: Descriptor): Descriptor;
  /** Takes the line as an output that is inactive. */
  takeLine(gpio: GpioLine): Descriptor;
  setLine(line: Descriptor, active: boolean): void;
  /** @returns bytes that the kernel took: 0 while it takes none */
  write(port: Descriptor, bytes: Uint8Array): number;
  /** Bytes that the driver of the port has not given to its transmitter. */
  waiting(port: Descriptor): number;
  /** Whether the transmitter has sent the last stop bit. undefined: the driver does not say. */
  isEmpty(port: Descriptor): boolean | undefined;
  /** Throws away what has not been sent. */
  drop(port: Descriptor): void;
  close(descriptor: Descriptor): void;
  /** Milliseconds of a clock that never jumps. */
  now(): number;
  /** @returns false: woken up, because the port is to be closed */
  sleep(ms: number): boolean;
}

/** Why a call was refused, as a thread can pass it on. */
export interface Refusal {
  /** `stuck`: the transmitter did not become empty. `thread`: the thread ended without a word. */
  readonly call: 'thread' | 'koffi' | 'copy' | 'open' | 'chip' | 'line' | 'set' | 'write' | 'wait' | 'stuck';
  /** Name of the error of the system: EBUSY. */
  readonly errno?: string | undefined;
  /** The program that has the line, as it calls itself. */
  readonly holder?: string | undefined;
  /** The number of lines of the chip. */
  readonly lines?: number | undefined;
  /** The bytes of the request that did not get out, and how long they were waited for, ms. */
  readonly bytes?: number | undefined;
  readonly waited?: number | undefined;
}

export class CallRefused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(`${refusal.call}: ${refusal.errno ?? 'refused'}`);
    this.refusal = refusal;
  }
}

export function refusalOf(thrown: unknown, call: Refusal['call']): Refusal {
  if (thrown instanceof CallRefused) return thrown.refusal;
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  return { call, errno: typeof code === 'string' ? code : undefined };
}
