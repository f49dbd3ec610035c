/**
 * The journal beside history.db, looked at before SQLite plays it back (format: sqlite.org/fileformat2.html, "The Rollback
 * Journal"). Its header carries no checksum: a flipped byte of it cuts the file to another length, and the journal of another
 * program overwrites pages of ours. What is not believed stays unplayed, and the file is made anew of its pages.
 */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { openThere } from '../files/whole-file.ts';

const MAGIC = 'd9d505f920a163d7';
/** Fields of the header that are used; it fills a sector. */
const HEAD = 28;
/** Records among which the first page of the file is looked for; the writer's are fewer. */
const MAX_RECORDS = 65_536;

/** @param head the first bytes of the file itself @returns why SQLite must not play it back; undefined: it may, or has nothing to */
export function journalFault(file: string, head: Buffer, pageSize: number): string | undefined {
  const fd = openThere(`${file}-journal`);
  if (fd === undefined) return undefined;
  try {
    const bytes = Buffer.alloc(HEAD);
    // A transaction that has ended leaves zeros in its place.
    if (readSync(fd, bytes, 0, HEAD, 0) < HEAD || bytes.toString('hex', 0, 8) !== MAGIC) return undefined;
    const sector = bytes.readUInt32BE(20);
    if (bytes.readUInt32BE(24) !== pageSize || sector < 32 || sector > 65_536 || (sector & (sector - 1)) !== 0)
      return 'its journal is not that of this file';
    const pages = bytes.readUInt32BE(16);
    const first = firstPage(fd, sector, pageSize) ?? head;
    // The number of pages that the header had when the transaction began (fileformat2, "In-header database size").
    if (first.length < 100 || first.compare(head, 0, 24, 0, 24) !== 0 || first.readUInt32BE(28) !== pages)
      return 'its journal is damaged, or not that of this file';
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** Whether the journal is that of the transaction that makes the file: there was no page before it. */
export function isMaking(file: string): boolean {
  const fd = openThere(`${file}-journal`);
  if (fd === undefined) return false;
  try {
    const bytes = Buffer.alloc(HEAD);
    return readSync(fd, bytes, 0, HEAD, 0) === HEAD && bytes.toString('hex', 0, 8) === MAGIC && bytes.readUInt32BE(16) === 0;
  } finally {
    closeSync(fd);
  }
}

/**
 * The first bytes of page 1 as the journal has it; undefined: it does not have it (yet). A transaction larger than the cache
 * has several headers, each at the begin of a sector and with the count of the records behind it. Records that no header
 * counts are those of earlier transactions.
 */
function firstPage(fd: number, sector: number, pageSize: number): Buffer | undefined {
  const step = 4 + pageSize + 4;
  const { size } = fstatSync(fd);
  const head = Buffer.alloc(HEAD);
  const bytes = Buffer.alloc(4 + 100);
  for (let at = 0, looked = 0; looked < MAX_RECORDS && at + sector <= size; looked++) {
    if (readSync(fd, head, 0, HEAD, at) < HEAD || head.toString('hex', 0, 8) !== MAGIC) return undefined;
    const count = Math.min(head.readUInt32BE(8), Math.floor((size - at - sector) / step));
    for (let i = 0; i < count && looked < MAX_RECORDS; i++, looked++) {
      readSync(fd, bytes, 0, bytes.length, at + sector + i * step);
      if (bytes.readUInt32BE(0) === 1) return bytes.subarray(4);
    }
    at += Math.ceil((sector + count * step) / sector) * sector;
  }
  return undefined;
}
