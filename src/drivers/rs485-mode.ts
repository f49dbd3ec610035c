/**
 * Asks the kernel to switch an RS-485 transceiver by RTS (ioctl TIOCSRS485, Documentation/driver-api/serial/serial-rs485.rst of Linux).
 * Node has no call for that, so the C library is called through koffi, which is loaded by the first port that asks.
 */
import { SluiceError, toError } from '../core/errors.ts';
import { GENERIC } from './transceiver/kernel-calls.ts';

/** include/uapi/asm-generic/ioctls.h */
const TIOCSRS485 = 0x542f;
/** include/uapi/linux/serial.h: struct serial_rs485 has eight words; the first are flags and two delays. */
const BYTES = 32;
const ENABLED = 1;
const RTS_ON_SEND = 2;

type Ioctl = (fd: number, request: number, type: string, value: Uint8Array) => number;

/** @throws SluiceError bus-open, in words */
export async function askForRs485(fd: number, port: string): Promise<void> {
  if (!GENERIC.includes(process.arch)) throw refused(port, `nobody knows the call on ${process.arch}`);
  const koffi = await import('koffi').then(
    ({ default: loaded }) => loaded,
    (thrown: unknown) => {
      throw refused(port, `the package koffi cannot be loaded (${toError(thrown).message.split('\n')[0]})`);
    },
  );
  const ioctl = koffi.load(null).func('int ioctl(int fd, unsigned long request, ...)') as unknown as Ioctl;
  const mode = new Uint8Array(BYTES);
  new Uint32Array(mode.buffer)[0] = ENABLED | RTS_ON_SEND;
  if (ioctl(fd, TIOCSRS485, 'uint8_t *', mode) !== 0)
    throw refused(port, `its driver has no RS-485 mode (error ${koffi.errno()})`);
}

function refused(port: string, why: string): SluiceError {
  return new SluiceError(
    'bus-open',
    `${port} cannot switch its transceiver: ${why}; write direction: automatic for a transceiver that switches itself`,
  );
}
