/** How a serial port is set, for every driver that opens one. */
import * as z from 'zod';

/** The settings that `openLine` needs; see serial-line.ts. */
export interface LineSettings {
  readonly port: string;
  /** Bits per second. */
  readonly baudRate: number;
  readonly dataBits: 5 | 6 | 7 | 8;
  readonly parity: 'none' | 'even' | 'odd';
  readonly stopBits: 1 | 2;
}

const WRONG_PARITY: Readonly<Record<string, string>> = {
  mark: 'parity mark is not supported; write none: a mark bit looks like a longer stop bit, so such a device is understood',
  space: 'parity space is not supported; set the device to none, even or odd',
};

export const parity = () =>
  z.enum(['none', 'even', 'odd'], { error: ({ input }) => (typeof input === 'string' ? WRONG_PARITY[input] : undefined) });

export const stopBits = () =>
  z.union([z.literal(1), z.literal(2)], {
    error: ({ input }) =>
      input === 1.5 ? '1.5 stop bits are not supported; write 2, which a device with 1.5 understands' : undefined,
  });

/** A name such as COM3 belongs to another system. */
export const serialPortName = () =>
  z
    .string()
    .min(1)
    .refine((text) => !/^(\\\\\.\\)?com\d+$/i.test(text), {
      error: (issue) =>
        `${String(issue.input)} is a port of Windows; ports have names like /dev/ttyUSB0 here: see ls /dev/serial/by-id`,
    });
