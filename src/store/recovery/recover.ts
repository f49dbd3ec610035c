/**
 * The steps before the first reading of a run, in one transaction: the tail of a killed run is taken from the
 * runtime directory into the log, the next boot and lease are made. The tail keeps its log, numbers, boot and lanes.
 */
import { randomInt } from 'node:crypto';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { readEntries, type StoredNotice } from '../../codecs/rows.ts';
import type { Machine } from '../../core/clock.ts';
import type { LogRecord, Shape } from '../../core/point.ts';
import type { NoticeMessage } from '../../core/ports.ts';
import { Lanes } from '../delivery/lanes.ts';
import { isCopied } from '../files/copied-mark.ts';
import type { LaneState } from '../files/lane-state.ts';
import { type ClockList, type ClockSegment, type ForwarderState, newLogName, type TailState } from '../files/layout.ts';
import type { Repair } from '../files/repair-report.ts';
import type { SalvageTask } from '../files/sources.ts';
import { diskFault } from '../files/sqlite-errors.ts';
import { asidePath, bytesOf } from '../files/whole-file.ts';
import type { LogDatabase } from '../hot/database.ts';
import { birthOf } from '../hot/log-file.ts';
import type { Opened, OpenRequest } from '../hot/opened.ts';
import { BLOCK_READINGS, countReadings } from '../hot/tables/block-table.ts';
import { TAIL_FILE } from '../tail/mirror.ts';
import { readOwn } from '../tail/runtime-dir.ts';
import { forgetRepair } from './cut-repair.ts';
import { HOMES } from './homes.ts';

/** As beginRun names them. */
const LOG_NAME = /^[0-9a-f]{10}$/;

type HandedState = Extract<TailState, { type: 'handed' }>;

export interface TailPart {
  readonly log: string;
  readonly boot: number;
  readonly inventory: number;
  clock: ClockList;
  readonly first: number;
  readonly machine: Machine;
  /** Every number of the log up to here was in its file when the segment was begun. */
  readonly committed?: number;
  /** Read anew with each call: as objects all of them may be more than the memory of a thread. */
  records(): Iterable<LogRecord>;
  /** The highest number of a record; 0 without one. */
  lastRecord: number;
  readonly notices: StoredNotice[];
  readonly lanes: Map<string, LaneState>;
  readonly handed: HandedState[];
  readonly alarms: Map<string, unknown>;
}

/**
 * The segments of the runtime directory, in the order they were written. Damaged ends are left out.
 * @param anyway without those that the disk does not give
 * @throws where it does not give one
 */
export function readTail(runtimeDir: string, anyway = false): TailPart[] {
  let names: string[];
  try {
    names = readdirSync(runtimeDir);
  } catch (thrown) {
    if (!anyway && diskFault(thrown) !== undefined) throw thrown;
    return [];
  }
  const files = names
    .map((name) => TAIL_FILE.exec(name))
    .filter((m) => m !== null)
    .sort((a, b) => Number(a[1]) - Number(b[1]));
  const parts: TailPart[] = [];
  for (const [name] of files) {
    const shapes = new Map<number, Shape>();
    let part: TailPart | undefined;
    let inFile = 0;
    let bytes: Uint8Array;
    try {
      const own = readOwn(path.join(runtimeDir, name));
      if (own === undefined) continue;
      bytes = own;
    } catch (thrown) {
      // The tail goes when the log is open: what is in it must not go unread.
      if (!anyway && diskFault(thrown) !== undefined) throw thrown;
      continue;
    }
    for (const entry of readEntries(bytes, shapes)) {
      if (entry.kind === 'state') {
        const { state } = entry;
        if (!isTailState(state)) break;
        if (state.type === 'segment') {
          const index = inFile++;
          const lists = { notices: [], lanes: new Map(), handed: [], alarms: new Map() };
          part = { ...state, ...lists, records: () => recordsOf(bytes, index), lastRecord: 0 };
          parts.push(part);
        } else if (part !== undefined && state.type === 'clock') part.clock = state.clock;
        else if (state.type === 'lanes') part?.lanes.set(state.forwarder, state.state);
        else if (state.type === 'handed') part?.handed.push(state);
        else if (state.type === 'alarm') part?.alarms.set(state.rule, state.state);
      } else if (part !== undefined && entry.kind === 'record') part.lastRecord = Math.max(part.lastRecord, entry.record.seq);
      else if (entry.kind === 'notice') part?.notices.push(entry.notice);
    }
  }
  return parts;
}

/** @param index of the part in its file */
function* recordsOf(bytes: Uint8Array, index: number): Generator<LogRecord> {
  let at = -1;
  for (const entry of readEntries(bytes, new Map())) {
    if (entry.kind === 'record' && at === index) yield entry.record;
    if (entry.kind !== 'state') continue;
    if (!isTailState(entry.state)) return;
    if (entry.state.type === 'segment') at++;
  }
}

/** Entries of other software and damaged entries have no effect. */
function isTailState(value: unknown): value is TailState {
  if (typeof value !== 'object' || value === null) return false;
  const state = value as Record<string, unknown>;
  switch (state.type) {
    case 'segment':
      return (
        typeof state.log === 'string' &&
        LOG_NAME.test(state.log) &&
        Number.isSafeInteger(state.boot) &&
        Number.isSafeInteger(state.inventory) &&
        isClock(state.clock) &&
        Number.isSafeInteger(state.first) &&
        isMachine(state.machine)
      );
    case 'clock':
      return isClock(state.clock);
    case 'lanes':
      return typeof state.forwarder === 'string' && isLanes(state.state);
    case 'handed':
      return (
        typeof state.forwarder === 'string' &&
        typeof state.log === 'string' &&
        (state.lane === 'data' || state.lane === 'history') &&
        Number.isSafeInteger(state.last)
      );
    case 'alarm':
      return typeof state.rule === 'string';
    default:
      return false;
  }
}
function isClock(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { boot, version, segments } = value as Partial<ClockList>;
  return (
    Number.isSafeInteger(boot) &&
    Number.isSafeInteger(version) &&
    Array.isArray(segments) &&
    segments.every((s: Partial<ClockSegment> | null) => Number.isSafeInteger(s?.fromSeq) && Number.isSafeInteger(s?.offset))
  );
}
function isMachine(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { id, origin } = value as Partial<Machine>;
  return typeof id === 'string' && Number.isFinite(origin);
}
function isLanes(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { ranges, ...numbers } = value as Partial<LaneState>;
  const { data, history, notices, alarms = 0, events = 0, handed, handedHistory, since } = numbers;
  return (
    Array.isArray(ranges) &&
    ranges.length > 0 &&
    ranges.every((r) => Array.isArray(r) && Number.isSafeInteger(r[0]) && (r[1] === 'data' || r[1] === 'history')) &&
    [data, history, notices, alarms, events, handed, handedHistory, since].every(Number.isSafeInteger)
  );
}

/** The findings before a run begins. */
export interface Found {
  readonly tail: readonly TailPart[];
  /** The loss, if there is one: then the run has a new log. */
  readonly repairs: readonly Repair[];
  /** The rest of a damaged file comes back while the run goes on. */
  readonly salvage: { readonly task: SalvageTask; readonly isNew: boolean; readonly cut: boolean } | undefined;
  /** history.db does not say which boots there were. */
  readonly unsure: boolean;
}

/** Where it is not known how far numbers of boots went, they go on so far behind the highest one that is. */
const BOOTS_UNKNOWN = { least: 1000, most: 1_000_000 };

/** Opens a run on the log. */
export function beginRun(database: LogDatabase, request: OpenRequest, { tail: found, repairs, salvage, unsure }: Found): Opened {
  return database.db.transaction(() => {
    const before = new Set(database.logs().map((l) => l.name));
    const lastBoot = database.lastBoot();
    // An earlier start may have taken a part and failed to clear it away. It is not taken again over newer items.
    const tail = found.filter((p) => !before.has(p.log) || p.boot >= lastBoot);
    const strangers = [...new Set(tail.map((p) => p.log))].filter((name) => !before.has(name));
    for (const name of strangers) database.addLog(name);
    // A log is new where the file is new, and where the tail shows that another file, or a later state of this one
    // (somebody put an old copy back), was written last: it may have used numbers beyond this lease.
    let current = database.logs().at(-1);
    const upTo = salvage?.task.upTo ?? 0;
    const lost = repairs.some((r) => r.file === 'log.db') || salvage?.isNew === true;
    const ended = lost ? database.logs().map((l) => l.name) : [];
    // A start that was cut before it had its log is made up for.
    const copied = isCopied(database.file);
    if ((current?.ordinal ?? 0) <= upTo || lost || copied || strangers.length > 0 || tail.some((p) => p.boot > lastBoot)) {
      const highest = Math.max(0, ...database.logs().map((l) => l.ordinal));
      database.addLog(newLogName(), (lost ? Math.max(upTo, highest + HOMES) : upTo) + 1);
      current = database.logs().at(-1);
    }
    if (current === undefined) throw new Error('the log table is empty');
    const recovered = takeTail(database, tail);
    settleHandOvers(database, tail, upTo);
    const leap = lost && (unsure || salvage?.cut === true) ? randomInt(BOOTS_UNKNOWN.least, BOOTS_UNKNOWN.most) : 0;
    const boot = Math.max(database.lastBoot(), ...tail.map((p) => p.boot)) + 1 + leap;
    const next = Math.max(database.lease(current.ordinal), database.committed(current.ordinal) + 1);
    database.addBoot(boot, current.ordinal, next, request.machine);
    database.use(current.ordinal, boot);
    const leaseEnd = next + request.lease;
    database.setLease(current.ordinal, leaseEnd);
    database.setMeta('clean', '0');
    database.setMeta('birth', birthOf(database.file));
    forgetRepair(database.db);
    const begun: Repair[] =
      salvage?.isNew === true
        ? [
            {
              ...{ file: 'log.db', why: salvage.task.why, quarantine: asidePath(database.file) },
              ...{ salvaged: undefined, unfinished: true, ended },
            },
          ]
        : [];
    const { states: savedStates, left: statesLeft } = database.savedStates();
    return {
      logs: logsOf(database).filter((l) => (l.last > 0 && l.ordinal > upTo) || l.ordinal === current.ordinal),
      boot,
      boots: database.boots.open(database.clock),
      next,
      leaseEnd,
      shapes: database.shapes(),
      forwarders: database.forwarders(),
      ...{ savedStates, statesLeft },
      lastAlarms: newestOf(salvage?.task.alarms ?? [], database.lastAlarms()),
      inventory: database.inventory(),
      recovered,
      quarantined: [...repairs, ...begun].find((r) => r.file === 'log.db')?.quarantine,
      repairs: [...repairs, ...begun].map((r) => (r.file === 'log.db' ? { ...r, ended } : r)),
      salvage: salvage === undefined ? undefined : { task: salvage.task, ended },
      bytes: bytesOf(database.file),
    };
  })();
}

/** Those that hold something have a last number. */
export function logsOf(database: LogDatabase): Opened['logs'] {
  return database.logs().map((l) => ({ ordinal: l.ordinal, name: l.name, last: database.committed(l.ordinal) }));
}

/** @param later replace those of the same rule */
function newestOf(earlier: readonly NoticeMessage[], later: readonly NoticeMessage[]): NoticeMessage[] {
  return [...new Map([...earlier, ...later].map((notice) => [notice.key, notice])).values()];
}

function takeTail(database: LogDatabase, tail: readonly TailPart[]): { records: number; notices: number } {
  let records = 0;
  let notices = 0;
  const ordinals = new Map(database.logs().map((l) => [l.name, l.ordinal]));
  for (const part of tail) {
    const log = ordinals.get(part.log) as number;
    // Commits go in order, so the store holds every number up to its last one (or dropped it on purpose).
    const held = database.committed(log);
    const fresh = part.notices.filter((n) => n.seq > held);
    database.addBoot(part.boot, log, part.first, part.machine);
    database.clock.set({ ...part.clock, boot: part.boot });
    for (const some of inSteps(part.records(), held)) {
      database.addRecords(log, part.boot, part.inventory, some);
      records += some.length;
    }
    database.addNotices(log, part.boot, fresh);
    const states = new Map(part.lanes);
    const settled = part.notices.reduce((most, n) => Math.max(most, n.seq), part.lastRecord);
    database.setLanes(
      [...states].map(([name, state]) => ({ name, log, state })),
      log,
      part.boot,
      settled,
    );
    for (const [rule, state] of part.alarms) database.saveState(rule, state);
    database.useRevision(part.inventory);
    notices += fresh.length;
  }
  return { records, notices };
}

/** Those behind `held`, some at a time. */
function* inSteps(records: Iterable<LogRecord>, held: number): Generator<LogRecord[]> {
  let some: LogRecord[] = [];
  let readings = 0;
  for (const record of records) {
    if (record.seq <= held) continue;
    if (some.length > 0 && readings + countReadings(record) > BLOCK_READINGS) {
      yield some;
      some = [];
      readings = 0;
    }
    some.push(record);
    readings += countReadings(record);
  }
  if (some.length > 0) yield some;
}

/** Boots whose end may not be in their row yet. */
const UNMEASURED = 20;

/**
 * Settles the hand-overs to every forwarder until the end of the earlier run. The tail knows them exactly. Without a tail (a
 * power cut), and where the runtime directory could not be written, the whole promise counts as handed over.
 */
function settleHandOvers(database: LogDatabase, tail: readonly TailPart[], upTo: number): void {
  const ordinals = new Map(database.logs().map((l) => [l.name, l.ordinal]));
  const mirrored = new Set(tail.flatMap((part) => [...part.lanes.keys()]));
  const handed = tail.flatMap((part) => part.handed);
  const changed: ForwarderState[] = [];
  for (const { name, log, state } of database.forwarders()) {
    const mine = handed.filter((h) => h.forwarder === name && ordinals.get(h.log) === log);
    if (mine.length === 0 && state.promised === undefined) continue;
    const lanes = Lanes.load(state);
    for (const { last, lane } of mine) lanes.handOver(last, lane);
    if (state.promised?.blind === false && mirrored.has(name)) lanes.forgetPromise();
    // The part of a log that is still to come back counts as there.
    else lanes.assumePromise(Math.max(database.committed(log), log <= upTo ? database.lease(log) - 1 : 0));
    changed.push({ name, log, state: lanes.state() });
  }
  for (const log of new Set(changed.map((f) => f.log)))
    database.setLanes(
      changed.filter((f) => f.log === log),
      log,
      database.lanes().find((row) => row.log === log)?.boot ?? 0,
      0,
    );
  for (const part of tail) database.boots.prove(part.boot);
  const last = database.lastBoot();
  database.boots.doubtAfter(last);
  for (let boot = Math.max(1, last - UNMEASURED); boot <= last; boot++) database.boots.measure(boot);
}
