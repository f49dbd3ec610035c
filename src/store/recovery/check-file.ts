/**
 * Whether a database is damaged. SQLite says of a page that the disk did not give (EIO) that the database is malformed, by an
 * exception as well as in what a check finds. What it says is therefore believed only when every byte of the files can be
 * read, and when it says so again.
 */
import { closeSync, readSync } from 'node:fs';
import { isDamage, isNonsense, messageOf } from '../files/sqlite-errors.ts';
import { openThere } from '../files/whole-file.ts';

/** With the database itself: its write-ahead file or journal. */
const ENDS = ['', '-wal', '-journal'];
const WINDOW = 256 * 1024;

/**
 * @param find what is wrong, undefined: nothing; or throws
 * @throws what `find` throws that is no damage, and where the disk does not give what it has
 */
export function confirmed(file: string, find: () => string | undefined): string | undefined {
  const once = (): string | undefined => {
    try {
      return find();
    } catch (thrown) {
      if (isDamage(thrown) || isNonsense(thrown)) return messageOf(thrown);
      throw thrown;
    }
  };
  if (once() === undefined) return undefined;
  for (const end of ENDS) readThrough(file + end);
  return once();
}

function readThrough(file: string): void {
  const fd = openThere(file);
  if (fd === undefined) return;
  try {
    const window = Buffer.alloc(WINDOW);
    for (let at = 0, got = -1; got !== 0; at += got) got = readSync(fd, window, 0, WINDOW, at);
  } finally {
    closeSync(fd);
  }
}
