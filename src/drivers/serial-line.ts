/**
 * The serial layer under every driver: the only place where a port is opened. What it says when it cannot be opened, and who
 * else has it open, is in serial-ports.ts.
 *
 * - Only the port's `close` (or a path that leads elsewhere, `watchPath`) counts as unplugged, never its `error`.
 * - Bounds: READ_SIZE bytes a read; MOST_UNWRITTEN bytes wait to be written, and what comes on top is dropped.
 */
import type { SerialPort } from 'serialport';
import type { Clock } from '../core/clock.ts';
import { type SluiceError, toError } from '../core/errors.ts';
import { characterOf, type LineSettings } from './line-settings.ts';
import { readDirectly, writeDirectly } from './patches/serialport.ts';
import { alsoOpenIn, portFailure, portIdentity } from './serial-ports.ts';
import type { SwitchedLine } from './transceiver/switched-line.ts';

/** An open port. After `closed` was called it is gone for good: open another. */
export interface OpenLine {
  /** Queued by the operating system; dropped while it takes nothing any more. */
  write(bytes: Uint8Array): void;
  /** Resolves when the port is free. */
  close(): Promise<void>;
  /** Other programs that have it open too, as a sentence. */
  alsoOpenIn(): Promise<string | undefined>;
  /** True when the path leads to another device, or to none, since it was opened. */
  moved(): Promise<boolean>;
}

export interface LineEvents {
  data(chunk: Uint8Array): void;
  /**
   * Unplugged, hung up. Called once at most, and not for a `close` of ours.
   * @param fault why, where the port itself is still there
   */
  closed(reason: string, fault?: SluiceError): void;
}

export interface OpenOptions {
  /** Bytes that the operating system kept from before are thrown away. */
  readonly flush?: boolean;
}

export type LineOpener = (settings: LineSettings, events: LineEvents, options?: OpenOptions) => Promise<OpenLine>;

/** The kernel keeps 4 KiB for a tty; more would only be memory. */
const READ_SIZE = 4096;
/** A line that takes none of so many bytes is dead, and its next request is dropped. */
const MOST_UNWRITTEN = 1024;
/** A port is compared with its path this often, ms: not every driver reports an unplugged adapter. */
const WATCH_EVERY = 2000;

/** @throws SluiceError bus-open, in words */
export const openLine: LineOpener = async (settings, events, options = {}) => {
  const { port: path, baudRate, dataBits, parity, stopBits, direction } = settings;
  // Heavy, and most sites have no serial bus: loaded by the first one that opens.
  const { SerialPort } = await import('serialport');
  const port = new SerialPort({ path, baudRate, dataBits, parity, stopBits, autoOpen: false, highWaterMark: READ_SIZE });
  // Asked before opening: once the port is open nothing may come between that and listening.
  const identity = await portIdentity(path);
  let ours = false;
  let switched: SwitchedLine | undefined;
  // A disconnect comes as `close`. An `error` without a listener would end the process, and says nothing more.
  port.on('error', () => {});
  try {
    await new Promise<void>((resolve, reject) => port.open((error) => (error ? reject(error) : resolve())));
  } catch (error) {
    throw await portFailure(toError(error), path);
  }
  const close = async (): Promise<void> => {
    ours = true;
    // Its thread has the port open as well: the lock of the port is free when both have closed it.
    await switched?.leave();
    await new Promise<void>((resolve) => (port.isOpen ? port.close(() => resolve()) : resolve()));
  };
  let isHandedOver = false;
  let lost: SluiceError | undefined;
  const gone = (reason: string, fault?: SluiceError): void => {
    lost = fault;
    if (isHandedOver) events.closed(reason, fault);
  };
  port.once('close', (error?: Error | null) => {
    const reason = error?.message ?? 'hung up';
    if (ours) return;
    if (switched === undefined) gone(reason);
    else void close().then(() => gone(reason));
  });
  try {
    if (direction === 'kernel') {
      const { askForRs485 } = await import('./rs485-mode.ts');
      await askForRs485(descriptorOf(port), path);
    } else if (typeof direction === 'object') {
      const { switchByGpio } = await import('./transceiver/switched-line.ts');
      const failed = (fault: SluiceError): void => {
        if (!ours) void close().then(() => gone(fault.message, fault));
      };
      const character = characterOf(settings);
      switched = await switchByGpio({ path, port: descriptorOf(port), gpio: direction, character, failed });
    }
    if (options.flush === true) await new Promise<void>((resolve) => port.flush(() => resolve()));
    if (!port.isOpen) throw lost ?? (await portFailure(new Error('hung up'), path));
  } catch (thrown) {
    // A port that is refused here was never open for the bus.
    await close();
    throw thrown;
  }
  isHandedOver = true;
  readDirectly(port);
  port.on('data', (chunk: Buffer) => events.data(chunk));
  return {
    write(bytes) {
      if (!port.isOpen) return;
      if (switched !== undefined) switched.send(bytes);
      else if (port.writableLength < MOST_UNWRITTEN) writeDirectly(port, bytes);
    },
    alsoOpenIn: () => alsoOpenIn(path),
    close,
    moved: async () => (await portIdentity(path)) !== identity,
  };
};

function descriptorOf({ port }: SerialPort): number {
  return port !== undefined && 'fd' in port ? (port.fd ?? -1) : -1;
}

/** An adapter can vanish between two reads without a word: its path shows it. @returns ends the watch */
export function watchPath(line: OpenLine, clock: Clock, gone: () => void): () => void {
  let over = false;
  let cancel = () => {};
  const look = (): void => {
    cancel = clock.after(WATCH_EVERY, () => {
      line.moved().then(
        (moved) => {
          if (over) return;
          if (moved) gone();
          else look();
        },
        () => {
          if (!over) look();
        },
      );
    });
  };
  look();
  return () => {
    over = true;
    cancel();
  };
}
