/**
 * The log as the main thread sees it: numbers are given here. The tail (tail/tail.ts) holds what no file has yet, the committer
 * (committer.ts) brings it there; log-parts.ts makes both. Everybody asks through this class.
 *
 * - A number is given once: only below the durable lease.
 * - Before a record or a hand-over has an effect outside, it lies in the runtime directory (mirror).
 * - A commit takes everything pending, with the lanes, cursors and alarm states of that moment, in one transaction;
 *   one commit is under way at a time. History is read only from what is committed.
 * - Nothing here waits for the disk: `append` and `notice` return at once.
 * - Bounds: what waits for the disk (pending.ts), what is kept for live batches (recent.ts), the lease.
 */
import { EventEmitter } from 'node:events';
import path from 'node:path';
import type { FormatOptions } from '../codecs/format.ts';
import type { RecordFilter } from '../codecs/record-filter.ts';
import type { StoredNotice } from '../codecs/rows.ts';
import { SluiceError } from '../core/errors.ts';
import type { LogRecord, Sample } from '../core/point.ts';
import type { NoticeMessage } from '../core/ports.ts';
import type { LiveHandOver } from './delivery/hand-over.ts';
import { LEASE } from './delivery/lease.ts';
import type { Outlet } from './delivery/outlet.ts';
import { Unnumbered } from './delivery/unnumbered.ts';
import { LOG_FILE, type TailState } from './files/layout.ts';
import { makeFolder } from './files/make-folder.ts';
import type { SalvageProgress } from './files/repair-report.ts';
import { SALVAGE_BOUNDS } from './files/salvage-bounds.ts';
import { Agreement } from './hot/agreement.ts';
import type { Opened } from './hot/opened.ts';
import type { LogEvents, LogOptions } from './log-options.ts';
import { LogParts, type PartsSide } from './log-parts.ts';
import { type LogStatus, statusOf } from './log-status.ts';
import type { Uncommitted } from './read/requests.ts';
import type { Recent } from './tail/recent.ts';
import { chooseRuntimeDir, type RuntimeChoice } from './tail/runtime-dir.ts';
import type { WriterReply } from './threads/messages.ts';
import { joinLogs, SalvageRun } from './threads/salvage-run.ts';
import { endedWithin, type Keeper, startWriter, type WriterThread } from './threads/threads.ts';
import type { ClockBook, ClockMove } from './time/clock-book.ts';

/** How long a closing log waits for a thread. */
const LEAVE_WITHIN = 3000;

export class Log extends EventEmitter<LogEvents> implements PartsSide {
  opened: Opened;
  readonly runtime: RuntimeChoice;
  readonly options: LogOptions;
  readonly #writer: WriterThread;
  readonly #parts: LogParts;
  readonly #unnumbered = new Unnumbered();
  #checkpointFault: string | undefined;
  /** Messages of the writer so far. */
  #answers = 0;
  #salvage: SalvageRun | undefined;
  #closing = false;
  #begun = false;

  /** Opens the log; the tail of a killed run is in it before this resolves. @throws SluiceError log-open, log-newer */
  static async open(options: LogOptions): Promise<Log> {
    makeFolder(options.stateDir, 0o750);
    const file = path.join(options.stateDir, LOG_FILE);
    const runtime = chooseRuntimeDir(options.stateDir, options.runtimeDir, options.env ?? {});
    const { buffer: agreement } = new Agreement();
    const { maxSize, maxAge, machine, salvage = SALVAGE_BOUNDS } = options;
    const { writer, opened } = await startWriter(
      { file, runtimeDir: runtime.chosen?.dir, maxSize, maxAge, lease: LEASE, machine, smallWithin: salvage.start },
      agreement,
      options.clock,
      options.onRetry ?? (() => {}),
    );
    try {
      return new Log(options, file, agreement, writer, opened, runtime);
    } catch (thrown) {
      await writer.leave();
      throw thrown;
    }
  }

  private constructor(
    options: LogOptions,
    file: string,
    agreement: SharedArrayBuffer,
    writer: WriterThread,
    opened: Opened,
    runtime: RuntimeChoice,
  ) {
    super();
    this.options = options;
    this.opened = opened;
    this.runtime = runtime;
    this.#writer = writer;
    this.#parts = new LogParts(this, file, agreement, writer);
    const { worker } = writer;
    worker.on('message', (reply: WriterReply) => this.#reply(reply));
    if (opened.salvage !== undefined)
      this.#salvage = new SalvageRun(file, opened.salvage, this, writer, (options.salvage ?? SALVAGE_BOUNDS).rest);
    worker.on('error', (error) => this.emit('dead', error));
    worker.on('exit', () => {
      if (!this.#closing) this.emit('dead', new SluiceError('log-write', "the log's writer ended"));
    });
  }

  /** The rest of a damaged file that is still to come back; undefined: there is none. */
  get salvage(): SalvageProgress | undefined {
    return this.#salvage?.over === false ? this.#salvage.progress : undefined;
  }
  cameBack(logs: Opened['logs'], forwarders: Opened['forwarders']): void {
    this.#parts.outlets.cameBack(logs, forwarders);
    this.commitSoon();
  }

  /** The highest ordinal of the logs that are still to come back; 0: none is. */
  get heldBack(): number {
    return this.#salvage?.heldBack ?? 0;
  }
  get keeper(): Keeper {
    return this.#parts.keeper;
  }
  get clock(): ClockBook {
    return this.#parts.clock;
  }
  /** The lanes of the embedded broker. */
  get live(): LiveHandOver {
    return this.#parts.live;
  }
  get id(): string {
    return (this.opened.logs.at(-1) as { name: string }).name;
  }
  get ordinal(): number {
    return (this.opened.logs.at(-1) as { ordinal: number }).ordinal;
  }
  /** The number that the next item gets. */
  get next(): number {
    return this.#parts.numbers.next;
  }
  /** Every item up to here is in the file. */
  get committed(): number {
    return this.#parts.committer.committed;
  }
  get inventoryRevision(): number {
    return this.#parts.tail.revision;
  }
  /** Newest records, for live batches. */
  get recent(): Recent {
    return this.#parts.tail.recent;
  }
  /** Highest number that may go upstream now: with the mirror down, data waits for the commit. */
  get sendable(): number {
    return this.#parts.tail.mirror.covers(this.committed) ? this.#parts.numbers.next - 1 : this.committed;
  }

  /** What the threads owe an answer for. */
  get work(): readonly { readonly name: string; readonly waiting: boolean; readonly answers: number }[] {
    const { committer, keeper } = this.#parts;
    return [
      { name: 'writer', waiting: committer.cycle.busy, answers: this.#answers },
      { name: 'keeper', waiting: keeper.asked > 0, answers: keeper.answers },
    ];
  }

  status(): LogStatus {
    return { id: this.id, boot: this.opened.boot, checkpointFault: this.#checkpointFault, ...statusOf(this.#parts) };
  }

  /** One forwarder's view. A new name's start is committed before `ready` resolves. */
  outlet(
    name: string,
    from: 'oldest' | 'now',
    gateway: string,
    format: string,
    options: FormatOptions = {},
    filter?: RecordFilter,
  ): Outlet {
    const outlet = this.#parts.outlets.get(name, from).address(gateway, format, options, filter);
    this.#parts.tail.mirror.state(outlet.tailState());
    return outlet;
  }

  /** That of a forwarder that is configured. */
  outletOf(name: string): Outlet | undefined {
    return this.#parts.outlets.find(name);
  }

  /** The forwarder is no longer configured: cursor and lanes are kept, it pins nothing; what follows is history for it. */
  release(name: string): Promise<void> {
    return this.#parts.outlets.release(name) ? this.flush() : Promise.resolve();
  }

  /** @returns the record, or undefined when no number can be given (the lease could not be renewed) */
  append(sample: Sample): LogRecord | undefined {
    const seq = this.#parts.numbers.record();
    if (seq === undefined) {
      this.emit('overflow', sample.shape.points.length, 0);
      return undefined;
    }
    const record = this.#parts.tail.record(seq, sample);
    if (this.recent.full || this.#parts.outlets.none) this.trimRecent();
    this.#arm();
    this.emit('appended', sample.shape.points.length);
    return record;
  }

  /**
   * An alarm transition or an event. Its commit, with the readings before it, begins at once.
   * @param body the message without `log` and `seq`
   */
  notice(kind: 'alarm' | 'event', key: string, at: number, body: Readonly<Record<string, unknown>>): NoticeMessage {
    const seq = this.#parts.numbers.notice();
    if (seq === undefined) return this.#unnumbered.take({ kind, key, at, body });
    const json = JSON.stringify({ v: 1, log: this.id, seq, ...body });
    const notice: StoredNotice = { seq, at: Math.round(at), kind, key, json };
    this.#parts.tail.notice(notice);
    this.#parts.outlets.noticed(notice);
    this.commitSoon();
    this.emit('appended', 0);
    return notice;
  }

  /** State of a rule (its name) or of a counter (`device.point`) for the next start; it rides in the next commit. null forgets it. */
  saveState(key: string, state: unknown): void {
    this.#parts.tail.saveState(key, state);
    this.#arm();
  }

  /** To be called once outlets and clock of the start are there: what is appended from then on is in the mirror. @param body devices as JSON. @returns the revision, a new one when the content is new */
  setInventory(body: string): number {
    if (!this.#begun) {
      this.#parts.outlets.leaveOthers();
      this.#salvage?.start();
    }
    this.#begun = true;
    this.#parts.tail.setInventory(body, this.#parts.numbers.next);
    this.commitSoon();
    return this.inventoryRevision;
  }

  /** The revision under which a record of this run was taken. */
  inventoryOf(seq: number): number {
    return this.#parts.tail.revisionOf(seq);
  }

  /** A mapping of this boot, from the first number that no forwarder has handed over. Used only once it is committed. */
  setClock(offset: number, estimated: boolean): ClockMove {
    const move = this.clock.set(offset, estimated);
    this.#parts.tail.mirror.state({ type: 'clock', clock: this.clock.own });
    if (!estimated) for (const party of this.#parts.outlets.parties) party.forgetPromise();
    this.commitSoon();
    return move;
  }
  get mirrored(): boolean {
    return this.#parts.tail.mirror.up;
  }
  /** Lanes of a forwarder changed in a way that has to be safe from a kill before it has an effect. */
  mirrorLanes(state: TailState): void {
    this.#parts.tail.mirror.state(state);
    this.#arm();
  }

  /** Resolves when everything of now (items, cursors, lanes) is committed; goes on trying while the disk refuses. */
  flush(): Promise<void> {
    return this.#parts.committer.cycle.flush();
  }

  /** A copy of what no file has. While a commit is under way, as of its end: nothing is committed for it. */
  uncommitted(): Promise<Uncommitted> {
    return this.#parts.committer.cycle.between(() => ({
      ...{ log: this.ordinal, name: this.id, boot: this.opened.boot },
      ...{ clock: this.clock.own.segments, committed: this.committed, entries: this.#parts.tail.pending.copy() },
    }));
  }

  /**
   * Readings that a forwarder has not delivered, on the disk and in memory; undefined: there is no such forwarder. Its cost is
   * bounded, whatever waits. @throws SluiceError log-read
   */
  async unsent(forwarder: string): Promise<{ readings: number; exact: boolean } | undefined> {
    const { committer, outlets, tail } = this.#parts;
    const outlet = outlets.find(forwarder);
    if (outlet === undefined) return undefined;
    // A commit under way has readings that are neither pending nor in the file.
    const { spans, readings, exact } = await committer.cycle.between(() => outlet.unsent(tail.pending.readings));
    if (spans.length === 0) return { readings, exact };
    const stored = await this.keeper.waiting({ spans });
    return { readings: readings + stored.readings, exact: exact && stored.exact };
  }

  commitSoon(): void {
    this.#parts.committer.cycle.soon();
  }

  /** A cursor moved: it rides in the next commit, and memory may let go. */
  cursorMoved(): void {
    this.trimRecent();
    this.#arm();
  }

  trimRecent(): void {
    this.recent.trim(this.#parts.outlets.needsFrom - 1, this.committed);
    if (this.recent.full) this.commitSoon();
  }

  /** Commits what is pending (bounded by `within` ms), closes the file. What could not be committed stays in the runtime directory. */
  async close(within: number): Promise<void> {
    for (const party of this.#parts.outlets.parties) party.forgetPromise();
    const clean = await endedWithin(within, this.options.clock, this.flush());
    this.#closing = true;
    this.#parts.tiers.stop();
    this.#parts.committer.cycle.stop();
    await endedWithin(LEAVE_WITHIN, this.options.clock, Promise.all([this.keeper.close(), this.#salvage?.stop()]));
    if (clean) {
      await this.#writer.close(this.#parts.numbers.next);
      this.#parts.tail.mirror.close();
      // An item that came after the last commit lies in the mirror only: the next start takes it from there.
      if (this.#parts.tail.pending.empty) this.#parts.tail.mirror.clear();
    } else {
      await endedWithin(LEAVE_WITHIN, this.options.clock, this.#writer.leave());
      this.#parts.tail.mirror.close();
    }
  }

  /** Ends at once, as a kill would: nothing more is committed, the runtime directory stays as it is. */
  async abandon(): Promise<void> {
    this.#closing = true;
    this.#parts.tiers.stop();
    this.#parts.committer.cycle.stop();
    this.#parts.tail.mirror.close();
    this.#writer.worker.removeAllListeners('message');
    await Promise.all([this.keeper.close(), this.#salvage?.stop(), this.#writer.leave()]);
  }

  /** Compacts what is committed, now; the blocks it replaces go with the next commit. For tests and measurements. */
  compact(): Promise<void> {
    return this.#parts.tiers.now();
  }

  /** A commit `commitEvery` after the first thing that waits; at once when much waits or the lease runs low. */
  #arm(): void {
    if (this.#parts.tail.pending.large || this.#parts.numbers.low) this.commitSoon();
    this.#parts.committer.cycle.arm();
  }

  /** To alarms and events that came while there was none. */
  giveNumbers(): void {
    const leftOut = this.#unnumbered.release(({ kind, key, at, body }) => this.notice(kind, key, at, body));
    if (leftOut > 0) this.emit('overflow', 0, leftOut);
  }

  #reply(reply: WriterReply): void {
    this.#answers++;
    if (reply.kind === 'checkpoint') {
      this.#checkpointFault = reply.fault;
      this.emit('checkpoint', reply.fault);
    } else if (reply.kind === 'repaired') {
      this.keeper.restart();
      this.emit('repaired', reply.repair);
    } else if (reply.kind === 'coming-back' || reply.kind === 'came-back') this.#salvage?.heard(reply);
    else if (reply.kind === 'kept') joinLogs(this, reply, this.heldBack);
    else if (reply.kind === 'failed') this.#parts.committer.failed(reply.failure);
    else if (reply.kind === 'committed') this.#parts.committer.ended(reply.result);
  }
}
