/**
 * A salvage that a start began and that goes on while the gateway runs. The file that says so is written before the damaged
 * file goes aside, and taken away when everything that is left of it is in log.db: a kill in between begins it again.
 */

import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import type { SalvageTask } from '../files/sources.ts';
import { asidePath, isSalvaged, statSize, taskPath } from '../files/whole-file.ts';

/** The database of found rows, complete; and while it is made. */
const FOUND = '.salvaged';
const MAKING = '.salvaging';
/** A list of shapes is the largest part of it. */
const MAX_BYTES = 64 * 1024 * 1024;

export function foundPath(file: string): string {
  return file + FOUND;
}
export function makingPath(file: string): string {
  return file + MAKING;
}
export function writeTask(file: string, task: SalvageTask): void {
  const body = JSON.stringify(task);
  const making = `${taskPath(file)}.new`;
  writeFileSync(making, JSON.stringify({ sum: crc32(body), body }), { mode: 0o640, flush: true });
  renameSync(making, taskPath(file));
  syncFolder(file);
}

/** @returns undefined where there is none, or nothing that it can be done with: then the damaged file stays for people */
export function readTask(file: string): SalvageTask | undefined {
  if (!isSalvaged(file)) {
    forgetTask(file);
    return undefined;
  }
  try {
    if (statSize(taskPath(file)) > MAX_BYTES) throw new Error('too long');
    const { sum, body } = JSON.parse(readFileSync(taskPath(file), 'utf8')) as { sum: number; body: string };
    if (sum === crc32(body) && (existsSync(asidePath(file)) || existsSync(foundPath(file))))
      return JSON.parse(body) as SalvageTask;
  } catch {
    // As below.
  }
  forgetTask(file);
  return undefined;
}

/** It is over. The file that says so goes first: what it refers to may then be left over. */
export function forgetTask(file: string): void {
  if (isSalvaged(file)) {
    rmSync(taskPath(file), { force: true });
    syncFolder(file);
  }
  for (const end of ['', '-wal', '-shm', '-journal'])
    for (const name of [foundPath(file), makingPath(file)]) rmSync(name + end, { force: true });
}

function syncFolder(file: string): void {
  const fd = openSync(path.dirname(file), 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
