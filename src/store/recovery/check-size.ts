/**
 * Whether log.db has all the pages that it is said to have. SQLite takes a page behind the end of the file for zeros when it
 * checks, and reports a failing disk when it reads a long row there: such a row would be tried again for ever.
 */
import { PAGE_SIZE } from '../files/layout.ts';
import { statSize } from '../files/whole-file.ts';
import { readHead } from './check-head.ts';
import { readWal, type Wal } from './salvage-wal.ts';

/** @param head the first bytes of the file, which is a database @returns what is wrong */
export function sizeFault(
  file: string,
  head: Buffer = readHead(file),
  wal: Wal = readWal(`${file}-wal`, PAGE_SIZE),
): string | undefined {
  // Pages that are not in the file yet lie in the write-ahead file. Pages of an earlier round of that are in the file.
  const pages = wal.chain > 0 ? wal.pages : head.length < 32 ? 0 : head.readUInt32BE(28);
  const whole = Math.floor(statSize(file) / PAGE_SIZE);
  const ahead = new Set(wal.frames.slice(0, wal.chain).map((frame) => frame.page));
  // No number in a header makes a loop longer than the files.
  let missing = pages - whole > ahead.size;
  for (let page = whole + 1; page <= pages && !missing; page++) missing = !ahead.has(page);
  return missing ? `the file ends before the last of its ${pages} pages` : undefined;
}
