/**
 * The lock of a state directory. Invariants:
 * - One process holds it. The kernel keeps it on `sluice.lock`, and frees it when the process ends, however it ends. The
 *   lock comes before anything else in the folder is opened.
 * - Nothing is ever written into `sluice.lock`, and it is never removed: a lock on a file without a name protects nothing.
 * - Other users may not read the files of the log.
 */
import { accessSync, chmodSync, constants, lstatSync, readFileSync, statSync, truncateSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { SluiceError, toError } from '../core/errors.ts';
import { spaceFault } from './files/free-space.ts';
import { HISTORY_FILE } from './files/history-layout.ts';
import { LOG_FILE } from './files/layout.ts';
import { makeFolder } from './files/make-folder.ts';
import { codeOf, diskFault } from './files/sqlite-errors.ts';

export const LOCK_FILE = 'sluice.lock';
/** The byte on which SQLite puts the lock of the one connection that may write. */
const RESERVED_BYTE = 0x40000001;
/** A disk that fails once is asked again. */
const TRIES = 3;
/** The files of the log, the files that SQLite puts beside them, and the files of a repair (files/layout.ts). */
const LOG_FILES = [LOG_FILE, HISTORY_FILE].flatMap((file) =>
  ['', '.damaged', '.making', '.ready', '.salvage', '.salvaging', '.salvaged'].flatMap((stage) =>
    ['', '-wal', '-shm', '-journal'].map((end) => file + stage + end),
  ),
);

export class StateDirLock {
  readonly #lock: Database.Database;

  private constructor(lock: Database.Database) {
    this.#lock = lock;
  }

  /** Makes the folder where it is missing. @throws SluiceError already-running, log-open */
  static take(stateDir: string): StateDirLock {
    try {
      makeFolder(stateDir, 0o750);
      accessSync(stateDir, constants.W_OK | constants.X_OK);
    } catch (cause) {
      throw new SluiceError(
        'log-open',
        `gateway.stateDir ${stateDir} cannot be used: ${toError(cause).message}. ${spaceFault(cause, path.dirname(path.resolve(stateDir))) ?? 'Name a folder that the user of the gateway can write to, or give it to that user with chown'}`,
        { cause },
      );
    }
    const lock = new StateDirLock(locked(stateDir));
    closeToOthers(stateDir);
    return lock;
  }

  release(): void {
    this.#lock.close();
  }
}

/**
 * A transaction that reserves the file and is never ended. The reservation is one lock of the kernel on one byte: of two
 * processes that ask at the same time one gets it, and the other one is refused at once.
 */
function locked(stateDir: string): Database.Database {
  const file = path.join(stateDir, LOCK_FILE);
  for (let tries = 1; ; tries++) {
    let db: Database.Database | undefined;
    try {
      // A link may lead to a file of something else, which is not ours to empty.
      if (lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink()) throw new Error('it is a link');
      db = new Database(file, { timeout: 0 });
      // Nothing is kept of a file without content, and no journal lies beside it.
      db.pragma('cache_size = 0');
      db.pragma('journal_mode = memory');
      db.exec('begin immediate');
      return db;
    } catch (thrown) {
      db?.close();
      if (codeOf(thrown) === 'SQLITE_BUSY') throw alreadyRunning(stateDir);
      if (tries < TRIES && emptied(file, thrown)) continue;
      throw new SluiceError(
        'log-open',
        `${file} cannot be locked: ${toError(thrown).message}. ${spaceFault(thrown, stateDir) ?? 'A start needs this lock: remove what is in its place, or name a folder on a local disk as gateway.stateDir'}`,
        { cause: thrown },
      );
    }
  }
}

/** Empties a lock file with foreign content, which means nothing. @returns whether it is worth another try */
function emptied(file: string, thrown: unknown): boolean {
  if (codeOf(thrown) !== 'SQLITE_NOTADB') return diskFault(thrown) !== undefined;
  try {
    truncateSync(file);
    return true;
  } catch {
    return false;
  }
}

function alreadyRunning(stateDir: string): SluiceError {
  const pid = holderOf(stateDir);
  const who = pid === undefined ? 'another process' : `process ${pid}`;
  return new SluiceError(
    'already-running',
    `a gateway is running with this state directory (${who} holds ${path.join(stateDir, LOCK_FILE)}); stop it first${
      pid === undefined ? '' : `: systemctl stop sluice, or, without a service, kill ${pid}`
    }`,
    { data: pid === undefined ? {} : { pid } },
  );
}

/**
 * The process that has locked the folder, as the kernel knows it. Asking disturbs no process.
 * @returns undefined where none has, or where the kernel does not tell
 */
export function holderOf(stateDir: string): number | undefined {
  try {
    const { ino } = statSync(path.join(stateDir, LOCK_FILE));
    // The kernel and stat() may number the device differently (btrfs, overlays): the byte is enough.
    for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
      const found = /: POSIX +\S+ +WRITE +(\d+) [0-9a-f]+:[0-9a-f]+:(\d+) (\d+) /.exec(line);
      if (found !== null && Number(found[2]) === ino && Number(found[3]) === RESERVED_BYTE) return Number(found[1]) || undefined;
    }
  } catch {
    // No such file, or no such table.
  }
  return undefined;
}

/** Files of earlier versions were readable by everybody; new ones get their mode from the umask of `sluice run`. */
function closeToOthers(stateDir: string): void {
  for (const name of [...LOG_FILES, LOCK_FILE]) {
    const file = path.join(stateDir, name);
    try {
      const stat = lstatSync(file);
      const { mode } = stat;
      // A link may lead to a file of something else.
      if (stat.isFile() && (mode & 0o7137) !== 0) chmodSync(file, mode & 0o640);
    } catch {
      // Not there, or another user's file, which a person put there.
    }
  }
}
