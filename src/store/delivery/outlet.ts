/**
 * One forwarder's view of the log: which batch comes next on each topic, and what its answer means (contract, rules 3
 * to 9). The forwarder calls `next`, then `handOver` before the client sees the batch, then `done`.
 *
 * - Each lane continues at its lowest unacknowledged number, older logs and boots first.
 * - `history` is read from what is committed; `data` from memory, or from the file where memory no longer has it.
 * - A batch lies within one lane, log, boot, inventory and clock mapping.
 */
import type { FormatOptions } from '../../codecs/format.ts';
import type { StoredNotice } from '../../codecs/rows.ts';
import type { Lane, NoticeKind } from '../files/lane-state.ts';
import { type ForwarderState, isSalvageLog, type LogHead, type TailState } from '../files/layout.ts';
import type { Backlog } from './backlog-request.ts';
import { type BatchLog, BatchMaker } from './batch-maker.ts';
import { HandOverPromise, type Party } from './hand-over.ts';
import { Lanes } from './lanes.ts';
import { NoticeQueue } from './notice-queue.ts';
import type { OutBatch, OutNotice } from './out.ts';

/** Data that is not acknowledged for so long lags: new readings go to history (contract, rule 4). */
const LAG = 10_000;
/** Calls of `tend` remembered; one a second, so LAG needs eleven. */
const MAX_MARKS = 32;

/** The part of the log that an outlet needs. */
export interface LogSide extends BatchLog {
  readonly opened: {
    readonly boot: number;
    /** Oldest first; the last one is the current log. */
    readonly logs: readonly LogHead[];
    /** The forwarders that the files knew when the run began. */
    readonly forwarders: readonly ForwarderState[];
  };
  readonly keeper: Backlog;
  readonly ordinal: number;
  /** The number that the next item gets. */
  readonly next: number;
  /** Highest number that data may carry now. */
  readonly sendable: number;
  /** An entry that is written to the runtime directory now survives a kill. */
  readonly mirrored: boolean;
  /** Safe from a kill when it returns. */
  mirrorLanes(state: TailState): void;
  cursorMoved(): void;
  flush(): Promise<void>;
}

/** The state of the forwarder in one log. */
interface Part {
  readonly ordinal: number;
  readonly name: string;
  readonly lanes: Lanes;
  /** Last number of a log that grows no more; undefined for the current log. */
  end: number | undefined;
  readonly promise: HandOverPromise;
}

export class Outlet implements Party {
  readonly name: string;
  readonly #log: LogSide;
  /** Oldest first; the last one is the current log. */
  readonly #parts: Part[];
  readonly #current: Part;
  readonly #isNew: boolean;
  readonly #from: 'oldest' | 'now';
  #ready = false;
  readonly #batches: BatchMaker;
  readonly #notices: Readonly<Record<NoticeKind, NoticeQueue>>;
  /** The next number at each call of `tend`, the first of them at least LAG ago. */
  readonly #marks: { next: number; at: number }[] = [];
  #dirty = true;
  /** Letters or bytes of the batch of each lane that was made last and is not answered. */
  readonly #made: Record<Lane, number> = { data: 0, history: 0 };

  constructor(log: LogSide, name: string, from: 'oldest' | 'now', known: readonly ForwarderState[]) {
    this.name = name;
    this.#log = log;
    this.#batches = new BatchMaker(log);
    this.#from = from;
    this.#parts = log.opened.logs.map((of) => this.#part(of, known));
    this.#current = this.#parts.at(-1) as Part;
    this.#isNew = !known.some((k) => k.log === log.ordinal);
    this.#notices = {
      alarm: new NoticeQueue('alarm', log, this.#parts, () => this.touch()),
      event: new NoticeQueue('event', log, this.#parts, () => this.touch()),
    };
  }

  #part({ ordinal, name, last }: LogHead, known: readonly ForwarderState[]): Part {
    const log = this.#log;
    const current = ordinal === log.ordinal;
    const saved = known.find((k) => k.log === ordinal);
    // An older log that the forwarder never knew is not owed to one that starts now.
    // Records that were salvaged without their lanes are owed to every forwarder.
    const begin = isSalvageLog(name) ? 'oldest' : this.#from;
    const lanes = saved !== undefined ? Lanes.load(saved.state) : Lanes.begin(begin, current ? log.next : last + 1);
    const promise = new HandOverPromise(log, lanes, () => this.touch());
    // Existing records keep the lane that the saved state gives them: their commit may have begun.
    lanes.commitBegins(current ? log.next : last + 1);
    return { ordinal, name, lanes, end: current ? undefined : last, promise };
  }

  address(gateway: string, format: string, options: FormatOptions): this {
    this.#batches.address(gateway, format, options);
    return this;
  }

  /** Resolves once the start of a new forwarder is committed. */
  async ready(): Promise<void> {
    if (this.#isNew && !this.#ready) await this.#log.flush();
    this.#ready = true;
  }

  get live(): boolean {
    return this.#current.lanes.live;
  }
  /** Readings (data) that wait in memory, counted up to `enough`; monotonic times of the oldest and the newest of all. */
  waiting(enough: number): { readings: number; oldest: number | undefined; newest: number | undefined } {
    const { recent } = this.#log;
    const span = this.#current.lanes.span('data');
    const oldest = span === undefined ? undefined : recent.at(span.from)?.sample.at;
    if (span === undefined || oldest === undefined) return { readings: 0, oldest: undefined, newest: undefined };
    return { readings: recent.count(span.from, enough), oldest, newest: recent.newest?.sample.at };
  }
  /**
   * What is not acknowledged: stretches that only the files have, and readings that only memory has.
   * @param uncommitted readings that no file has
   */
  unsent(uncommitted: number): { spans: { log: number; from: number; to: number }[]; readings: number; exact: boolean } {
    const { recent, committed } = this.#log;
    const found = { spans: [] as { log: number; from: number; to: number }[], readings: 0, exact: true };
    for (const { ordinal, lanes, end } of this.#parts)
      for (const lane of ['history', 'data'] as const)
        for (const { from, to } of lanes.spans(lane)) {
          const inMemory = lane === 'data' && end === undefined;
          const upTo = Math.min(to, end ?? committed, inMemory ? recent.from - 1 : Number.POSITIVE_INFINITY);
          if (from <= upTo) found.spans.push({ log: ordinal, from, to: upTo });
          if (inMemory) found.readings += recent.count(Math.max(from, recent.from), Number.MAX_SAFE_INTEGER, to);
        }
    if (this.live) return found;
    // The open range is history: what no file has belongs to it, apart from what data took before it began.
    const open = this.#current.lanes.spans('history').at(-1)?.from ?? 0;
    return { ...found, readings: found.readings + uncommitted, exact: open <= committed + 1 };
  }
  get unanswered(): number {
    return this.#made.data + this.#made.history;
  }
  /** Whether a lane has anything that is not acknowledged. Numbers without records may make it say yes too often. */
  pending(lane: Lane): boolean {
    return this.#parts.some((part) => {
      const span = part.lanes.span(lane);
      return span !== undefined && span.from <= this.#top(part, lane);
    });
  }
  /** First number of the current log that a lane still has to deliver, and how far it could go now. */
  backlog(lane: Lane): { from: number; to: number } | undefined {
    for (const part of this.#parts) {
      const span = part.lanes.span(lane);
      if (span !== undefined && span.from <= this.#top(part, lane))
        return { from: span.from, to: Math.min(span.to, this.#top(part, lane)) };
    }
    return undefined;
  }
  /** The next batch of a lane, or undefined when there is nothing to send now. @throws SluiceError log-read */
  async next(lane: Lane, maxReadings: number): Promise<OutBatch | undefined> {
    const batch = await this.#next(lane, maxReadings);
    this.#made[lane] = batch?.messages.reduce((sum, { payload }) => sum + payload.length, 0) ?? 0;
    return batch;
  }
  async #next(lane: Lane, maxReadings: number): Promise<OutBatch | undefined> {
    for (const part of this.#parts) {
      for (;;) {
        const span = part.lanes.span(lane);
        const top = this.#top(part, lane);
        if (span === undefined || span.from > top) break;
        const to = Math.min(span.to, top);
        const { recent } = this.#log;
        const current = part.end === undefined;
        const found =
          lane === 'data' && current && span.from >= recent.from
            ? this.#batches.fromMemory(part, span.from, to, maxReadings)
            : // Never past what memory still has: that part of data comes from memory, in order.
              await this.#batches.fromFile(
                part,
                lane,
                span.from,
                lane === 'data' && current ? Math.min(to, recent.from - 1) : to,
                maxReadings,
              );
        if (found === undefined) return undefined;
        if (found.batch !== undefined) return part.promise.allows(lane, found.batch.last) ? found.batch : undefined;
        // No record has a number in between: alarms, events, other boots, or what was dropped.
        part.lanes.done(lane, found.upTo);
        this.#dirty = true;
      }
    }
    return undefined;
  }

  /**
   * To be called before the client sees the batch: lane and times are fixed, and a killed process knows it.
   * @returns false when the clock changed since the batch was made: it must not leave, ask for another
   */
  handOver(batch: OutBatch): boolean {
    const { lane, last, clock } = batch;
    if (clock !== this.#log.clock.version) return false;
    this.#dirty = true;
    const part = this.#parts.find((p) => p.ordinal === batch.log);
    if (part?.lanes.handOver(last, lane))
      this.#log.mirrorLanes({ type: 'handed', forwarder: this.name, log: part.name, lane, last });
    return true;
  }

  /** The broker acknowledged this very batch, or refused it for good. */
  done(batch: OutBatch): void {
    this.#parts.find((p) => p.ordinal === batch.log)?.lanes.done(batch.lane, batch.last);
    this.#made[batch.lane] = 0;
    this.#dirty = true;
    this.#log.cursorMoved();
  }

  /**
   * To be called about once a second. @param connected whether batches can leave now
   * @returns what changed: data gave up being live, or is live again
   */
  tend(connected: boolean, now: number, allowance = 0): 'lag' | 'resume' | undefined {
    const { lanes } = this.#current;
    // A batch under way goes with its connection.
    if (!connected) this.#made.data = this.#made.history = 0;
    if (lanes.live) {
      if (!this.#lags(now, LAG + allowance) || !lanes.lag()) return undefined;
      this.#dirty = true;
      this.#log.mirrorLanes(this.tailState());
      this.#log.cursorMoved();
      return 'lag';
    }
    if (!connected || this.pending('data') || !lanes.resume(this.#log.next)) return undefined;
    this.#dirty = true;
    this.#log.mirrorLanes(this.tailState());
    return 'resume';
  }

  #lags(now: number, lag: number): boolean {
    const { recent, next } = this.#log;
    if (now - (this.#marks.at(-1)?.at ?? Number.NEGATIVE_INFINITY) >= lag / (MAX_MARKS / 2)) this.#marks.push({ next, at: now });
    while ((this.#marks[1]?.at ?? Number.POSITIVE_INFINITY) <= now - lag || this.#marks.length > MAX_MARKS) this.#marks.shift();
    const from = this.#current.lanes.span('data')?.from;
    if (from === undefined) return false;
    if (from >= recent.from) return now - (recent.at(from)?.sample.at ?? now) > lag;
    // A fast site: memory holds less than LAG of it.
    const [mark] = this.#marks as [{ next: number; at: number }];
    return now - mark.at >= lag && from < mark.next;
  }

  /** Alarms, or events, oldest first, at most `limit`. @throws SluiceError log-read */
  notices(kind: NoticeKind, limit: number): Promise<OutNotice[]> {
    return this.#notices[kind].next(limit);
  }
  /** The far side has it and all of its kind before it, or refused them for good. */
  noticesDone(notice: OutNotice): void {
    this.#notices[notice.kind].done(notice);
    this.#log.cursorMoved();
  }

  // The rest is for the log alone.

  noticed(notice: StoredNotice): void {
    this.#notices[notice.kind].noticed(notice);
  }
  /** Removed from the configuration: what follows is history, as for one whose destination is away. */
  leave(): void {
    this.#current.lanes.lag();
    this.#dirty = true;
    this.#log.mirrorLanes(this.tailState());
  }
  /** Configured again: memory has not seen the notices in between. */
  comeBack(): void {
    for (const queue of Object.values(this.#notices)) queue.comeBack();
  }
  /** Older logs, which were not there when the run began. Each lane goes on with them, and then with the current one. */
  cameBack(logs: readonly LogHead[], known: readonly ForwarderState[]): void {
    for (const of of logs) {
      const part = this.#parts.find((p) => p.ordinal === of.ordinal);
      if (part === undefined) this.#parts.push(this.#part(of, known));
      // It reaches further than was known.
      else part.end = of.last;
    }
    this.#parts.sort((a, b) => a.ordinal - b.ordinal);
    this.#dirty = true;
  }
  commitBegins(next: number): void {
    this.#current.lanes.commitBegins(next);
  }
  /** Lowest number that a data lane may still want from memory. */
  get needsFrom(): number {
    return this.#current.lanes.span('data')?.from ?? Number.POSITIVE_INFINITY;
  }
  /** A commit did not keep what `states` gave it. */
  touch(): void {
    this.#dirty = true;
  }
  /** The state that a commit has to keep; nothing when nothing changed. `all` for the count of items that are dropped undelivered. */
  takeStates(): ForwarderState[] {
    const dirty = this.#dirty;
    this.#dirty = false;
    return dirty ? this.states() : [];
  }
  states(): ForwarderState[] {
    return this.#parts.map((p) => ({ name: this.name, log: p.ordinal, state: p.lanes.state() }));
  }
  tailState(): TailState {
    return { type: 'lanes', forwarder: this.name, state: this.#current.lanes.state() };
  }
  handOvers(): ReturnType<Party['handOvers']> {
    return this.#parts.map(({ ordinal, lanes }) => ({ log: ordinal, handed: lanes.handedOver(), done: lanes.doneUpTo }));
  }
  forgetPromise(): void {
    for (const { promise } of this.#parts) promise.forget();
  }

  /** Highest number that a lane may send now. */
  #top(part: Part, lane: Lane): number {
    if (part.end !== undefined) return part.end;
    return lane === 'history' ? this.#log.committed : this.#log.sendable;
  }
}
