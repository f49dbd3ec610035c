/**
 * A damaged file is never written to again: a new one is made beside it, and the two change places. One damaged
 * file is kept, for a person to look at; it counts in buffer.maxSize and goes first when space is needed.
 *
 * The change of places can be cut at any moment: the new file takes its name only when everything else has moved, and
 * `finishSwap` at the next start goes on where it stopped.
 */
import { closeSync, existsSync, fsyncSync, lstatSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { codeOf, diskFault } from './sqlite-errors.ts';

const ASIDE = '.damaged';
/** The rest of the damaged file is still being salvaged (salvage-task.ts): until then it stays. */
const TASK = '.salvage';
/** Under the first name the new file is made, under the second it waits, complete, for its place. */
const MAKING = '.making';
const READY = '.ready';
/** The endings of the files of log.db (write-ahead) and of history.db (journal). */
const ENDS = ['', '-wal', '-shm', '-journal'];

export function asidePath(file: string): string {
  return file + ASIDE;
}
export function taskPath(file: string): string {
  return file + TASK;
}
export function isSalvaged(file: string): boolean {
  return existsSync(file + TASK);
}
/** Where the new file is to be made; what an earlier try left there is gone. */
export function beginSwap(file: string): string {
  remove(file + MAKING);
  return file + MAKING;
}

/** A single fault of the disk must not cost readings that can be salvaged. */
export function twice<R>(rebuild: () => R): R {
  try {
    return rebuild();
  } catch (thrown) {
    if (diskFault(thrown) === undefined) throw thrown;
    return rebuild();
  }
}

/** The new file is complete: the damaged one goes aside, the new one takes its place. @returns where the damaged one lies */
export function swap(file: string): string {
  syncFile(file + MAKING);
  // finishSwap tells by it that the damaged one has not moved yet.
  if (!existsSync(file)) writeFileSync(file, '');
  renameSync(file + MAKING, file + READY);
  syncFolder(file);
  finishSwap(file);
  return file + ASIDE;
}

/** To be called before a file is opened: what a cut swap left half done is done. */
export function finishSwap(file: string): void {
  remove(file + MAKING);
  if (!existsSync(file + READY)) return;
  const salvaged = isSalvaged(file);
  // The database goes last: as long as it is there, a start finds work to do.
  const keeps = salvaged && existsSync(file + ASIDE);
  // While the damaged file is still in its place, the one aside is from an earlier time.
  if (existsSync(file) && !salvaged) for (const end of ENDS) rmSync(file + ASIDE + end, { force: true });
  for (const end of ENDS.toReversed()) {
    if (!existsSync(file + end)) continue;
    // The one that is being salvaged is worth more than one of which all is in the new file already.
    if (keeps) rmSync(file + end);
    else renameSync(file + end, file + ASIDE + end);
  }
  rmSync(`${file + ASIDE}-shm`, { force: true });
  renameSync(file + READY, file);
  syncFolder(file);
}

/**
 * Moves a file away that SQLite would play back: a journal beside log.db, or a write-ahead file beside history.db. Another
 * program made it. It lies with the damaged files afterwards.
 */
export function moveStray(file: string, ends: readonly string[]): void {
  for (const end of ends) {
    const stat = lstatSync(file + end, { throwIfNoEntry: false });
    // SQLite would wait for the writer of a pipe.
    if (stat !== undefined && (stat.size > 0 || !stat.isFile())) renameSync(file + end, file + ASIDE + end);
  }
}

/** A file that is not replaced by one made here. @returns where it lies now */
export function moveAside(file: string): string {
  remove(file + ASIDE);
  for (const end of ENDS) if (existsSync(file + end)) renameSync(file + end, file + ASIDE + end);
  syncFolder(file);
  return file + ASIDE;
}

export function dropAside(file: string): void {
  remove(file + ASIDE);
}
function remove(file: string): void {
  for (const end of ENDS) rmSync(file + end, { force: true });
}

/** Bytes of a database with what belongs to it, and of the damaged one beside it. The index in shared memory is not on the card. */
export function bytesOf(file: string): number {
  return [file, file + ASIDE].reduce(
    (sum, name) => sum + ENDS.reduce((all, end) => all + (end === '-shm' ? 0 : statSize(name + end)), 0),
    0,
  );
}
export function asideBytes(file: string): number {
  return ENDS.reduce((sum, end) => sum + statSize(file + ASIDE + end), 0);
}

export function statSize(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** To read; undefined where there is no such file. A disk that does not answer is another matter. */
export function openThere(file: string): number | undefined {
  try {
    return openSync(file, 'r');
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
}

function syncFile(file: string): void {
  const fd = openSync(file, 'r+');
  fsyncSync(fd);
  closeSync(fd);
}
function syncFolder(file: string): void {
  const fd = openSync(path.dirname(file), 'r');
  fsyncSync(fd);
  closeSync(fd);
}
