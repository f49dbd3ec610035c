/**
 * Opens log.db whatever state it is in: looks at it, makes it anew where it is damaged or not the newest, and begins the
 * run. After a loss the run has a new log id (contract, rule 1).
 */
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { toError } from '../../core/errors.ts';
import { forgetCopied, isCopied } from '../files/copied-mark.ts';
import { HISTORY_FILE, HISTORY_VERSION } from '../files/history-layout.ts';
import { PAGE_SIZE } from '../files/layout.ts';
import { type Layout, refuseNewer } from '../files/layout-seal.ts';
import type { Repair, Salvaged } from '../files/repair-report.ts';
import { SALVAGE_BOUNDS } from '../files/salvage-bounds.ts';
import type { Sources } from '../files/sources.ts';
import { checkFault, codeOf, isDamage, isNonsense } from '../files/sqlite-errors.ts';
import { asidePath, beginSwap, dropAside, finishSwap, moveAside, moveStray, statSize, swap, twice } from '../files/whole-file.ts';
import { LogDatabase } from '../hot/database.ts';
import { birthOf, closeUnused, openLogFile } from '../hot/log-file.ts';
import type { Opened, OpenRequest } from '../hot/opened.ts';
import { confirmed } from './check-file.ts';
import { headVersion, provenLayout, readHead } from './check-head.ts';
import { checkLog } from './check-log.ts';
import { sizeFault } from './check-size.ts';
import { type Known, readWitness } from './read-witness.ts';
import { rebuildLog, rebuildSmall } from './rebuild-log.ts';
import { beginRun, type Found, readTail, type TailPart } from './recover.ts';
import { forgetTask, readTask, writeTask } from './salvage-task.ts';

export { findLeft, Merger } from './come-back.ts';
export { logsOf } from './recover.ts';
export { forgetTask } from './salvage-task.ts';

/** @throws SluiceError log-newer, log-open */
export function openLog(request: OpenRequest): { database: LogDatabase; opened: Opened } {
  const { file, smallWithin = SALVAGE_BOUNDS.start } = request;
  const history = path.join(path.dirname(file), HISTORY_FILE);
  refuseNewerHistory(history);
  finishSwap(file);
  finishSwap(history);
  keepStraysAway(file, history);
  const tail = request.runtimeDir === undefined ? [] : readTail(request.runtimeDir, request.last);
  let known = readWitness(history);
  const verdict = checkLog(file, known, tail);
  const repairs: Repair[] = [];
  if (verdict.strangeHistory) {
    repairs.push({
      file: 'history.db',
      why: 'it belongs to another log',
      quarantine: moveAside(history),
      salvaged: undefined,
      ended: [],
    });
    known = undefined;
  }
  const why = verdict.damage ?? verdict.loss;
  const earlier = readTask(file);
  let salvage: Found['salvage'] = earlier === undefined ? undefined : { task: earlier, isNew: false, cut: false };
  const sources = sourcesOf(known, tail);
  const mend = (fault: string): void => {
    const begun = earlier === undefined ? beginSalvage(file, fault, sources, smallWithin) : undefined;
    if (begun === undefined) repairs.push(makeAnew(file, fault, sources));
    else salvage = begun;
  };
  if (why !== undefined) mend(why);
  else if (verdict.repair !== undefined) {
    const { repair } = verdict;
    if (earlier !== undefined && repair.small !== undefined) salvage = { task: earlier, isNew: true, cut: repair.small.cut };
    else repairs.push(repairOf(file, repair.why, true, repair.salvaged));
  }
  // Nobody says how far numbers of boots went.
  const unsure = known === undefined ? statSize(history) > 0 : !known.isWhole;
  try {
    return begin(request, { tail, repairs, salvage, unsure });
  } catch (thrown) {
    if (!(isDamage(thrown) || isNonsense(thrown)) || why !== undefined) throw thrown;
    // Found by nothing before: a page that only the transaction came to, or that the disk did not give for once.
    const believed = isNonsense(thrown) || request.tries > 0;
    const found = faultOf(file) ?? (believed ? toError(thrown).message : undefined);
    if (found === undefined) throw thrown;
    mend(found);
    return begin(request, { tail, repairs, salvage, unsure });
  }
}

function begin(request: OpenRequest, found: Found): { database: LogDatabase; opened: Opened } {
  const open = openLogFile(request.file);
  let database: LogDatabase | undefined;
  try {
    database = new LogDatabase(open, request.maxSize);
    database.wal.begin();
    const opened = beginRun(database, request, found);
    if (isCopied(request.file)) {
      database.wal.sync();
      forgetCopied(request.file);
    }
    return { database, opened };
  } catch (thrown) {
    if (database === undefined) closeUnused(open.db);
    else database.leave();
    throw thrown;
  }
}

/**
 * The damaged file goes aside, and the run begins with what is small of it; blocks and notices come back later.
 * @param within it is read for so long, milliseconds. What is not found by then comes back with the rest, as far as it does not
 * contradict what the run has given out meanwhile.
 * @returns undefined where nothing is left to come back, or the disk has no room: then it is done at once
 */
function beginSalvage(file: string, why: string, sources: Sources, within: number): Found['salvage'] {
  if (statSize(file) === 0 && statSize(`${file}-wal`) === 0) return undefined;
  try {
    dropAside(file);
    const until = performance.now() + within;
    const small = twice(() => rebuildSmall(file, beginSwap(file), sources, { until: () => performance.now() > until }, why));
    const task = { why, sources, upTo: small.upTo, alarms: small.alarms };
    writeTask(file, task);
    swap(file);
    return { task, isNew: true, cut: small.cut };
  } catch (thrown) {
    if (!isFull(thrown)) throw thrown;
    forgetTask(file);
    return undefined;
  }
}

/** Where it cannot be read the log goes on without it, and the keeper looks again. @throws SluiceError log-newer */
function refuseNewerHistory(file: string): void {
  let proven: Layout | undefined;
  try {
    if (headVersion(readHead(file)) > HISTORY_VERSION) proven = provenLayout(file, 'history');
  } catch {
    // A disk that does not give it says nothing about it.
  }
  if (proven !== undefined) refuseNewer(file, proven, HISTORY_VERSION);
}

/** SQLite plays back what lies beside a file under the right name, whoever wrote it. */
function keepStraysAway(file: string, history: string): void {
  // log.db has a journal only while its first page is made. A kill in the middle of that leaves its own.
  if (statSize(file) <= PAGE_SIZE) rmSync(`${file}-journal`, { force: true });
  else moveStray(file, ['-journal']);
  moveStray(history, ['-wal', '-shm']);
}

/**
 * Looks for a fault in the file of a log. @returns undefined where the file is whole @throws where it cannot be read
 */
export function faultOf(file: string): string | undefined {
  return confirmed(file, () => {
    // The writer's own pages may lie in its memory, whole.
    const db = new Database(file, { readonly: true, fileMustExist: true });
    try {
      return sizeFault(file) ?? checkFault(db.pragma('integrity_check(1)', { simple: true }) as string);
    } finally {
      db.close();
    }
  });
}

/** After `makeAnew` while the gateway runs: the log goes on under its id, and nothing comes twice. */
export function takeOver(damaged: LogDatabase, maxSize: number): LogDatabase {
  const { file } = damaged;
  damaged.wal.close();
  // Its file has another name now: SQLite leaves it as it is.
  damaged.db.close();
  const database = new LogDatabase(openLogFile(file), maxSize);
  database.wal.begin();
  database.takeOver(damaged);
  database.db.transaction(() => {
    database.setMeta('clean', '0');
    database.setMeta('birth', birthOf(file));
  })();
  database.wal.sync();
  return database;
}

/** The file is made anew of what is left of it and of `sources`; the damaged one lies beside it. */
export function makeAnew(file: string, why: string, sources: Sources): Repair {
  const had = statSize(file) > 0 || statSize(`${file}-wal`) > 0;
  let salvaged: Salvaged | undefined;
  try {
    salvaged = twice(() => rebuildLog(file, beginSwap(file), sources, true, why));
  } catch (thrown) {
    // No room to salvage: the damaged file is kept, and the log goes on.
    if (!isFull(thrown)) throw thrown;
    rebuildLog(file, beginSwap(file), sources, false, why);
  }
  swap(file);
  return repairOf(file, why, had, salvaged);
}

function repairOf(file: string, why: string, had: boolean, salvaged: Salvaged | undefined): Repair {
  const aside = asidePath(file);
  return { file: 'log.db', why, quarantine: had && existsSync(aside) ? aside : undefined, salvaged, ended: [] };
}

function isFull(thrown: unknown): boolean {
  return ['SQLITE_FULL', 'SQLITE_IOERR_WRITE', 'ENOSPC'].includes(codeOf(thrown) ?? '');
}

function sourcesOf(known: Known | undefined, tail: readonly TailPart[]): Sources {
  const newest = known?.logs.at(-1);
  const boots = [...(known?.boots ?? [])];
  // A number of a boot that wrote no hour of history yet is not given again either.
  if (known !== undefined && newest !== undefined && !boots.some((b) => b.boot === known.boot))
    boots.push({ boot: known.boot, log: newest.ordinal });
  return {
    logs: known?.logs ?? [],
    boots,
    shapes: known?.shapes ?? [],
    clock: [],
    lanes: known?.lanes ?? [],
    alarms: [],
    inventory: undefined,
    tails: tail.map(({ log, boot, committed = 0 }) => ({ log, boot, committed })),
    alive: false,
    compacted: known?.compacted ?? [],
  };
}
