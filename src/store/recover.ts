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
import type { Opened, OpenRequest } from './messages.ts';

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
    for (const entry of readEntries(readFileSync(path.join(runtimeDir, name)), shapes)) {
      if (entry.kind === 'state') {
        const state = entry.state as TailState;
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

/** Opens a run on the log. */
export function beginRun(database: LogDatabase, request: OpenRequest): Opened {
  const tail = request.runtimeDir === undefined ? [] : readTail(request.runtimeDir);
  return database.db.transaction(() => {
    const before = new Set(database.logs().map((l) => l.name));
    const strangers = [...new Set(tail.map((p) => p.log))].filter((name) => !before.has(name));
    for (const name of strangers) database.addLog(name);
    // A log is new where the file is new, and where the tail shows that another file was written last.
    let current = database.logs().at(-1);
    if (current === undefined || strangers.length > 0) {
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
      bytes: database.bytes(),
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
    database.setClock(part.boot, part.clock);
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
    records += fresh.length;
    notices += told.length;
  }
  return { records, notices };
}
