/**
 * Reads and writes of an open serial port in the main thread. The library gives each to the thread pool, which takes a
 * tenth of a millisecond there and back: as long as a character at 115200 baud, for a call that never waits. In the pool it
 * would also wait behind name look-ups that hang. The canary: test/unit/drivers/patches.test.ts.
 *
 * - The file is open with O_NONBLOCK (the library does so), and is only read when the kernel says that something is there.
 * - Whatever does not simply work is left to the library, which knows what each error means.
 */
import { readSync, writeSync } from 'node:fs';
import type { SerialPort } from 'serialport';

/** The version that this was looked at in; it belongs to the bindings of serialport 13. */
export const KNOWN = { package: '@serialport/bindings-cpp', version: '13.0.0' } as const;

/** From now on the port is read directly. */
export function readDirectly({ port }: SerialPort): void {
  // Other systems have bindings without these.
  if (port === undefined || !('poller' in port)) return;
  const { poller } = port;
  const leave = port.read.bind(port);
  port.read = async (buffer, offset, length) => {
    await new Promise<void>((resolve, reject) => {
      poller.once('readable', (error?: Error | null) => (error ? reject(error) : resolve()));
    });
    let bytesRead = 0;
    try {
      if (port.fd !== null) bytesRead = readSync(port.fd, buffer, offset, length, null);
    } catch {
      // Nothing there after all, or unplugged.
    }
    return bytesRead > 0 ? { buffer, bytesRead } : leave(buffer, offset, length);
  };
}

/** Puts bytes on the wire; what the kernel does not take at once follows by itself. */
export function writeDirectly(serial: SerialPort, bytes: Uint8Array): void {
  const { port } = serial;
  let taken = 0;
  if (port !== undefined && 'fd' in port && port.fd !== null && serial.writableLength === 0)
    try {
      taken = writeSync(port.fd, bytes);
    } catch {
      // Full, or unplugged.
    }
  if (taken < bytes.length) serial.write(Buffer.from(bytes.subarray(taken)));
}
