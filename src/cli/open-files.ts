/**
 * Opens the files of a log whose gateway does not run. What a process has locked is not opened: a start may be repairing
 * it. Nothing is locked here, so that a long export keeps no gateway from its start. SQLite writes beside a file even to
 * read it: where it may not (a card that is mounted read-only), a copy is read.
 */
import { accessSync, constants, copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SluiceError, toError } from '../core/errors.ts';
import { type History, tryHistory } from '../store/archive/history-file.ts';
import { HISTORY_FILE } from '../store/files/history-layout.ts';
import { LOG_FILE } from '../store/files/layout.ts';
import { LogReader } from '../store/read/reading.ts';
import { holderOf } from '../store/state-dir.ts';
import { fileWords } from './file-words.ts';

const FILES = [LOG_FILE, `${LOG_FILE}-wal`, HISTORY_FILE, `${HISTORY_FILE}-journal`];

export interface OpenFiles {
  readonly reader: LogReader;
  /** Why history.db cannot be read, in words. */
  readonly fault: string | undefined;
}

/** @throws SluiceError not-found, not-running, log-read */
export function openFiles(stateDir: string): OpenFiles {
  const file = path.join(stateDir, LOG_FILE);
  if (!existsSync(file))
    throw new SluiceError('not-found', `there is no log at ${file}: has the gateway run with this configuration?`);
  const holder = holderOf(stateDir);
  if (holder !== undefined)
    throw new SluiceError(
      'not-running',
      `process ${holder} has the log in ${stateDir} open and does not answer. If the gateway is starting, ask again in a moment. If it hangs, stop it first (kill ${holder})`,
    );
  if (!needsCopy(stateDir)) return open(stateDir);
  let copy: string | undefined;
  try {
    copy = mkdtempSync(path.join(tmpdir(), 'sluice-export-'));
    copyFiles(stateDir, copy);
  } catch (cause) {
    if (copy !== undefined) rmSync(copy, { recursive: true, force: true });
    throw new SluiceError(
      'log-read',
      `${stateDir} is read-only, so its log must be copied first, and the copy cannot be made in ${tmpdir()}: ${fileWords(cause)}. Set TMPDIR to a folder that has room for the log`,
      { cause },
    );
  }
  try {
    return open(copy);
  } finally {
    // Open files stay readable, and no copy is left behind however this ends.
    rmSync(copy, { recursive: true, force: true });
  }
}

function open(dir: string): OpenFiles {
  const reader = new LogReader(path.join(dir, LOG_FILE));
  const historyFile = path.join(dir, HISTORY_FILE);
  let found: { history: History | undefined; fault: string | undefined } | undefined;
  // An empty one is none: opening it would write its tables.
  if ((statSync(historyFile, { throwIfNoEntry: false })?.size ?? 0) > 0) found = tryHistory(historyFile);
  reader.history = found?.history;
  return { reader, fault: found === undefined && usesHistory(reader) ? 'it is gone' : found?.fault };
}

/** log.db remembers what was compacted into history.db. */
function usesHistory({ db }: LogReader): boolean {
  return (db.prepare<[], number>('select coalesce(max(seq), 0) from compacted').pluck().get() ?? 0) > 0;
}

function needsCopy(stateDir: string): boolean {
  try {
    accessSync(stateDir, constants.W_OK);
    return false;
  } catch (thrown) {
    // The folder belongs to another user, whose gateway may run: its index of the write-ahead file is there to be used.
    return toError(thrown).message.startsWith('EROFS') || !existsSync(path.join(stateDir, `${LOG_FILE}-shm`));
  }
}

function copyFiles(from: string, to: string): void {
  for (const name of FILES) if (existsSync(path.join(from, name))) copyFileSync(path.join(from, name), path.join(to, name));
}
