/**
 * The calls of Linux behind calls.ts: the GPIO character device, version 2 (include/uapi/linux/gpio.h), and the terminal
 * (include/uapi/asm-generic/ioctls.h). Node has no ioctl, so the C library is called through koffi.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { CallRefused, type Refusal, type TransceiverCalls } from './calls.ts';

/** Architectures whose ioctl numbers and terminal calls are the generic ones; others are not asked. */
export const GENERIC: readonly string[] = ['x64', 'arm64', 'arm', 'ia32', 'riscv64', 'loong64'];

/** _IOR and _IOWR of include/uapi/asm-generic/ioctl.h. */
const request = (access: 2 | 3, number: number, size: number): number => access * 0x4000_0000 + size * 0x1_0000 + 0xb400 + number;
const CHIP_INFO = { bytes: 68, lines: 64 };
const LINE_INFO = { bytes: 256, consumer: 32, offset: 64 };
const LINE_REQUEST = { bytes: 592, consumer: 256, flags: 288, lines: 560, fd: 588 };
const LINE_VALUES = { bytes: 16, mask: 8 };
export const GPIO_GET_CHIPINFO = request(2, 0x01, CHIP_INFO.bytes);
export const GPIO_V2_GET_LINEINFO = request(3, 0x05, LINE_INFO.bytes);
export const GPIO_V2_GET_LINE = request(3, 0x07, LINE_REQUEST.bytes);
export const GPIO_V2_LINE_SET_VALUES = request(3, 0x0f, LINE_VALUES.bytes);
/** Flags of enum gpio_v2_line_flag. An output without a value begins inactive. */
const ACTIVE_LOW = 2n;
const OUTPUT = 8n;
/** As gpioinfo shows who has the line; 31 letters at most. */
export const CONSUMER = 'sluice';
const NAME = 32;

const TIOCOUTQ = 0x5411;
const TIOCSERGETLSR = 0x5459;
const TIOCSER_TEMT = 1;
const TCFLSH = 0x540b;
const TCOFLUSH = 1;
const F_DUPFD_CLOEXEC = 1030;

/** @throws CallRefused where the C library cannot be called. @param leaving wakes a sleep up when it is not 0 */
export async function kernelCalls(leaving: Int32Array): Promise<TransceiverCalls> {
  if (!GENERIC.includes(process.arch)) throw new CallRefused({ call: 'koffi' });
  const koffi = await import('koffi').then(
    ({ default: loaded }) => loaded,
    () => {
      throw new CallRefused({ call: 'koffi' });
    },
  );
  const library = koffi.load(null);
  type Call<T> = (fd: number, request: number, type: string, value: T) => number;
  const ioctl = library.func('int ioctl(int fd, unsigned long request, ...)') as unknown as Call<Uint8Array | number>;
  const fcntl = library.func('int fcntl(int fd, int command, ...)') as unknown as Call<number>;
  const errno = (): string => getSystemErrorName(-koffi.errno());
  const must = (result: number, call: Refusal['call'], more: Omit<Refusal, 'call' | 'errno'> = {}): number => {
    if (result < 0) throw new CallRefused({ call, errno: errno(), ...more });
    return result;
  };
  const asked = new Uint8Array(4);
  const word = new DataView(asked.buffer);
  /** Asked for many times a millisecond: the same four bytes serve all. */
  const number = (fd: number, what: number): number => {
    must(ioctl(fd, what, 'uint8_t *', asked), 'wait');
    return word.getUint32(0, LITTLE);
  };
  const values = new Uint8Array(LINE_VALUES.bytes);
  const bits = new DataView(values.buffer);
  bits.setBigUint64(LINE_VALUES.mask, 1n, LITTLE);
  return {
    copyPort: (port) => must(fcntl(port, F_DUPFD_CLOEXEC, 'int', 0), 'copy'),
    takeLine({ gpio, line, activeLow }) {
      // A serial port that somebody names by mistake would wait for its carrier.
      const chip = openSync(gpio, constants.O_RDWR | constants.O_NONBLOCK);
      try {
        const wanted = new Uint8Array(LINE_REQUEST.bytes);
        const view = new DataView(wanted.buffer);
        view.setUint32(0, line, LITTLE);
        wanted.set(new TextEncoder().encode(CONSUMER), LINE_REQUEST.consumer);
        view.setBigUint64(LINE_REQUEST.flags, OUTPUT | (activeLow ? ACTIVE_LOW : 0n), LITTLE);
        view.setUint32(LINE_REQUEST.lines, 1, LITTLE);
        if (ioctl(chip, GPIO_V2_GET_LINE, 'uint8_t *', wanted) < 0) throw new CallRefused(whyNot(chip, line, errno()));
        return view.getInt32(LINE_REQUEST.fd, LITTLE);
      } finally {
        closeSync(chip);
      }
    },
    setLine(line, active) {
      bits.setBigUint64(0, active ? 1n : 0n, LITTLE);
      must(ioctl(line, GPIO_V2_LINE_SET_VALUES, 'uint8_t *', values), 'set');
    },
    write(port, bytes) {
      try {
        return writeSync(port, bytes);
      } catch (thrown) {
        if (thrown instanceof Error && 'code' in thrown && (thrown.code === 'EAGAIN' || thrown.code === 'EINTR')) return 0;
        throw thrown;
      }
    },
    waiting: (port) => number(port, TIOCOUTQ),
    isEmpty(port) {
      // Drivers without an answer refuse with different errors; one that is unplugged has refused TIOCOUTQ before.
      if (ioctl(port, TIOCSERGETLSR, 'uint8_t *', asked) < 0) return undefined;
      return (word.getUint32(0, LITTLE) & TIOCSER_TEMT) !== 0;
    },
    drop: (port) => void must(ioctl(port, TCFLSH, 'int', TCOFLUSH), 'wait'),
    close: (descriptor) => closeSync(descriptor),
    now: () => performance.now(),
    sleep: (ms) => Atomics.wait(leaving, 0, 0, ms) === 'timed-out',
  };

  function whyNot(chip: number, line: number, refused: string): Refusal {
    const about = new Uint8Array(CHIP_INFO.bytes);
    if (ioctl(chip, GPIO_GET_CHIPINFO, 'uint8_t *', about) < 0) return { call: 'chip', errno: refused };
    const lines = new DataView(about.buffer).getUint32(CHIP_INFO.lines, LITTLE);
    if (line >= lines) return { call: 'line', errno: refused, lines };
    const user = new Uint8Array(LINE_INFO.bytes);
    new DataView(user.buffer).setUint32(LINE_INFO.offset, line, LITTLE);
    if (ioctl(chip, GPIO_V2_GET_LINEINFO, 'uint8_t *', user) < 0) return { call: 'line', errno: refused };
    const name = new TextDecoder().decode(user.subarray(LINE_INFO.consumer, LINE_INFO.consumer + NAME));
    return { call: 'line', errno: refused, holder: name.split('\0', 1)[0] || undefined };
  }
}

const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
