/**
 * A file beside log.db says that this copy of the log may be older than the log itself: a card was copied, or a backup came back. The next
 * run gets a log of its own, so that no number is used twice (contract, rule 1). What the copy has not delivered leaves under its old log.
 */
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';

export const COPIED_MARK = 'log.copied';

export const isCopied = (logFile: string): boolean => existsSync(path.join(path.dirname(logFile), COPIED_MARK));

/** The run that has the new log is on the disk. A mark that cannot be removed costs another new log, and loses nothing. */
export function forgetCopied(logFile: string): void {
  try {
    rmSync(path.join(path.dirname(logFile), COPIED_MARK), { force: true });
  } catch {
    // A folder or a disk that refuses: the next start has one more log.
  }
}
