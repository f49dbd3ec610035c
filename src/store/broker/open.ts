/**
 * Opens broker.db whatever became of it. Invariants:
 * - A file that is not ours, or of a newer version, or damaged, is set aside (one is kept) and a new one takes its place.
 * - Every row of a damaged file that proves itself by its sum is kept; no other row is.
 * - A disk that takes nothing is no reason to forget what it gives: what can be read is read.
 */
import {
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import type { BrokerChange, BrokerRepair } from '../../core/broker-store.ts';
import { spaceFault } from '../files/free-space.ts';
import { isDamage, isNonsense, messageOf } from '../files/sqlite-errors.ts';
import { moveAside, moveStray, openThere, statSize } from '../files/whole-file.ts';
import { BrokerDatabase, type Found, readRows } from './database.ts';
import { APPLICATION, FIRST_VERSION, layoutOf, MAX_BYTES, MAX_TAIL, parseTail, VERSION } from './layout.ts';

export interface OpenedBroker {
  /** undefined: the disk does not take it now. */
  readonly database: BrokerDatabase | undefined;
  readonly rows: readonly BrokerChange[];
  readonly repair: BrokerRepair | undefined;
  readonly fault: string | undefined;
}

const HEAD = 100;
/** Bytes: a character has three at most. */
const MOST_TAIL = 3 * MAX_TAIL;
const MAGIC = 'SQLite format 3\0';

/** @param scratch a folder to copy the file into, where it cannot be opened to be written; undefined: there is none */
export function openBrokerFile(file: string, scratch: string | undefined): OpenedBroker {
  let repair: BrokerRepair | undefined;
  let rows: readonly BrokerChange[] = [];
  try {
    const foreign = foreignFault(file);
    if (foreign !== undefined) {
      repair = { why: foreign, aside: moveAside(file), kept: 0, damaged: 0 };
      return { database: new BrokerDatabase(file), rows, repair, fault: undefined };
    }
    moveStray(file, ['-journal']);
    const found = readFirst(file);
    ({ rows } = found);
    if (found.fault === undefined && found.database !== undefined)
      return { database: found.database, rows, repair, fault: undefined };
    repair = { why: found.fault ?? 'it cannot be opened', aside: moveAside(file), kept: rows.length, damaged: found.damaged };
    const database = new BrokerDatabase(file);
    database.commit(rows, true);
    return { database, rows, repair, fault: undefined };
  } catch (thrown) {
    const space = spaceFault(thrown, path.dirname(file));
    if (rows.length === 0 && repair === undefined) rows = readCopy(file, scratch);
    return { database: undefined, rows, repair, fault: messageOf(thrown) + (space === undefined ? '' : `. ${space}`) };
  }
}

/** @throws where the disk does not give or take it; damage is a result */
function readFirst(file: string): Found & { database?: BrokerDatabase } {
  let database: BrokerDatabase | undefined;
  try {
    database = new BrokerDatabase(file);
    const found = database.read();
    if (found.fault === undefined) return { ...found, database };
    database.close();
    return found;
  } catch (thrown) {
    try {
      database?.close();
    } catch {
      // It is set aside.
    }
    if (isDamage(thrown) || isNonsense(thrown)) return { rows: [], damaged: 0, fault: messageOf(thrown) };
    throw thrown;
  }
}

/** Why a file cannot be one of this version, read without SQLite: it would play journals of others into it. */
function foreignFault(file: string): string | undefined {
  const size = statSize(file);
  if (size === 0) return undefined;
  const head = Buffer.alloc(HEAD);
  const fd = openThere(file);
  if (fd === undefined) return undefined;
  try {
    readSync(fd, head, 0, HEAD, 0);
  } finally {
    closeSync(fd);
  }
  if (size < HEAD || head.toString('latin1', 0, 16) !== MAGIC) return 'it is no database';
  if (head.readUInt32BE(68) !== APPLICATION) return 'it is not a file of the embedded broker';
  const { version, readers } = layoutOf(head.readUInt32BE(60));
  if (version > VERSION && readers > VERSION) return `it was written by a newer version of the gateway (layout ${version})`;
  if (version < FIRST_VERSION) return `the header of the file is damaged (layout ${version})`;
  if (size > MAX_BYTES) return `it has ${size} bytes, and the gateway never makes it longer than ${MAX_BYTES}`;
  return undefined;
}

/** What a file has that can be read and not written. SQLite writes beside a file that it reads, so it reads a copy. */
function readCopy(file: string, scratch: string | undefined): readonly BrokerChange[] {
  if (scratch === undefined || !isFile(file)) return [];
  let folder: string | undefined;
  try {
    folder = mkdtempSync(path.join(scratch, 'broker-'));
    const copy = path.join(folder, 'copy.db');
    for (const end of ['', '-wal']) if (isFile(file + end)) copyFileSync(file + end, copy + end);
    const db = new Database(copy);
    try {
      return readRows(db).rows;
    } finally {
      db.close();
    }
  } catch {
    return [];
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

const isFile = (file: string): boolean => statSync(file, { throwIfNoEntry: false })?.isFile() === true;

/** The changes that a killed run could not commit any more. Nobody waits for what is no file. */
export function readTail(tail: string | undefined): BrokerChange[] {
  if (tail === undefined) return [];
  let fd: number | undefined;
  try {
    fd = openSync(tail, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    return stat.isFile() && stat.size <= MOST_TAIL ? parseTail(readFileSync(fd, 'utf8')) : [];
  } catch {
    return [];
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** A new file in the place of the tail; links are not followed. */
export function openTail(tail: string): number {
  rmSync(tail, { force: true });
  return openSync(tail, 'ax', 0o600);
}
