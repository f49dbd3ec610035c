/** The writer thread: owns the log's file. One message at a time, in order; a commit that fails hands its entries back. */
import path from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { toError } from '../../core/errors.ts';
import type { Shape } from '../../core/point.ts';
import { spaceFault } from '../files/free-space.ts';
import type { KeptLog, Repair } from '../files/repair-report.ts';
import { spaceOf } from '../files/room.ts';
import type { SalvageTask } from '../files/sources.ts';
import { codeOf, diskFault, isDamage } from '../files/sqlite-errors.ts';
import { Agreement } from '../hot/agreement.ts';
import type { CommitRequest } from '../hot/commit-request.ts';
import type { LogDatabase } from '../hot/database.ts';
import { keepLogs } from '../hot/keep-logs.ts';
import { WalGone } from '../hot/wal.ts';
import { faultOf, forgetTask, logsOf, Merger, makeAnew, openLog, takeOver } from '../recovery/open-log.ts';
import type { WriterData, WriterMessage, WriterReply } from './messages.ts';

const port = parentPort;
if (port === null) throw new Error('writer.ts is a thread');
const reply = (message: WriterReply, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);
const { request, leaving, agreement } = workerData as WriterData;
const blocks = new Agreement(agreement);
const isLeaving = (): boolean => Atomics.load(leaving, 0) !== 0;
const shapes = new Map<number, Shape>();
/** Time between two repairs of a running log, milliseconds. */
const REPAIR_EVERY = 60_000;
/** Time between two tries to make the file smaller, milliseconds: what cannot be done now is no reason to wear the card. */
const SHRINK_EVERY = 60_000;
let shrunkAt = Number.NEGATIVE_INFINITY;
/** The fault of the database file that was reported last. */
let reported: string | undefined;
let database: LogDatabase | undefined;
try {
  const run = openLog(request);
  ({ database } = run);
  database.wal.sync();
  reply({ kind: 'opened', opened: run.opened });
} catch (thrown) {
  database?.leave();
  database = undefined;
  const space = spaceFault(thrown, path.dirname(request.file));
  const error = toError(thrown).message + (space === undefined ? '' : `. ${space}`);
  reply({ kind: 'failed', failure: { id: 0, error, code: diskFault(thrown) ?? codeOf(thrown) } });
}
if (database !== undefined) tend(database);

port.on('message', (message: WriterMessage) => {
  if (message.kind === 'leave') {
    // Here, and not some time after the thread is said to have ended: a caller that waits for its end may touch the files.
    merger?.close();
    database?.leave();
    database = undefined;
    port.close();
    return;
  }
  if (database === undefined || isLeaving()) return;
  if (message.kind === 'commit') commit(database, message.request);
  else if (message.kind === 'look') repairAs(database, undefined);
  else if (message.kind === 'come-back') comeBack(message.task);
  else if (message.kind === 'keep') keep(database, message.logs);
  else {
    merger?.close();
    try {
      database.end(message.next);
      database.wal.close();
      database.db.close();
    } catch {
      // The lease stays where it was: numbers are skipped, none is used twice.
      database.leave();
    }
    database = undefined;
    reply({ kind: 'closed' });
    port.close();
  }
});

function commit(db: LogDatabase, message: CommitRequest): void {
  try {
    const result = db.commit(message, shapes, isLeaving, blocks);
    // Here, where the disk is waited for anyway: the main thread waits for none.
    const space = message.asksSpace === true ? (spaceOf(path.dirname(db.file)) ?? null) : undefined;
    reply({ kind: 'committed', result: { ...result, space } });
    unseen = 0;
    tend(db);
  } catch (thrown) {
    // The next start finds what the files still have, and the rest in the runtime directory.
    if (thrown instanceof WalGone) throw thrown;
    const { chunks } = message;
    if (isDamage(thrown) && repairAs(db, toError(thrown).message) && database !== undefined) {
      commit(database, message);
      return;
    }
    const error = isDamage(thrown) ? `${db.file} cannot be read: ${toError(thrown).message}` : toError(thrown).message;
    reply(
      { kind: 'failed', failure: { id: message.id, error, code: codeOf(thrown), chunks } },
      chunks.map((c) => c.entries.buffer),
    );
  }
}

let repairedAt = Number.NEGATIVE_INFINITY;
/** Faults of commits, in a row, of which a look at the file saw nothing. */
let unseen = 0;
/** The number of such faults that is believed: a file that no commit comes through is of no use. */
const BELIEVED = 3;
/** @param met what a commit met; undefined: a reader met it @returns whether there is another file now */
function repairAs(db: LogDatabase, met: string | undefined): boolean {
  // A card that spoils every file is not worn out by making new ones.
  if (performance.now() - repairedAt < REPAIR_EVERY) return false;
  let repair: Repair;
  try {
    let found = faultOf(db.file);
    if (found === undefined && met !== undefined && ++unseen >= BELIEVED) found = met;
    if (found === undefined) return false;
    repairedAt = performance.now();
    repair = makeAnew(db.file, found, db.remembered());
  } catch {
    // The disk takes nothing now: the file stays as it is, and the next failure comes here again.
    return false;
  }
  // A failure from here on ends the thread: the next start opens the new file.
  database = takeOver(db, request.maxSize);
  reply({ kind: 'repaired', repair });
  return true;
}

let merger: Merger | undefined;
/** Tries to bring back a step, in a row, and the time between two of them, milliseconds; the next start tries again. */
const MERGE_TRIES = 20;
const MERGE_RETRY = 5000;
let mergeTries = 0;

/** A step, then the requests that wait, then the next step. @param task undefined: nothing came of it */
function comeBack(task: SalvageTask | undefined): void {
  const db = database;
  if (db === undefined || isLeaving()) return;
  try {
    if (task !== undefined) {
      merger ??= new Merger(db, task, blocks);
      db.wal.ready();
      const done = merger.step();
      db.wal.sync();
      blocks.commitsOnDisk();
      mergeTries = 0;
      tend(db);
      reply({ kind: 'coming-back', done: merger.done, of: merger.of });
      if (!done) {
        setImmediate(() => comeBack(task));
        return;
      }
      merger.close();
      merger = undefined;
    }
    forgetTask(db.file);
    reply({ kind: 'came-back', logs: logsOf(db), forwarders: db.forwarders(), fault: undefined });
  } catch (thrown) {
    if (thrown instanceof WalGone) throw thrown;
    merger?.close();
    merger = undefined;
    const fault = toError(thrown).message;
    if (isDamage(thrown)) repairAs(db, fault);
    if (++mergeTries < MERGE_TRIES) setTimeout(() => comeBack(task), MERGE_RETRY).unref();
    else reply({ kind: 'came-back', logs: [], forwarders: [], fault });
  }
}

function keep(db: LogDatabase, logs: readonly KeptLog[]): void {
  try {
    db.wal.ready();
    keepLogs(db, logs);
    db.wal.sync();
    reply({ kind: 'kept', logs: logsOf(db), forwarders: db.forwarders() });
  } catch (thrown) {
    if (thrown instanceof WalGone) throw thrown;
    // The disk takes nothing now: history.db names logs that log.db does not know, and the next opening of it comes here again.
  }
}

/** After the answer, so that nobody waits for a checkpoint. */
function tend(db: LogDatabase): void {
  shrink(db);
  const fault = db.wal.tend();
  if (fault !== reported) reply({ kind: 'checkpoint', fault });
  reported = fault;
}

function shrink(db: LogDatabase): void {
  if (performance.now() - shrunkAt < SHRINK_EVERY) return;
  try {
    if (db.shrink()) shrunkAt = performance.now();
  } catch {
    // No room for a second copy, or a disk that fails: it is tried again, and the next commit reports the disk.
    shrunkAt = performance.now();
  }
}
