/** Ways to put a small commit on a disk, each with nothing else around it: what a store of that shape could cost at the least. */
import { closeSync, constants, fdatasyncSync, fsyncSync, openSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { WriteAhead } from '../../src/store/hot/wal.ts';

export interface Pattern {
  readonly name: string;
  /** Bytes that one commit gives to the file system. */
  readonly bytes: number;
  /** Makes the files at their full length. @returns what makes a commit and what ends it */
  open(folder: string): { commit(): void; close(): void };
}

const BLOCK = 4096;
const LENGTH = 1024 * 1024;
/** A commit of ten readings, as two pages of 1 KiB in a write-ahead file. */
const FRAMES = 2 * (1024 + 24);
/** The same as a record of its own: what of it is not page. */
const RECORD = 300;

/** Random bytes would cost processor time and change nothing: no layer here compresses. */
function piece(bytes: number): Buffer {
  return Buffer.alloc(bytes, 0x5a);
}

/** @param flags of the file that is written */
function full(file: string, length: number, flags: number): number {
  const made = openSync(file, 'w');
  writeSync(made, Buffer.alloc(length, 1));
  fsyncSync(made);
  closeSync(made);
  return openSync(file, constants.O_RDWR | flags);
}

/** One file that has its length, written from the front to the back again and again. */
function oneFile(name: string, bytes: number, flags = 0): Pattern {
  return {
    name,
    bytes,
    open(folder) {
      const fd = full(path.join(folder, 'log'), LENGTH, flags);
      const what = flags & constants.O_DIRECT ? aligned(fd, bytes) : piece(bytes);
      let at = 0;
      return {
        commit() {
          writeSync(fd, what, 0, bytes, at);
          if ((flags & constants.O_DSYNC) === 0) fdatasyncSync(fd);
          at = at + 2 * bytes > LENGTH ? 0 : at + bytes;
        },
        close: () => closeSync(fd),
      };
    },
  };
}

/** Memory at an address that O_DIRECT takes: Node does not tell addresses, so the kernel is asked. */
function aligned(fd: number, bytes: number): Buffer {
  const padding = Buffer.alloc(bytes + BLOCK, 0x5a);
  for (let from = 0; from < BLOCK; from += 8) {
    try {
      const part = padding.subarray(from, from + bytes);
      writeSync(fd, part, 0, bytes, 0);
      return part;
    } catch {
      // Not at this one.
    }
  }
  throw new Error('no address in a page suits O_DIRECT');
}

/** Segments that have their length, one after the other and round again. */
function ring(name: string, bytes: number, segments: number, length: number): Pattern {
  return {
    name,
    bytes,
    open(folder) {
      const fds = Array.from({ length: segments }, (_, i) => full(path.join(folder, `segment-${i}`), length, 0));
      const what = piece(bytes);
      let at = 0;
      let segment = 0;
      return {
        commit() {
          const fd = fds[segment] as number;
          writeSync(fd, what, 0, bytes, at);
          fdatasyncSync(fd);
          at += bytes;
          if (at + bytes <= length) return;
          at = 0;
          segment = (segment + 1) % segments;
        },
        close: () => fds.forEach((fd) => void closeSync(fd)),
      };
    },
  };
}

/** The same bytes in two files, each synced. */
function twoFiles(name: string, bytes: number): Pattern {
  return {
    name,
    bytes,
    open(folder) {
      const fds = ['log', 'other'].map((file) => full(path.join(folder, file), LENGTH, 0));
      const what = piece(bytes / 2);
      let at = 0;
      return {
        commit() {
          for (const fd of fds) {
            writeSync(fd, what, 0, what.length, at);
            fdatasyncSync(fd);
          }
          at = at + 2 * what.length > LENGTH ? 0 : at + what.length;
        },
        close: () => fds.forEach((fd) => void closeSync(fd)),
      };
    },
  };
}

/** SQLite as log.db is written: pages of 1 KiB, the log's own sync. @param exclusive without a `-shm` file: nobody else can read */
function sqlite(name: string, exclusive: boolean): Pattern {
  return {
    name,
    bytes: FRAMES,
    open(folder) {
      const file = path.join(folder, 'log.db');
      const db = new Database(file);
      db.pragma('page_size = 1024');
      if (exclusive) db.pragma('locking_mode = EXCLUSIVE');
      db.pragma('journal_mode = WAL');
      db.exec('create table block (id integer primary key, body blob not null)');
      const wal = new WriteAhead(file, db, LENGTH);
      wal.begin();
      const insert = db.prepare('insert into block (body) values (?)');
      const body = piece(RECORD);
      const commit = () => {
        wal.ready();
        insert.run(body);
        wal.sync();
        wal.tend();
      };
      // Until the write-ahead file has its length and has been begun anew.
      while (statSync(`${file}-wal`).size < LENGTH) commit();
      db.pragma('wal_checkpoint(RESTART)');
      commit();
      return {
        commit,
        close() {
          wal.close();
          db.close();
        },
      };
    },
  };
}

export const PATTERNS: readonly Pattern[] = [
  oneFile('one file, 2 frames, fdatasync (today)', FRAMES),
  oneFile('the same, O_DSYNC', FRAMES, constants.O_DSYNC),
  oneFile('one file, whole blocks, fdatasync', BLOCK),
  oneFile('the same, O_DIRECT and O_DSYNC', BLOCK, constants.O_DIRECT | constants.O_DSYNC),
  ring('ring of 8 full segments, records', RECORD, 8, 64 * 1024),
  ring('the same, segments of 4 KiB', RECORD, 8, BLOCK),
  twoFiles('two files for a commit', FRAMES),
  sqlite('SQLite, log.db-shm in a file (today)', false),
  sqlite('SQLite, no log.db-shm (exclusive)', true),
];
