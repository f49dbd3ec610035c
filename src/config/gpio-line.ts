/** A line of a GPIO chip that switches an RS-485 transceiver, as a bus and a board file write it. */
import * as z from 'zod';

/** The most lines that one chip has in Linux (include/linux/gpio/driver.h: `ngpio` is 16 bits). */
const MOST_LINES = 65_535;

const CHIP = 'write the device file of a GPIO chip, for example /dev/gpiochip0 (see gpiodetect)';
/** What to write where something else stands. */
const LINE_FORM = 'write {gpio: /dev/gpiochip0, line: 4} for a GPIO line';

export const gpioLine = () =>
  z
    .strictObject(
      {
        gpio: z
          .string({ error: ({ input }) => (typeof input === 'number' ? CHIP : undefined) })
          .max(255)
          .regex(/^\/dev\/(?:[\w@:,.+-]+\/?)+$/, CHIP)
          .refine((file) => !file.split('/').includes('..'), 'write the path without ..')
          .describe('The GPIO chip, for example /dev/gpiochip0.'),
        line: z
          .int()
          .min(0)
          .max(MOST_LINES)
          .describe('The line of the chip, from 0. `gpioinfo` lists the lines with their names.'),
        activeLow: z
          .boolean()
          .default(false)
          .describe('The level that makes the transceiver send. `false`: high, as for the pin DE of a transceiver. `true`: low.'),
      },
      { error: ({ code }) => (code === 'invalid_type' ? LINE_FORM : undefined) },
    )
    .describe('A GPIO line that the gateway switches around each request.');

export type GpioLine = z.output<ReturnType<typeof gpioLine>>;

/** @returns words for a table */
export function directionWords(direction: string | GpioLine): string {
  if (typeof direction === 'string') return direction;
  return `line ${direction.line} of ${direction.gpio}${direction.activeLow ? ', active low' : ''}`;
}

/** @param settings of a bus */
export function gpioLineOf({ direction }: Readonly<Record<string, unknown>>): GpioLine | undefined {
  return typeof direction === 'object' && direction !== null && 'gpio' in direction ? (direction as GpioLine) : undefined;
}
