/** How a serial port is set, for every driver that opens one. */
import * as z from 'zod';
import { type GpioLine, gpioLine } from '../config/gpio-line.ts';

/** The settings that `openLine` needs; see serial-line.ts. */
export interface LineSettings {
  readonly port: string;
  /** Bits per second. */
  readonly baudRate: number;
  readonly dataBits: 5 | 6 | 7 | 8;
  readonly parity: 'none' | 'even' | 'odd';
  readonly stopBits: 1 | 2;
  /** Who switches the transceiver. Absent: the transceiver, or the kernel by itself. */
  readonly direction?: 'automatic' | 'kernel' | GpioLine | undefined;
}

const WRONG_PARITY: Readonly<Record<string, string>> = {
  mark: 'parity mark is not supported; write none, which works because a mark bit looks like a longer stop bit',
  space: 'parity space is not supported; set the device to none, even or odd',
};

export const parity = () =>
  z.enum(['none', 'even', 'odd'], { error: ({ input }) => (typeof input === 'string' ? WRONG_PARITY[input] : undefined) });

export const stopBits = () =>
  z.union([z.literal(1), z.literal(2)], {
    error: ({ input }) =>
      input === 1.5 ? '1.5 stop bits are not supported; write 2, which works with a device that has 1.5' : undefined,
  });

/** What adapters and instruments are set to; a line can be opened at other rates too. */
const BAUD_RATES = [
  ...[50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 7200, 9600, 14_400, 19_200, 28_800, 31_250, 38_400, 56_000],
  ...[57_600, 74_880, 76_800, 115_200, 128_000, 230_400, 250_000, 256_000, 460_800, 500_000, 576_000, 921_600, 1_000_000],
  ...[1_152_000, 1_500_000, 2_000_000, 2_500_000, 3_000_000, 3_500_000, 4_000_000],
];

/** A baud rate that hardly an instrument has, with the nearest that some have. */
export function baudRateWarnings({ baudRate }: Readonly<Record<string, unknown>>) {
  if (typeof baudRate !== 'number' || BAUD_RATES.includes(baudRate)) return [];
  const away = (rate: number) => Math.abs(Math.log(rate / baudRate));
  const nearest = BAUD_RATES.reduce((best, rate) => (away(rate) < away(best) ? rate : best));
  const message = `${baudRate} is not a usual baud rate; did you mean ${nearest}? A device answers only at the rate that it is set to`;
  return [{ path: ['baudRate'], message }];
}

const PARITY_OF: Readonly<Record<string, string>> = { n: 'none', e: 'even', o: 'odd' };

/** `9600-8N1` in one word, `9.600` with a thousands separator. */
export function baudRateFault(input: unknown): string | undefined {
  if (typeof input === 'number' && !Number.isInteger(input)) {
    const meant = Math.round(input * 1000);
    return BAUD_RATES.includes(meant) ? `write the number without a separator: ${meant}` : undefined;
  }
  if (typeof input !== 'string') return undefined;
  const text = input.slice(0, 40);
  const [, rate, bits, letter = '', stop] = /^(\d{3,7})[\s,/-]+([5-8])[\s,-]*([neo])[\s,-]*([12])$/i.exec(text) ?? [];
  if (rate !== undefined)
    return `write one key each: baudRate: ${rate}, dataBits: ${bits}, parity: ${PARITY_OF[letter.toLowerCase()]}, stopBits: ${stop}`;
  const [, thousands, rest] = /^(\d{1,4})[,.' _](\d{3})$/.exec(text) ?? [];
  return thousands === undefined ? undefined : `write the number without a separator: ${thousands}${rest}`;
}

/** What hardly can be the name of a port: COM3 of another system, a number of a network, a name without its folder. */
export const serialPortName = () =>
  z
    .string({ error: ({ input }) => (typeof input === 'number' ? SERIAL_PORT : undefined) })
    .min(1)
    .superRefine((text, ctx) => {
      const message = serialPortFault(text);
      if (message !== undefined) ctx.addIssue({ code: 'custom', message });
    });

const SERIAL_PORT =
  'write the name of a serial port, for example /dev/ttyUSB0 (see ls /dev/serial/by-id); for a device on the network write protocol: modbus-tcp';

/** Milliseconds of a character: start bit, data bits, parity bit, stop bits. */
export function characterOf({ baudRate, dataBits, parity, stopBits }: Omit<LineSettings, 'port' | 'direction'>): number {
  return ((1 + dataBits + (parity === 'none' ? 0 : 1) + stopBits) / baudRate) * 1000;
}

/** Who switches an RS-485 transceiver between sending and receiving. */
export const direction = () =>
  z
    .union([z.enum(['automatic', 'kernel']), gpioLine()])
    .optional()
    .describe(
      'The part that switches the RS-485 transceiver. `automatic`: the transceiver itself, as in USB adapters and most HATs. `kernel`: Linux by the line RTS (TIOCSRS485), for a transceiver that is wired to it. `{gpio: /dev/gpiochip0, line: 4}`: the gateway by a GPIO line, where the kernel cannot ([more](../how-to/use-a-board.md#who-switches-the-direction)). Default: as the board file says, else `automatic`.',
    );

function serialPortFault(text: string): string | undefined {
  if (/^board:/i.test(text) && !/^board:[a-z0-9][a-z0-9_-]{0,31}$/.test(text))
    return 'write board: and the name of a port, without a space: board:rs485-1 ("sluice board show" lists them)';
  if (/^(\\\\\.\\)?com\d+$/i.test(text))
    return `${text} is a port of Windows; ports have names like /dev/ttyUSB0 here: see ls /dev/serial/by-id`;
  if (/^\d+$/.test(text)) return SERIAL_PORT;
  if (/^tty\w+$/.test(text)) return `write the whole name: /dev/${text}`;
  const [, before] = /^(\/dev\/tty(?:USB|ACM|AMA|S))[oO]$/.exec(text) ?? [];
  return before === undefined ? undefined : `the name ends with the letter O; did you mean ${before}0 (zero)?`;
}
