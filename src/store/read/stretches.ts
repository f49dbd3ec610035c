/**
 * The log as a row of stretches: hours of history.db, then the commit blocks of log.db behind the last hour. Their heads tell
 * which of them a time range can concern, so that nothing else is decoded. Read-only.
 */
import type Database from 'better-sqlite3';
import { blockStart } from '../../codecs/blocks.ts';
import type { Shape } from '../../core/point.ts';
import type { History } from '../archive/history-file.ts';
import type { ReadFiles } from '../archive/read-files.ts';
import { HOUR_STATE, type HourRow } from '../files/history-layout.ts';
import { type ClockSegment, keyOf, seqOf, shapeReader } from '../files/layout.ts';
import { type Mapping, mappingAt } from '../time/clock-segments.ts';
import type { ClockTable } from '../time/clock-table.ts';
import type { BlockHead, Blocks } from './blocks.ts';
import { type Pace, rest } from './pace.ts';
import type { Still } from './still.ts';

/** Replies of several buses may be some seconds out of order. */
const MARGIN = 60_000;
/** Roll-ups may be all that is left of an hour. They stand in the middle of their bucket, which is an hour long at most. */
const ROLLUP_MARGIN = 1_800_000 + MARGIN;
/** Heads that are read at once. */
const LOOK = 500;
/** How often a question is asked where compaction took its blocks. The last time compaction waits: it may go on for minutes. */
const TRIES = 3;
/** The origin of time of a boot without any mapping: its own start. */
const NOWHERE: Mapping = { offset: 0, estimated: true };

export interface Stretch {
  readonly id: number;
  /** Ordinal of its log. */
  readonly log: number;
  /** Numbers of its records: seqOf(id)..last. */
  readonly last: number;
  readonly boot: number;
  readonly inventory: number;
  readonly readings: number;
  /** Monotonic ms; undefined: only its first record tells. */
  readonly atFirst: number | undefined;
  readonly atLast: number;
  /** undefined: a commit block. */
  readonly hour: HourRow | undefined;
}

/** Both files, with the statements that walk over the blocks of one of them. */
export interface WalkedFiles extends ReadFiles {
  readonly blocks: Blocks;
  readonly still: Still;
}

/** The mappings of one boot. */
export class BootClock {
  readonly #segments: readonly ClockSegment[];
  constructor(segments: readonly ClockSegment[]) {
    this.#segments = segments;
  }
  at(seq: number): Mapping {
    return mappingAt(this.#segments, seq) ?? NOWHERE;
  }
  /** The one mapping of all numbers from..to; undefined when they have several. */
  alone(from: number, to: number): Mapping | undefined {
    return this.#segments.some((s) => s.fromSeq > from && s.fromSeq <= to) ? undefined : this.at(from);
  }
  /** Every offset of from..to. */
  offsets(from: number, to: number): number[] {
    const later = this.#segments.filter((s) => s.fromSeq > from && s.fromSeq <= to);
    return [this.at(from).offset, ...later.map((s) => s.offset)];
  }
}

export class Stretches {
  readonly #files: WalkedFiles;
  readonly #clock: ClockTable;
  readonly #clocks = new Map<number, BootClock>();
  readonly #starts = new Map<number, number>();
  #moved = false;

  /** For one question: what it learnt of clocks is not learnt again. */
  constructor(files: WalkedFiles) {
    this.#files = files;
    this.#clock = files.clock;
  }

  get db(): Database.Database {
    return this.#files.db;
  }
  get history(): History | undefined {
    return this.#files.history;
  }

  clock(boot: number): BootClock {
    let clock = this.#clocks.get(boot);
    if (clock === undefined) {
      clock = new BootClock(this.#segments(boot));
      this.#clocks.set(boot, clock);
    }
    return clock;
  }

  /** Where log.db was lost, history.db has a copy. */
  #segments(boot: number): readonly ClockSegment[] {
    const { segments } = this.#clock.list(boot);
    if (segments.length > 0) return segments;
    const rows = this.history?.db
      .prepare<[number], { from_seq: number; offset: number; estimated: number }>(
        'select from_seq, offset, estimated from clock where boot = ? order by from_seq',
      )
      .all(boot);
    return rows?.map((r) => ({ fromSeq: r.from_seq, offset: r.offset, estimated: r.estimated === 1 })) ?? [];
  }

  #logs(): number[] {
    const logs = new Set<number>();
    for (const db of [this.history?.db, this.#files.db])
      for (const log of db?.prepare<[], number>('select ordinal from log').pluck().all() ?? []) logs.add(log);
    return [...logs].sort((a, b) => a - b);
  }

  /**
   * The first UTC ms from `from` on at which it may have a record; Infinity when it has none. Its mappings may lie years
   * apart (a board that began in 1970), with nothing between them.
   */
  reach(stretch: Stretch, from: number): number {
    const margin = stretch.hour === undefined || stretch.hour.state === HOUR_STATE.whole ? MARGIN : ROLLUP_MARGIN;
    const atFirst = this.#atFirst(stretch);
    return this.clock(stretch.boot)
      .offsets(seqOf(stretch.id), stretch.last)
      .filter((offset) => stretch.atLast + margin + offset >= from)
      .reduce((least, offset) => Math.min(least, Math.max(from, atFirst - margin + offset)), Number.POSITIVE_INFINITY);
  }
  concerns(stretch: Stretch, from: number, to: number): boolean {
    return this.reach(stretch, from) <= to;
  }
  /** All its records are of from..to (to exclusive), for certain. */
  lies(stretch: Stretch, from: number, to: number): boolean {
    const atFirst = this.#atFirst(stretch) - MARGIN;
    return this.clock(stretch.boot)
      .offsets(seqOf(stretch.id), stretch.last)
      .every((offset) => atFirst + offset >= from && stretch.atLast + MARGIN + offset < to);
  }

  #atFirst(stretch: Stretch): number {
    if (stretch.atFirst !== undefined) return stretch.atFirst;
    let start = this.#starts.get(stretch.id);
    if (start === undefined) {
      start = this.#startOf(stretch);
      this.#starts.set(stretch.id, start);
    }
    return start;
  }
  #startOf(stretch: Stretch): number {
    const body = this.body(stretch);
    if (body === undefined) return stretch.atLast;
    try {
      return blockStart(body);
    } catch {
      // Nothing of it can be read; who decodes it tells so.
      return stretch.atLast;
    }
  }

  /**
   * In the order of the log, from the stretch on that holds `key`, else from the next one. Blocks that become an hour between
   * two of them are not lost: then an hour follows that begins before the stretch that was given last.
   */
  *from(key: number): Generator<Stretch> {
    for (const log of this.#logs()) yield* this.of(log, Math.max(key, keyOf(log, 0)));
  }
  /** The same of one log. */
  *of(log: number, key: number): Generator<Stretch> {
    const end = keyOf(log + 1, 0);
    let before: Stretch | undefined;
    for (let at = key; at < end; at = keyOf(log, before.last) + 1) {
      before = this.#hourAt(log, at) ?? this.#blockAt(log, at, before);
      if (before === undefined) break;
      yield before;
    }
  }
  /** The one before, in the same log. */
  before({ log, id, hour }: Stretch): Stretch | undefined {
    const block = hour === undefined ? this.#files.blocks.upTo(log, id - 1) : undefined;
    if (block !== undefined && block.id > this.#mark(log)) return ofBlock(log, block, undefined);
    const earlier = this.history?.hours.upTo(id - 1);
    return earlier === undefined || earlier.id < keyOf(log, 0) ? undefined : ofHour(log, earlier);
  }
  #hourAt(log: number, key: number): Stretch | undefined {
    const hour = key <= this.#mark(log) ? this.history?.hours.at(key) : undefined;
    return hour === undefined || hour.id >= keyOf(log + 1, 0) ? undefined : ofHour(log, hour);
  }
  /** A block up to the watermark is in an hour, or was, and only waits to be deleted. */
  #blockAt(log: number, key: number, before: Stretch | undefined): Stretch | undefined {
    const block = this.#files.blocks.at(log, Math.max(key, this.#mark(log) + 1));
    return block === undefined ? undefined : ofBlock(log, block, before);
  }
  #mark(log: number): number {
    return this.history?.hours.watermark(log) ?? 0;
  }

  /**
   * Every stretch that may have records of from..to (UTC ms), in the order of the log. Heads are read LOOK at a time; between
   * two of them it yields when a step is over.
   */
  *within(from: number, to: number, pace: Pace): Generator<undefined, Stretch[]> {
    const stretches: Stretch[] = [];
    for (const log of this.#logs()) {
      const end = keyOf(log + 1, 0);
      const mark = this.#mark(log);
      let before: Stretch | undefined;
      const look = (stretch: Stretch): void => {
        before = stretch;
        if (this.concerns(stretch, from, to)) stretches.push(stretch);
      };
      for (let key = keyOf(log, 0) - 1, more = true; more; ) {
        const hours = this.history?.hours.some(key, end, LOOK) ?? [];
        for (const hour of hours) look(ofHour(log, hour));
        key = hours.at(-1)?.id ?? key;
        more = hours.length === LOOK;
        if (pace.due) yield* rest(pace);
      }
      for (let key = Math.max(mark, keyOf(log, 0) - 1), more = true; more; ) {
        const blocks = this.#files.blocks.some(key, end, LOOK);
        for (const block of blocks) look(ofBlock(log, block, before));
        key = blocks.at(-1)?.id ?? key;
        more = blocks.length === LOOK;
        if (pace.due) yield* rest(pace);
      }
      if (this.#mark(log) !== mark) this.#moved = true;
    }
    return stretches;
  }

  /** It may have been thinned, or dropped, since it was looked at. */
  again(hour: HourRow): HourRow | undefined {
    return this.history?.hours.one(hour.id);
  }

  body(stretch: Stretch): Buffer | undefined {
    const body = this.#files.blocks.body(stretch.id);
    if (body === undefined) this.#moved = true;
    return body;
  }

  /** Blocks became an hour since they were looked for. */
  get moved(): boolean {
    return this.#moved;
  }

  logName(log: number): string {
    for (const db of [this.#files.db, this.history?.db]) {
      const name = db?.prepare<[number], string>('select name from log where ordinal = ?').pluck().get(log);
      if (name !== undefined) return name;
    }
    return `log ${log}`;
  }
}

function ofHour(log: number, hour: HourRow): Stretch {
  return {
    ...{ id: hour.id, log, last: hour.last, boot: hour.boot, inventory: hour.inventory, readings: hour.readings },
    ...{ atFirst: hour.at_first, atLast: hour.at_last, hour },
  };
}
/** The head of a block does not tell its first record's time: that is behind the last one of the stretch before. */
function ofBlock(log: number, block: BlockHead, before: Stretch | undefined): Stretch {
  const atFirst = before?.boot === block.boot ? before.atLast : undefined;
  return {
    ...{ id: block.id, log, last: block.last, boot: block.boot, inventory: block.inventory, readings: block.readings },
    ...{ atFirst, atLast: block.at_last, hour: undefined },
  };
}

/** An answer out of one state of the log: between two steps of it compaction may have moved blocks into an hour. */
export function* ofOneState<R>(
  files: WalkedFiles,
  answer: (stretches: Stretches) => Generator<undefined, R>,
): Generator<undefined, R> {
  for (let tries = 1; ; tries++) {
    const stretches = new Stretches(files);
    const release = tries === TRIES ? files.still.hold() : undefined;
    try {
      const result = yield* answer(stretches);
      // What went in the last try was dropped, and is in no hour.
      if (!stretches.moved || release !== undefined) return result;
    } finally {
      release?.();
    }
  }
}

/** The shapes of a file, by their numbers; read once, new ones when they are asked for. */
export class ShapeBook {
  readonly #behind: Database.Statement<[number], { id: number; body: string }>;
  readonly #known = new Map<number, Shape>();
  #highest = 0;
  readonly of: (id: number) => Shape | undefined;

  constructor(db: Database.Database) {
    this.#behind = db.prepare('select id, body from shape where id > ? order by id');
    const read = shapeReader(db);
    this.of = (id) => this.#known.get(id) ?? read(id);
  }

  all(): ReadonlyMap<number, Shape> {
    for (const { id, body } of this.#behind.all(this.#highest)) {
      this.#known.set(id, JSON.parse(body) as Shape);
      this.#highest = id;
    }
    return this.#known;
  }
}
