/**
 * What a board file says: a gateway board, or a HAT on it. Data, never code. A fact without a source is left out; `notes` says so where
 * a person would look for it.
 */
import * as z from 'zod';
import { type GpioLine, gpioLine } from '../config/gpio-line.ts';
import { NAME } from '../config/schema-parts.ts';

const text = (most: number) => z.string().min(1).max(most);
/** A file of the system, below the root that is looked at. */
const file = () =>
  z
    .string()
    .regex(/^\/(?:[\w@:,.+-]+\/?)+$/, 'write the whole path of a file')
    .refine((path) => !path.split('/').includes('..'), 'write the path without ..');
const named = <T extends z.ZodType>(of: T) => z.record(z.string().regex(NAME).max(32), of);

export const DIRECTIONS = ['automatic', 'device-tree', 'kernel'] as const;

const port = z.strictObject({
  device: z
    .array(file())
    .min(1)
    .max(4)
    .describe('The device files under which the port appears. The first one that is there counts.'),
  kind: z.enum(['rs485', 'rs232', 'uart']).describe('The signals at the terminal. A `uart` has 3.3 V and needs a transceiver.'),
  direction: z
    .union([z.enum(DIRECTIONS), gpioLine()])
    .optional()
    .describe(
      'The part that switches an RS-485 transceiver between sending and receiving. `automatic`: the transceiver. `device-tree`: the kernel, set up at boot. `kernel`: the kernel, when the gateway asks it (TIOCSRS485). `{gpio: /dev/gpiochip0, line: 4}`: the gateway by a GPIO line.',
    ),
  where: text(120).describe('Where a person finds it: the print beside the terminal, or the pins.'),
  boot: z.array(text(120)).max(8).optional().describe('Lines of config.txt that the port needs.'),
});

export const boardSchema = z.strictObject({
  title: text(80).describe('The board, as its maker calls it.'),
  kind: z.enum(['board', 'hat']).describe('A `hat` adds ports to a board.'),
  sources: z.array(text(300)).min(1).max(12).describe('Where the facts are from.'),
  notes: text(1500).optional().describe('Notes for a person who wires the board, and facts that no source gives.'),
  detect: z
    .strictObject({
      compatible: z.array(text(80)).min(1).max(8).optional().describe('Names of the device tree; one of them is enough.'),
      hardware: text(80).optional().describe('The beginning of the text `hardware` of the device tree, which an overlay adds.'),
      tty: z
        .array(z.string().regex(/^tty\w+$/))
        .min(1)
        .max(8)
        .optional()
        .describe('Serial ports that are all there.'),
      arch: z.enum(['arm', 'arm64', 'x64']).optional().describe('The processor, for boards that nothing else describes.'),
    })
    .optional()
    .describe('How the gateway knows it. All that is written must hold. Absent: a person names it.'),
  ports: named(port).prefault({}).describe('The serial ports, by the names for `port: board:NAME`.'),
  led: z
    .strictObject({
      names: z
        .array(z.string().regex(/^[\w:.-]+$/))
        .min(1)
        .max(4)
        .describe('Names in /sys/class/leds; the first one that is there counts.'),
      where: text(120).describe('The look of the LED, for people.'),
    })
    .optional(),
  buzzer: z
    .strictObject({ how: text(200) })
    .optional()
    .describe('The gateway does not drive it.'),
  rtc: z
    .strictObject({ chip: text(60), device: file(), boot: z.array(text(120)).max(4).optional() })
    .optional()
    .describe('The clock that runs without power.'),
  watchdog: z
    .strictObject({ driver: text(60), device: file(), boot: z.array(text(120)).max(4).optional() })
    .optional()
    .describe('The timer that restarts a board that hangs.'),
});

export type Board = z.output<typeof boardSchema> & { readonly name: string };
export type BoardPort = z.output<typeof port>;
export type Direction = (typeof DIRECTIONS)[number] | GpioLine;
