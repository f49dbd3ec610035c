/**
 * A file that a configuration names. What is looked at is what is read, whoever changes the folder meanwhile, and no more of it than a
 * bound, whatever its size is said to be. Links are followed: the secrets of container systems are links.
 */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';

export type SmallFile =
  | { readonly kind: 'file'; readonly bytes: Buffer; readonly mode: number }
  | { readonly kind: 'folder' }
  | { readonly kind: 'other' }
  | { readonly kind: 'large'; readonly size: number };

/** @param most bytes @throws Error of the file system */
export function readSmallFile(file: string, most: number): SmallFile {
  // To open a device does something: a watchdog is armed, a serial port resets what is wired to it.
  const first = statSync(file);
  if (!first.isFile()) return { kind: first.isDirectory() ? 'folder' : 'other' };
  // Another may lie there by now. A pipe may have nobody who writes to it, and a terminal must not become the one of this process.
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) return { kind: 'folder' };
    if (!stat.isFile()) return { kind: 'other' };
    if (stat.size > most) return { kind: 'large', size: stat.size };
    const bytes = Buffer.alloc(most + 1);
    let length = 0;
    for (;;) {
      const read = readSync(fd, bytes, length, bytes.length - length, length);
      if (read === 0) return { kind: 'file', bytes: bytes.subarray(0, length), mode: stat.mode };
      length += read;
      if (length > most) return { kind: 'large', size: length };
    }
  } finally {
    closeSync(fd);
  }
}
