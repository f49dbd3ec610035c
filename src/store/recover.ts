/**
 * What happens before the first reading of a run, in one transaction: the tail of a killed run is taken from the
 * runtime directory into the log, the next boot and lease are made. The tail keeps its log, numbers, boot and lanes.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { readEntries, type StoredNotice } from '../codecs/rows.ts';
import type { LogRecord, Shape } from '../core/point.ts';
import type { LogDatabase } from './database.ts';
import { type LaneState, Lanes } from './lanes.ts';
import type { ClockSegment, TailState } from './layout.ts';
import { logFileBytes } from './log-file.ts';
import type { Opened, OpenRequest } from './messages.ts';

/** As beginRun names them. */
const LOG_NAME = /^[0-9a-f]{10}$/;
export const TAIL_FILE = /^tail-(\d+)\.bin$/;

interface TailPart {
  readonly log: string;
  readonly boot: number;
  readonly inventory: number;
  clock: readonly ClockSegment[];
  readonly records: LogRecord[];
  readonly notices: StoredNotice[];
  readonly lanes: Map<string, LaneState>;
  readonly handed: Map<string, number>;
  readonly alarms: Map<string, unknown>;
}

/** The segments of the runtime directory, in the order they were written. Damaged ends are left out. */
export function readTail(runtimeDir: string): TailPart[] {
  let names: string[];
  try {
    names = readdirSync(runtimeDir);
  } catch {
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
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(path.join(runtimeDir, name));
    } catch {
      continue;
    }
    for (const entry of readEntries(bytes, shapes)) {
      if (entry.kind === 'state') {
        const { state } = entry;
        if (!isTailState(state)) break;
        if (state.type === 'segment') {
          part = { ...state, records: [], notices: [], lanes: new Map(), handed: new Map(), alarms: new Map() };
          parts.push(part);
        } else if (part !== undefined && state.type === 'clock') part.clock = state.clock;
        else if (state.type === 'lanes') part?.lanes.set(state.forwarder, state.state);
        else if (state.type === 'handed') part?.handed.set(state.forwarder, state.last);
        else if (state.type === 'alarm') part?.alarms.set(state.rule, state.state);
      } else if (entry.kind === 'record') part?.records.push(entry.record);
      else if (entry.kind === 'notice') part?.notices.push(entry.notice);
    }
  }
  return parts;
}

/** What other software or a damaged byte left there is not acted on. */
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
        isClock(state.clock)
      );
    case 'clock':
      return isClock(state.clock);
    case 'lanes':
      return typeof state.forwarder === 'string' && isLanes(state.state);
    case 'handed':
      return typeof state.forwarder === 'string' && Number.isSafeInteger(state.last);
    case 'alarm':
      return typeof state.rule === 'string';
    default:
      return false;
  }
}
function isClock(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every((s: Partial<ClockSegment> | null) => Number.isSafeInteger(s?.fromSeq) && Number.isFinite(s?.offset))
  );
}
function isLanes(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { ranges, ...numbers } = value as Partial<LaneState>;
  const { data, history, notices, handed } = numbers;
  return (
    Array.isArray(ranges) &&
    ranges.length > 0 &&
    ranges.every((r) => Array.isArray(r) && Number.isSafeInteger(r[0]) && (r[1] === 'data' || r[1] === 'history')) &&
    [data, history, notices, handed].every(Number.isSafeInteger)
  );
}

/** Opens a run on the log. */
export function beginRun(database: LogDatabase, request: OpenRequest): Opened {
  const found = request.runtimeDir === undefined ? [] : readTail(request.runtimeDir);
  return database.db.transaction(() => {
    const before = new Set(database.logs().map((l) => l.name));
    const lastBoot = database.lastBoot();
    // What an earlier start took already, and could not clear away, is not taken again over what came since.
    const tail = found.filter((p) => !before.has(p.log) || p.boot >= lastBoot);
    const strangers = [...new Set(tail.map((p) => p.log))].filter((name) => !before.has(name));
    for (const name of strangers) database.addLog(name);
    // A log is new where the file is new, and where the tail shows that another file, or a later state of this one
    // (somebody put an old copy back), was written last: it may have used numbers beyond this lease.
    let current = database.logs().at(-1);
    if (current === undefined || strangers.length > 0 || tail.some((p) => p.boot > lastBoot)) {
      database.addLog(randomBytes(5).toString('hex'));
      current = database.logs().at(-1);
    }
    if (current === undefined) throw new Error('the log table is empty');
    const recovered = takeTail(database, tail);
    const boot = Math.max(database.lastBoot(), ...tail.map((p) => p.boot)) + 1;
    database.addBoot(boot, current.ordinal);
    database.use(current.ordinal, boot);
    const next = Math.max(database.lease(current.ordinal), database.committed(current.ordinal) + 1);
    const leaseEnd = next + request.lease;
    database.setLease(current.ordinal, leaseEnd);
    return {
      logs: database
        .logs()
        .map((l) => ({ ordinal: l.ordinal, name: l.name, last: database.committed(l.ordinal) }))
        .filter((l) => l.last > 0 || l.ordinal === current.ordinal),
      boot,
      next,
      leaseEnd,
      shapes: database.shapes(),
      forwarders: database.forwarders(),
      alarms: database.alarms(),
      lastAlarms: database.lastAlarms(),
      inventory: database.inventory(),
      recovered,
      quarantined: database.quarantined,
      bytes: logFileBytes(database.file),
    };
  })();
}

function takeTail(database: LogDatabase, tail: readonly TailPart[]): { records: number; notices: number } {
  let records = 0;
  let notices = 0;
  const ordinals = new Map(database.logs().map((l) => [l.name, l.ordinal]));
  for (const part of tail) {
    const log = ordinals.get(part.log) as number;
    // Commits go in order, so the store holds every number up to its last one (or dropped it on purpose).
    const held = database.committed(log);
    const fresh = part.records.filter((r) => r.seq > held);
    const told = part.notices.filter((n) => n.seq > held);
    database.addBoot(part.boot, log);
    database.clock.set(part.boot, part.clock);
    if (fresh.length > 0) database.addRecords(log, part.boot, part.inventory, fresh);
    database.addNotices(log, part.boot, told);
    for (const [name, state] of part.lanes) database.setForwarder({ name, log, state });
    for (const [name, last] of part.handed) {
      const saved = database.forwarders().find((f) => f.name === name && f.log === log);
      if (saved === undefined) continue;
      const lanes = Lanes.load(saved.state);
      lanes.handOver(last);
      database.setForwarder({ name, log, state: lanes.state() });
    }
    for (const [rule, state] of part.alarms) database.setAlarm(rule, state);
    database.useRevision(part.inventory);
    records += fresh.length;
    notices += told.length;
  }
  return { records, notices };
}
