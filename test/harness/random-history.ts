/**
 * A log of several boots with all that a query may meet: units that are whole, thinned or only roll-ups, commit blocks
 * behind them, a clock that became better afterwards, bad and missing readings, a point in several shapes.
 * What was appended is kept beside it, for the simplest model there can be.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { rollupWidth } from '../../src/codecs/rollup-sums.ts';
import { hasValue, type LogRecord, type PointInfo, type Sample, type Shape, type Value } from '../../src/core/point.ts';
import { ABSENT } from '../../src/core/reasons.ts';
import { History } from '../../src/store/archive/history-file.ts';
import { nothingTaken, takeFrom } from '../../src/store/archive/thin.ts';
import { Tidier } from '../../src/store/archive/tidy.ts';
import { HISTORY_FILE, HOUR_STATE, type HourRow } from '../../src/store/files/history-layout.ts';
import { keyOf, LOG_FILE, seqOf } from '../../src/store/files/layout.ts';
import { Agreement } from '../../src/store/hot/agreement.ts';
import { LogDatabase } from '../../src/store/hot/database.ts';
import { openLogFile } from '../../src/store/hot/log-file.ts';
import { Decoder } from '../../src/store/read/decoder.ts';
import { LogReader } from '../../src/store/read/reading.ts';
import { ClockTable } from '../../src/store/time/clock-table.ts';
import type { random } from '../oracles/store-samples.ts';

const number = (name: string, type: PointInfo['type'] = 'int16'): PointInfo => ({ name, type, storage: 'number', unit: 'Cel' });
export const SHAPES: readonly Shape[] = [
  { device: 'pump', points: [number('pressure'), { name: 'on', type: 'bool', storage: 'boolean' }, number('flow', 'float64')] },
  { device: 'pump', points: [{ name: 'state', type: 'string', storage: 'string' }, number('pressure')] },
  { device: 'meter', points: [{ name: 'energy', type: 'uint64', storage: 'integer64' }, number('pressure')] },
];

export interface Kept {
  readonly key: number;
  readonly boot: number;
  readonly record: LogRecord;
}

export class RandomHistory {
  readonly stateDir: string;
  readonly records: Kept[] = [];
  /** Offset of each unit when it was made. */
  readonly offsets = new Map<number, number>();
  readonly #random: ReturnType<typeof random>;

  constructor(dir: string, seeded: ReturnType<typeof random>) {
    this.stateDir = path.join(dir, 'state');
    this.#random = seeded;
  }
  get file(): string {
    return path.join(this.stateDir, LOG_FILE);
  }
  get historyFile(): string {
    return path.join(this.stateDir, HISTORY_FILE);
  }

  /** Some boots, most of it compacted, the oldest of that thinned or gone. */
  make(): void {
    mkdirSync(this.stateDir, { recursive: true });
    const database = new LogDatabase(openLogFile(this.file), 1e9);
    const log = database.addLog('0123456789');
    const boots = 1 + this.#random(3);
    let wall = Date.UTC(2026, 0, 1) + this.#random(3_600_000);
    let seq = 1;
    for (let boot = 1; boot <= boots; boot++) {
      database.addBoot(boot, log, seq);
      let at = this.#random(100_000);
      const offset = Math.round(wall - at);
      const segments = [{ fromSeq: 0, offset, estimated: this.#random(3) === 0 }];
      for (let stretch = 1 + this.#random(3); stretch > 0; stretch--) {
        const interval = this.#random.pick([200, 1000, 1000, 10_000, 60_000]);
        let pending: LogRecord[] = [];
        for (let n = 10 + this.#random(150); n > 0; n--) {
          at += interval + this.#random(20);
          if (this.#random(150) === 0) segments.push({ fromSeq: seq, offset: offset + this.#random(20_000), estimated: false });
          const record = { seq, sample: this.#sample(at) };
          this.records.push({ key: keyOf(log, seq), boot, record });
          pending.push(record);
          seq += 1 + (this.#random(20) === 0 ? this.#random(100_000) : 0);
          if (this.#random(20) > 0 && n > 1) continue;
          database.addRecords(log, boot, 1, pending);
          pending = [];
        }
      }
      database.clock.set({ boot, version: 1, segments });
      wall += at + this.#random(600_000);
    }
    database.db.close();
    this.#compact(boots);
    this.#age();
    if (this.#random(2) === 0) this.#moveClock();
  }

  /** One boot from 1970 on, a record a second, a block every ten, a unit every `unit`; the last `unit` stays in blocks. */
  makeOf(seconds: number, unit: number, sample: (seq: number, at: number) => Sample): void {
    mkdirSync(this.stateDir, { recursive: true });
    const database = new LogDatabase(openLogFile(this.file), 1e9);
    const log = database.addLog('0123456789');
    database.addBoot(1, log, 1);
    database.clock.set({ boot: 1, version: 1, segments: [{ fromSeq: 0, offset: 0, estimated: false }] });
    const reader = new LogReader(this.file);
    reader.history = History.open(this.historyFile);
    let pending: LogRecord[] = [];
    for (let seq = 1; seq <= seconds; seq++) {
      pending.push({ seq, sample: sample(seq, 1000 * seq) });
      if (seq % 10 > 0 && seq < seconds) continue;
      database.addRecords(log, 1, 1, pending);
      pending = [];
      if (seq % unit === 0 && seq + unit <= seconds) this.makeUnit(reader, 1);
    }
    reader.close();
    database.db.close();
  }

  #sample(at: number): Sample {
    const shape = this.#random.pick(SHAPES);
    const values = shape.points.map((p): Value => {
      if (p.storage === 'boolean') return this.#random(2) === 0;
      if (p.storage === 'string') return this.#random.pick(['idle', 'run']);
      if (p.storage === 'integer64') return 2n ** 60n + BigInt(this.#random(1000));
      return p.type === 'float64' ? (this.#random(1e6) + 1) / 7 : (this.#random(4000) - 1000) / 100;
    });
    const reasons = this.#random(4) === 0 ? Uint8Array.from(values, () => this.#random.pick([0, 0, ABSENT, 1, 6, 128])) : null;
    return { shape, at, values, reasons };
  }

  /** Everything becomes units, or some blocks are left. */
  #compact(boot: number): void {
    const reader = new LogReader(this.file);
    reader.history = History.open(this.historyFile);
    for (let units = this.#random.pick([0, 1, 2, 5, 1000, 1000]); units > 0; units--) if (!this.makeUnit(reader, boot)) break;
    for (const { id, boot: b, last } of reader.history.db.prepare<[], HourRow>('select * from unit order by id').all())
      this.offsets.set(id, reader.clock.of(b, last)?.offset ?? 0);
    reader.close();
  }

  /** @returns whether there were blocks for one; they are gone then, as with the next commit */
  makeUnit(reader: LogReader, boot: number): boolean {
    const tidier = new Tidier(this.historyFile, reader, new Agreement(), () => {});
    const steps = tidier.run({
      ...{ id: 0, boot, at: 1e12, budget: 1e12, limit: Number.MAX_SAFE_INTEGER, needs: 0 },
      ...{ wall: undefined, maxAge: 1e13, active: [], force: true },
    });
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    const db = new Database(this.file);
    for (const [log, seq] of step.value.compacted)
      db.prepare('delete from block where id >= ? and id <= ?').run(keyOf(log, 0), keyOf(log, seq));
    db.close();
    return step.value.more;
  }

  /** The oldest units are thinned, or lose their records. */
  #age(): void {
    const history = History.open(this.historyFile);
    const units = history.db.prepare<[], HourRow>('select * from unit order by id').all();
    const summaries = this.#random(units.length + 1);
    const thinned = summaries + this.#random(units.length - summaries + 1);
    units.slice(0, thinned).forEach((unit, i) => {
      takeFrom(history, new ClockTable(history.db), unit, i < summaries ? 'dropped' : 'thinned', [], nothingTaken());
    });
    history.close();
  }

  /** The time was learnt better after all: on some number on, for some boots. */
  #moveClock(): void {
    const db = new Database(this.file);
    for (const boot of new Set(this.records.map((r) => r.boot))) {
      if (this.#random(2) === 0) continue;
      db.prepare('update clock set offset = offset + ?, estimated = ? where boot = ?').run(
        this.#random(90_000) - 45_000,
        this.#random(2),
        boot,
      );
    }
    db.close();
  }

  reader(): { reader: LogReader; decoder: Decoder; damaged: unknown[] } {
    const damaged: unknown[] = [];
    const reader = new LogReader(this.file);
    reader.history = History.open(this.historyFile);
    return { reader, decoder: new Decoder((block) => damaged.push(block)), damaged };
  }
}

/** A reading as the model has it, or (`grouped`) as a roll-up has it: it then stands in the middle of its bucket. */
export interface ModelReading {
  readonly time: number;
  readonly exact: number;
  readonly value: Value | null;
  readonly reason: number;
  readonly estimated: boolean;
  readonly key: number;
  readonly device: string;
  readonly point: PointInfo;
}

/** What is left for buckets of `width`: every reading, or what roll-ups say of those that are gone. */
export function modelReadings(made: RandomHistory, reader: LogReader, width: number): ModelReading[] {
  const clockOf = remembered((boot: number, seq: number) => reader.clock.of(boot, seq) ?? { offset: 0, estimated: true });
  const segmentsOf = remembered((boot: number, _: number) => reader.clock.list(boot).segments);
  const units = reader.history?.db.prepare<[], HourRow>('select * from unit order by id').all() ?? [];
  const unitOf = (key: number) => units.find((u) => u.id <= key && key <= u.id - seqOf(u.id) + u.last);
  const parts = new Map<string, Kept[]>();
  for (const kept of made.records) {
    const name = `${unitOf(kept.key)?.id ?? 'block'}/${SHAPES.indexOf(kept.record.sample.shape)}`;
    const part = parts.get(name);
    if (part === undefined) parts.set(name, [kept]);
    else part.push(kept);
  }
  const out: ModelReading[] = [];
  for (const part of parts.values()) {
    const unit = unitOf((part[0] as Kept).key);
    const ats = part.map((k) => k.record.sample.at);
    const w = rollupWidth((ats.at(-1) as number) - (ats[0] as number), part.length);
    const grouped =
      unit !== undefined && (unit.state === HOUR_STATE.summary || (unit.state === HOUR_STATE.thinned && width >= w));
    const left = unit?.state === HOUR_STATE.thinned && !grouped ? part.filter((_, i) => i % 8 === 0) : part;
    for (const { key, boot, record } of left) {
      const { shape, at, values, reasons } = record.sample;
      const clock = clockOf(boot, record.seq);
      // Roll-ups do not tell which number was where: where a unit has several mappings, its last one stands for all.
      const mapped = unit === undefined ? clock : clockOf(boot, unit.last);
      const several = unit !== undefined && segmentsOf(boot, 0).some((s) => s.fromSeq > seqOf(unit.id) && s.fromSeq <= unit.last);
      const last = { offset: mapped.offset, estimated: mapped.estimated || several };
      const before = made.offsets.get(unit?.id ?? 0) ?? 0;
      const middle = Math.floor((at + before) / w) * w - before + w / 2;
      shape.points.forEach((point, i) => {
        const reason = reasons?.[i] ?? 0;
        if (reason === ABSENT) return;
        const value = hasValue(reason) ? (values[i] as Value) : null;
        const exact = at + clock.offset;
        const time = grouped ? middle + last.offset : exact;
        const estimated = grouped ? last.estimated : clock.estimated;
        out.push({ time, exact, value, reason, estimated, key, device: shape.device, point });
      });
    }
  }
  return out;
}

function remembered<T>(of: (boot: number, seq: number) => T): (boot: number, seq: number) => T {
  const known = new Map<string, T>();
  return (boot, seq) => {
    const key = `${boot}/${seq}`;
    const value = known.get(key) ?? of(boot, seq);
    known.set(key, value);
    return value;
  };
}
