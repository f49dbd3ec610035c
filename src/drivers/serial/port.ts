/** Opening a serial port. */
import { toError } from '../../core/errors.ts';
import { alsoOpenIn, portFailure, portIdentity } from '../serial-ports.ts';
import type { SerialBusSettings } from './schema.ts';

/** An open port. After `closed` was called it is gone for good: open another. */
export interface OpenPort {
  /** Queued by the operating system; dropped while it takes nothing any more. */
  write(bytes: Uint8Array): void;
  /** Resolves when the port is free. */
  close(): Promise<void>;
  /** Other programs that have it open too, as a sentence. */
  alsoOpenIn(): Promise<string | undefined>;
  /** True when the path leads to another device, or to none, since it was opened. */
  moved(): Promise<boolean>;
}

export interface PortEvents {
  data(chunk: Uint8Array): void;
  /** Unplugged, hung up. Called once at most, and not for a `close` of ours. */
  closed(reason: string): void;
}

export type PortOpener = (settings: SerialBusSettings, events: PortEvents) => Promise<OpenPort>;

/** Bytes that one read takes at most. The kernel keeps 4 KiB for a tty; more would only be memory. */
const READ_SIZE = 4096;
/** Bytes that wait to be written; a line that takes none for so long is dead, and its next request is dropped. */
const MOST_UNWRITTEN = 1024;

/** @throws SluiceError bus-open */
export const openPort: PortOpener = async (settings, events) => {
  const { port: path, baudRate, dataBits, parity, stopBits } = settings;
  // Heavy, and most sites have no serial bus: loaded by the first one that opens.
  const { SerialPort } = await import('serialport');
  const port = new SerialPort({ path, baudRate, dataBits, parity, stopBits, autoOpen: false, highWaterMark: READ_SIZE });
  // Asked before opening: once the port is open nothing may come between that and listening.
  const identity = await portIdentity(path);
  let ours = false;
  // A disconnect comes as `close`. An `error` without a listener would end the process, and tells nothing more.
  port.on('error', () => {});
  try {
    await new Promise<void>((resolve, reject) => port.open((error) => (error ? reject(error) : resolve())));
  } catch (error) {
    throw await portFailure(toError(error), path);
  }
  port.on('data', (chunk: Buffer) => events.data(chunk));
  port.once('close', (error?: Error | null) => {
    if (!ours) events.closed(error?.message ?? 'hung up');
  });
  return {
    write(bytes) {
      if (port.isOpen && port.writableLength < MOST_UNWRITTEN) port.write(Buffer.from(bytes));
    },
    alsoOpenIn: () => alsoOpenIn(path),
    close() {
      ours = true;
      return new Promise((resolve) => (port.isOpen ? port.close(() => resolve()) : resolve()));
    },
    moved: async () => (await portIdentity(path)) !== identity,
  };
};
