/**
 * What the machine says about itself, below a root: the device tree, serial ports, clocks, watchdogs, LEDs, memory. Everything that is
 * read may be missing or odd, so each read is bounded and gives nothing instead of an error.
 */
import { accessSync, closeSync, constants, existsSync, openSync, readdirSync, readSync } from 'node:fs';
import path from 'node:path';

/** Bytes that are read of one file. The texts of a device tree are far shorter. */
const MOST_BYTES = 4096;
const MOST_NAMES = 16;
const LONGEST = 120;

export interface Machine {
  /** `''` is this machine; another root is a mounted card, or made up by a test. */
  readonly root: string;
  readonly arch: string;
  readonly compatible: readonly string[];
  readonly model: string | undefined;
  readonly hardware: string | undefined;
  /** Bytes; undefined where the kernel does not say. */
  readonly memory: number | undefined;
}

export function machineAt(root = '', arch: string = process.arch): Machine {
  const tree = path.join(root, '/proc/device-tree');
  const product = path.join(root, '/sys/class/dmi/id/product_name');
  const total = /^MemTotal:\s+(\d{1,12}) kB$/m.exec(textOf(path.join(root, '/proc/meminfo')) ?? '')?.[1];
  return {
    ...{ root, arch },
    compatible: stringsOf(path.join(tree, 'compatible')).slice(0, MOST_NAMES),
    model: stringsOf(path.join(tree, 'model'))[0] ?? stringsOf(product)[0],
    hardware: stringsOf(path.join(tree, 'hardware'))[0],
    memory: total === undefined ? undefined : Number(total) * 1024,
  };
}

export function isThere({ root }: Machine, file: string): boolean {
  return existsSync(path.join(root, file));
}

/** Whether this process may read and write a file that is there. */
export function mayUse({ root }: Machine, file: string): boolean {
  try {
    accessSync(path.join(root, file), constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Serial ports that the kernel has, also those without a device file. */
export function ttyThere(machine: Machine, tty: string): boolean {
  return isThere(machine, `/sys/class/tty/${tty}`) || isThere(machine, `/dev/${tty}`);
}

export function ledNames({ root }: Machine): string[] {
  try {
    return readdirSync(path.join(root, '/sys/class/leds')).slice(0, 200);
  } catch {
    return [];
  }
}

/** Texts of a property of a device tree end with NUL. What is no plain text is left out. */
function stringsOf(file: string): string[] {
  return (textOf(file) ?? '')
    .split(/[\0\n]/)
    .map((one) =>
      one
        .replaceAll(/[^\x20-\x7e]/g, '')
        .trim()
        .slice(0, LONGEST),
    )
    .filter((one) => one !== '');
}

function textOf(file: string): string | undefined {
  let fd: number | undefined;
  try {
    // A named pipe in its place must not hold up anything.
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const bytes = Buffer.alloc(MOST_BYTES);
    return bytes.toString('latin1', 0, readSync(fd, bytes, 0, MOST_BYTES, 0));
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
