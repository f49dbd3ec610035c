/** Files that are there whole or not at all, after a power cut too. */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';

/** Writes beside, flushes, and takes the place. */
export function replaceFile(file: string, bytes: Uint8Array | string, mode = 0o600): void {
  const beside = `${file}.new`;
  rmSync(beside, { force: true });
  const fd = openSync(beside, 'wx', mode);
  try {
    const all = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    for (let at = 0; at < all.length; ) at += writeSync(fd, all, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(beside, file);
  syncFolder(path.dirname(file));
}

export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** undefined: there is no such file, or it is no file, or it is longer than `most`. */
export function readBounded(file: string, most: number): Buffer | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  return found?.isFile() === true && found.size <= most ? readFileSync(file) : undefined;
}

/** JSON of a file of ours; undefined where it is missing or damaged. */
export function readJson(file: string, most: number): unknown {
  try {
    return JSON.parse(readBounded(file, most)?.toString('utf8') ?? '');
  } catch {
    return undefined;
  }
}
