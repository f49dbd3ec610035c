/**
 * One forwarder's view of the log: which batch comes next on each topic, and what its answer means (contract, rules 3
 * to 9). The forwarder calls `next`, then `handOver` before the client sees the batch, then `done`.
 *
 * - Each lane continues at its lowest unacknowledged number, older logs and boots first.
 * - `history` is read from what is committed; `data` from memory, or from the file where memory no longer has it.
 * - A batch lies within one lane, log, boot, inventory and clock mapping.
 */
import type { FormatOptions } from '../../codecs/format.ts';
import type { RecordFilter } from '../../codecs/record-filter.ts';
import type { StoredNotice } from '../../codecs/rows.ts';
import { type Outward, withoutNames, withoutWindows } from '../../core/privacy.ts';
import type { Lane, NoticeKind } from '../files/lane-state.ts';
import { bootName, type ForwarderState, isSalvageLog, type LogHead, type TailState } from '../files/layout.ts';
import type { Backlog } from './backlog-request.ts';
import { type BatchLog, BatchMaker } from './batch-maker.ts';
import { HandOverPromise, type Party } from './hand-over.ts';
import { LagWatch } from './lag-watch.ts';
import { Lanes } from './lanes.ts';
import { LiveCount } from './live-count.ts';
import { NoticeQueue } from './notice-queue.ts';
import type { OfferAsk, OutBatch, OutNotice } from './out.ts';
import { isNotice, judged, type OutletPart, type OwedStretch, owedOf, type Received, type ReceivedRange } from './owed.ts';
import { PassedNumbers } from './passed-numbers.ts';
import { type Unsent, unsentOf } from './unsent.ts';
import { WindowWait } from './window-wait.ts';

/** Data that is not acknowledged for so long lags: new readings go to history (contract, rule 4). */
const LAG = 10_000;
/** A batch of more readings is made in the keeper thread: some ten milliseconds are the most that the main thread may be busy. */
const MEMORY_READINGS = 10_000;

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
  readonly options: BatchLog['options'] & { readonly commitEvery: number };
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

export class Outlet implements Party {
  readonly name: string;
  readonly #log: LogSide;
  /** Oldest first; the last one is the current log. */
  readonly #parts: OutletPart[];
  readonly #current: OutletPart;
  readonly #isNew: boolean;
  readonly #from: 'oldest' | 'now';
  #ready = false;
  readonly #batches: BatchMaker;
  readonly #notices: Readonly<Record<NoticeKind, NoticeQueue>>;
  readonly #lag = new LagWatch();
  #dirty = true;
  #lastReceipt: number | undefined;
  /** Letters or bytes of the batch of each lane that was made last and is not answered. */
  readonly #made: Record<Lane, number> = { data: 0, history: 0 };
  /** With a filter: counts the live readings that it lets through. */
  #live: LiveCount | undefined;
  readonly #passed = new PassedNumbers();
  readonly #windows = new WindowWait();
  readonly #later: Record<Lane, boolean> = { data: false, history: false };

  constructor(log: LogSide, name: string, from: 'oldest' | 'now', known: readonly ForwarderState[]) {
    this.name = name;
    this.#log = log;
    this.#batches = new BatchMaker(log);
    this.#from = from;
    this.#parts = log.opened.logs.map((of) => this.#part(of, known));
    this.#current = this.#parts.at(-1) as OutletPart;
    this.#isNew = !known.some((k) => k.log === log.ordinal);
    const queue = (kind: NoticeKind): NoticeQueue =>
      new NoticeQueue(
        kind,
        log,
        this.#parts,
        () => this.touch(),
        (json) => this.shown(json),
      );
    this.#notices = { alarm: queue('alarm'), event: queue('event') };
  }

  #part({ ordinal, name, last }: LogHead, known: readonly ForwarderState[]): OutletPart {
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

  address(gateway: string, format: string, options: FormatOptions, filter?: RecordFilter): this {
    this.#batches.address(gateway, format, options, filter);
    const { selection } = this.#batches;
    this.#live = selection.all || filter?.thinning !== undefined ? undefined : new LiveCount(selection);
    this.#windows.begin(filter);
    return this;
  }

  /** What of single readings this forwarder may have; undefined: all. */
  get wanted(): RecordFilter | undefined {
    const { devices, points } = this.#batches.filter ?? {};
    const { outward } = this;
    return devices === undefined && points === undefined && outward === undefined ? undefined : { devices, points, outward };
  }
  /** What of classified readings it may have, reading by reading. */
  get outward(): Outward | undefined {
    return withoutWindows(this.#batches.filter?.outward);
  }

  /** A notice without the names of points that it may not have. */
  shown(json: string): string {
    return withoutNames(this.#batches.filter?.outward, json);
  }

  /** A filter leaves readings out: not everything that is appended waits for this forwarder. */
  get filters(): boolean {
    return this.#live !== undefined || this.#batches.thins;
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
    const span = this.#batches.thins ? undefined : this.#current.lanes.span('data');
    if (this.#live !== undefined && span !== undefined) return this.#live.of(recent, span.from);
    const oldest = span === undefined ? undefined : recent.at(span.from)?.sample.at;
    if (span === undefined || oldest === undefined) return { readings: 0, oldest: undefined, newest: undefined };
    return { readings: recent.count(span.from, enough), oldest, newest: recent.newest?.sample.at };
  }
  /** The cursor passes live readings that the filter leaves out, up to the first that it lets through: nothing is sent for them. */
  passUnwanted(): void {
    const { recent, opened, ordinal } = this.#log;
    const span = this.#current.lanes.span('data');
    // What memory does not have any more is for `next` to look at, and older logs come first.
    if (this.#live === undefined || span === undefined || span.from < recent.from) return;
    if (this.#parts.some((part) => part !== this.#current && part.lanes.span('data') !== undefined)) return;
    const { first } = this.#live.of(recent, span.from);
    const upTo = Math.min(first - 1, span.to, this.#top(this.#current, 'data'));
    if (upTo < span.from) return;
    this.#passed.pass(ordinal, 'data', span.from, upTo, { boot: bootName(opened.boot), first: span.from });
    this.#done(this.#current, 'data', upTo);
  }
  #done(part: OutletPart, lane: Lane, upTo: number): void {
    part.lanes.done(lane, upTo);
    this.#dirty = true;
    this.#log.cursorMoved();
  }
  /** What is not acknowledged. @param uncommitted readings that no file has */
  unsent(uncommitted: number): Unsent {
    return unsentOf(this.#parts, this.#log, uncommitted, !this.filters);
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
    this.#later[lane] = false;
    const batch = await this.#next(lane, maxReadings);
    this.#made[lane] = batch?.messages.reduce((sum, { payload }) => sum + payload.length, 0) ?? 0;
    return batch;
  }
  /** Whether the last `next` gave nothing although something is there: a promise or a mapping of the clock is not committed yet. */
  later(lane: Lane): boolean {
    return this.#later[lane];
  }
  async #next(lane: Lane, maxReadings: number): Promise<OutBatch | undefined> {
    for (const part of this.#parts) {
      for (;;) {
        const span = part.lanes.span(lane);
        const top = this.#top(part, lane);
        if (span === undefined || span.from > top) break;
        const to = Math.min(span.to, top);
        const { recent, committed } = this.#log;
        if (this.#windows.holds(lane, part.ordinal, span.from, this.#settled)) return undefined;
        const live = lane === 'data' && part.end === undefined && !this.#batches.thins;
        // The file gives nothing past what memory still has: that part of data comes from memory, in order.
        const inMemory = this.#large(live, span.from, maxReadings) ? committed + 1 : recent.from;
        const passed = this.#passed.before(part.ordinal, lane, span.from);
        const stretch = { from: span.from, to, maxReadings, passed, settled: this.#settled };
        const found =
          live && span.from >= inMemory
            ? this.#batches.fromMemory(part, { ...stretch, maxReadings: Math.min(maxReadings, MEMORY_READINGS) })
            : await this.#batches.fromFile(part, lane, { ...stretch, to: live ? Math.min(to, inMemory - 1) : to });
        if (found === undefined) {
          this.#later[lane] = span.from <= (part.end ?? (live && span.from >= inMemory ? to : committed));
          return undefined;
        }
        // Meanwhile something before it came to be owed again, or was received.
        if (part.lanes.span(lane)?.from !== span.from) continue;
        this.#windows.hold(lane, part.ordinal, found.upTo + 1, found.open);
        if (found.upTo < span.from) return undefined;
        if (found.batch !== undefined) {
          this.#later[lane] = !part.promise.allows(lane, found.batch.last);
          return this.#later[lane] ? undefined : found.batch;
        }
        this.#passed.pass(part.ordinal, lane, span.from, found.upTo, found.passed);
        part.lanes.done(lane, found.upTo);
        this.#dirty = true;
        if (found.passed !== undefined) this.#log.cursorMoved();
      }
    }
    return undefined;
  }

  /** Data that is too much for the main thread at once: the keeper makes its batch, of what is committed. */
  #large(live: boolean, from: number, maxReadings: number): boolean {
    const { recent } = this.#log;
    return (
      live && maxReadings > MEMORY_READINGS && from >= recent.from && recent.count(from, MEMORY_READINGS + 1) > MEMORY_READINGS
    );
  }

  /**
   * To be called before the client sees the batch: lane and times are fixed, and a killed process knows it.
   * @returns false when the clock changed since the batch was made: it must not leave, ask for another
   */
  handOver(batch: Pick<OutBatch, 'log' | 'lane' | 'last' | 'clock'>): boolean {
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
    const part = this.#parts.find((p) => p.ordinal === batch.log);
    this.#made[batch.lane] = 0;
    if (part !== undefined) this.#done(part, batch.lane, batch.last);
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
      const window = this.#windows.slack(this.#log.options.commitEvery);
      if (!this.#lag.lags(this.#log, lanes.span('data')?.from, now, LAG + allowance + window) || !lanes.lag()) return undefined;
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

  /** Monotonic ms at which a receipt moved the cursor last, in this run. */
  get lastReceipt(): number | undefined {
    return this.#lastReceipt;
  }

  /** Stretches of each lane that are in the files and not acknowledged, alarms first, older logs first. */
  owed(): OwedStretch[] {
    return owedOf(this.#parts, this.#log.committed);
  }

  /** The far side has a whole range of a lane. It counts only where nothing of that lane is missing before it. */
  received(range: ReceivedRange): Received {
    const part = this.#parts.find(({ name }) => name === range.log);
    const verdict = judged(part, range, this.#log.committed);
    if (part === undefined || verdict !== 'moved') return verdict;
    const { lane, last } = range;
    if (isNotice(lane)) this.#notices[lane].done({ log: part.ordinal, seq: last });
    else part.lanes.done(lane, last);
    this.#dirty = true;
    this.#lastReceipt = this.#log.options.clock.monotonic();
    this.#log.cursorMoved();
    return verdict;
  }

  /** Nobody can say any more that the far side has these numbers: they are history that is owed. Committed ones are read from the files. */
  again(log: number, first: number, last: number): void {
    const part = this.#parts.find((p) => p.ordinal === log);
    if (part === undefined) return;
    part.lanes.again(first, last);
    this.#dirty = true;
    if (part === this.#current) this.#log.mirrorLanes(this.tailState());
    this.#log.cursorMoved();
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
  /** Notices of channels that may have one now. Each answer is said with `noticeTaken`, or not at all. @throws SluiceError log-read */
  offers(kind: NoticeKind, ask: OfferAsk): Promise<OutNotice[]> {
    return this.#notices[kind].offers(ask);
  }
  /** The far side has it, or refused it for good. Others before it may still wait: the cursor passes none of them. */
  noticeTaken(notice: OutNotice): void {
    this.#notices[notice.kind].taken(notice);
    this.#log.cursorMoved();
  }

  /** Alarms of so many rules wait, and none of a further rule is offered before; undefined: others are. */
  get crowd(): number | undefined {
    return this.#notices.alarm.full;
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
    for (const queue of Object.values(this.#notices)) queue.cameBack();
    this.#dirty = true;
  }
  commitBegins(next: number): void {
    this.#windows.commitBegins(next, this.#log.options.clock.monotonic(), this.#log.committed);
    this.#current.lanes.commitBegins(next);
  }
  /** Lowest number that a data lane may still want from memory. */
  get needsFrom(): number {
    if (this.#batches.thins) return Number.POSITIVE_INFINITY;
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

  get #settled(): number {
    const { next, committed, options } = this.#log;
    return this.#windows.settled(next, committed, options.clock.monotonic());
  }
  /** Highest number that a lane may send now. */
  #top(part: OutletPart, lane: Lane): number {
    if (part.end !== undefined) return part.end;
    return lane === 'history' || this.#batches.thins ? this.#log.committed : this.#log.sendable;
  }
}
