/**
 * The first bytes of a file of the log, read without SQLite (format: sqlite.org/fileformat2.html, "The Database Header").
 * The header is the same in every file of ours, apart from counters. SQLite acts on a flipped byte of it in many ways, and
 * refuses to write or to read for some of them.
 */
import { closeSync, readSync } from 'node:fs';
import type { FoundRow } from '../files/found-row.ts';
import { HISTORY_PAGE_SIZE } from '../files/history-layout.ts';
import { PAGE_SIZE } from '../files/layout.ts';
import { LAYOUT_ROW, type Layout, parseLayout, type SealedFile } from '../files/layout-seal.ts';
import { openThere } from '../files/whole-file.ts';
import { DamagedFile } from './salvage.ts';

const LENGTH = 100;
const MAGIC = 'SQLite format 3\0';
/** The table `meta` lies at the front of each file; so many pages are looked at for its rows. */
const META_WITHIN = 4096;

interface Kind {
  readonly pageSize: number;
  /** Versions for reading and writing: 2 is with a write-ahead file. A file that was just made may still have the other one. */
  readonly modes: readonly number[];
  readonly vacuums: boolean;
}
const KINDS: Readonly<Record<SealedFile, Kind>> = {
  log: { pageSize: PAGE_SIZE, modes: [1, 2], vacuums: false },
  history: { pageSize: HISTORY_PAGE_SIZE, modes: [1], vacuums: true },
};

/** @returns fewer than 100 bytes where the file is shorter or not there @throws where the disk does not give it */
export function readHead(file: string): Buffer {
  const head = Buffer.alloc(LENGTH);
  const fd = openThere(file);
  if (fd === undefined) return Buffer.alloc(0);
  try {
    return head.subarray(0, readSync(fd, head, 0, LENGTH, 0));
  } finally {
    closeSync(fd);
  }
}

/** A value that no file of ours has; undefined: there is none. @param head of a file that is not empty */
export function headFault(head: Buffer, file: SealedFile): string | undefined {
  if (head.length < LENGTH || head.toString('latin1', 0, 16) !== MAGIC) return 'the header of the file is not that of a database';
  const { pageSize, modes, vacuums } = KINDS[file];
  // One without any table has no format and no encoding yet.
  const holds =
    head.readUInt16BE(16) === pageSize &&
    modes.includes(head[18] as number) &&
    modes.includes(head[19] as number) &&
    head[20] === 0 &&
    head.readUIntBE(21, 3) === 0x402020 &&
    [0, 4].includes(head.readUInt32BE(44)) &&
    [0, 1].includes(head.readUInt32BE(56)) &&
    head.readUInt32BE(52) > 0 === vacuums &&
    head.readUInt32BE(64) === (vacuums ? 1 : 0);
  return holds ? undefined : 'the header of the file is damaged, or that of another program';
}

/** Layout as the header has it, without any proof; 0 where there is no header. */
export function headVersion(head: Buffer): number {
  return head.length < LENGTH || head.toString('latin1', 0, 16) !== MAGIC ? 0 : head.readInt32BE(60);
}

/** The highest layout that a row of a file proves, read without SQLite; version 0: none. Nothing is touched. */
export function provenLayout(path: string, file: SealedFile): Layout {
  const layoutOf = ({ rowid, columns }: FoundRow): Layout =>
    parseLayout(rowid === undefined && columns.length === 2 && columns[0] === LAYOUT_ROW ? columns[1] : '', file);
  const pages = new DamagedFile(path, KINDS[file].pageSize, (row) => layoutOf(row).version > 0, { pages: META_WITHIN });
  try {
    let highest: Layout = { version: 0, readers: 0 };
    for (const row of pages.rows()) {
      const found = layoutOf(row);
      if (found.version > highest.version) highest = found;
    }
    return highest;
  } finally {
    pages.close();
  }
}
