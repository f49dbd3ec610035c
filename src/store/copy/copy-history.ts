/**
 * A copy of history.db beside a gateway that runs or does not. The keeper of a gateway holds the lock of SQLite from its first hour on
 * (archive/history-file.ts), so nobody else can read the file by SQLite. It is copied byte for byte instead. Invariants:
 * - The gateway is not held up: no lock is taken, and nothing is written beside the file.
 * - A copy counts only where nobody wrote before its end: length, times and journal are the same before and behind it. SQLite writes the
 *   journal before the file, so a change in the middle, or one that a power cut left, shows there.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { SluiceError } from '../../core/errors.ts';

const PIECE = 1024 * 1024;
/** The keeper writes for some seconds an hour; each try that meets it is followed by a rest. */
const TRIES = 40;
const REST = 500;
/** Times of files have steps of some milliseconds: a younger change could hide another one in the same step. Milliseconds. */
const SETTLED = 100;
/** The first bytes of a journal that holds an open transaction (sqlite.org/fileformat2.html#the_rollback_journal). */
const OPEN_JOURNAL = Buffer.from('d9d505f920a163d7', 'hex');

/** @param into is not there yet @throws SluiceError log-read: it is written all the time, or a change of it is not complete */
export async function copyHistory(file: string, into: string, rest: number = REST): Promise<void> {
  const target = await open(into, 'wx', 0o600);
  try {
    for (let n = 0; n < TRIES; n++) {
      if (n > 0) await sleep(rest);
      const before = await marksOf(file);
      if (before === undefined) continue;
      await copyBytes(file, target);
      if ((await marksOf(file)) === before) return;
    }
  } finally {
    await target.close();
  }
  throw new SluiceError(
    'log-read',
    `${file} changed during each of ${TRIES} copies, or its last change is not complete. Try again in some minutes, with a gateway that runs`,
  );
}

/** @returns undefined while it is written, or was right now */
async function marksOf(file: string): Promise<string | undefined> {
  const { ino, size, mtimeMs, ctimeMs } = await stat(file);
  if (Math.abs(Date.now() - mtimeMs) < SETTLED) return undefined;
  const journal = await journalOf(`${file}-journal`);
  return journal === undefined ? undefined : [ino, size, mtimeMs, ctimeMs, journal].join(' ');
}

/** @returns undefined: it holds an open transaction */
async function journalOf(name: string): Promise<string | undefined> {
  let journal: FileHandle;
  try {
    journal = await open(name, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return 'none';
    throw thrown;
  }
  try {
    const head = Buffer.alloc(OPEN_JOURNAL.length);
    await journal.read(head, 0, head.length, 0);
    const { size, mtimeMs } = await journal.stat();
    return head.equals(OPEN_JOURNAL) ? undefined : `${size} ${mtimeMs}`;
  } finally {
    await journal.close();
  }
}

/** Piece by piece: a backup holds one piece in memory. */
async function copyBytes(file: string, target: FileHandle): Promise<void> {
  const source = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await target.truncate(0);
    const piece = Buffer.alloc(PIECE);
    for (let at = 0; ; ) {
      const { bytesRead } = await source.read(piece, 0, PIECE, at);
      if (bytesRead === 0) return;
      for (let done = 0; done < bytesRead; ) {
        const { bytesWritten } = await target.write(piece, done, bytesRead - done, at + done);
        done += bytesWritten;
      }
      at += bytesRead;
    }
  } finally {
    await source.close();
  }
}
