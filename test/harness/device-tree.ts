/** The device tree of the emulated machine, made to say that it is another board, with one LED at its GPIO chip. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { run } from './card-image.ts';
import { MACHINE } from './qemu-board.ts';

/** Its line of the chip that nothing else uses. */
const LINE = '5';

export interface TreeOptions {
  /** Most specific name first, as `/proc/device-tree/compatible` has them. */
  readonly compatible: readonly string[];
  readonly model: string;
  /** Its name in `/sys/class/leds`. */
  readonly led: string;
  /** MB of memory of the board. */
  readonly memory: number;
  /** With a second serial port. */
  readonly secondUart?: boolean;
}

/** @returns the file */
export function deviceTree(folder: string, { compatible, model, led, memory, secondUart = false }: TreeOptions): string {
  if (spawnSync('fdtput', ['--version']).error !== undefined)
    throw new Error('fdtput is missing; it comes with the package device-tree-compiler');
  const file = path.join(folder, 'board.dtb');
  const [, machine] = MACHINE;
  run('qemu-system-aarch64', [
    '-M',
    `${machine},acpi=off,dumpdtb=${file}`,
    ...MACHINE.slice(2),
    '-m',
    `${memory}`,
    ...['-display', 'none'],
    ...(secondUart ? ['-serial', 'null', '-serial', 'null'] : []),
  ]);
  const [chip = ''] = run('fdtget', ['-l', file, '/']).match(/^pl061@.*$/m) ?? [];
  const handle = run('fdtget', ['-t', 'u', file, `/${chip}`, 'phandle']).trim();
  const text = (node: string, key: string, ...values: string[]): void =>
    void run('fdtput', ['-t', 's', file, node, key, ...values]);
  text('/', 'compatible', ...compatible, 'linux,dummy-virt');
  text('/', 'model', model);
  // The boards name this node so, and systemd/sluice.service its place in /sys.
  run('fdtput', ['-c', file, '/leds', '/leds/led-0']);
  text('/leds', 'compatible', 'gpio-leds');
  text('/leds/led-0', 'label', led);
  text('/leds/led-0', 'linux,default-trigger', 'none');
  run('fdtput', ['-t', 'u', file, '/leds/led-0', 'gpios', handle, LINE, '0']);
  return file;
}
