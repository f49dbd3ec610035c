/**
 * The log as the main thread sees it: numbers are given here. The tail (tail/tail.ts) holds what no file has yet, the committer
 * (committer.ts) brings it there; both are made here, and asked by everybody through this class.
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
import type { StoredNotice } from '../codecs/rows.ts';
import { SluiceError } from '../core/errors.ts';
import type { LogRecord, Sample } from '../core/point.ts';
import type { NoticeMessage } from '../core/ports.ts';
import { Tiers } from './archive/tiers.ts';
import { Committer } from './committer.ts';
import { AllHandOvers, LiveHandOver } from './delivery/hand-over.ts';
import { LEASE, Lease } from './delivery/lease.ts';
import type { LogSide, Outlet } from './delivery/outlet.ts';
import { Outlets } from './delivery/outlets.ts';
import { Unnumbered } from './delivery/unnumbered.ts';
import { HISTORY_FILE } from './files/history-layout.ts';
import { LOG_FILE, type TailState } from './files/layout.ts';
import { makeFolder } from './files/make-folder.ts';
import { heldMemory } from './held-memory.ts';
import { Agreement } from './hot/agreement.ts';
import type { Opened } from './hot/opened.ts';
import type { LogEvents, LogOptions } from './log-options.ts';
import type { Uncommitted } from './read/requests.ts';
import { Mirror } from './tail/mirror.ts';
import type { Recent } from './tail/recent.ts';
import { chooseRuntimeDir, type RuntimeChoice } from './tail/runtime-dir.ts';
import { Tail } from './tail/tail.ts';
import type { WriterReply } from './threads/messages.ts';
import { joinLogs, type SalvageProgress, SalvageRun } from './threads/salvage-run.ts';
import { endedWithin, Keeper, startWriter, type WriterThread } from './threads/threads.ts';
import { ClockBook, type ClockMove } from './time/clock-book.ts';

/** How long a closing log waits for a thread. */
const LEAVE_WITHIN = 3000;

export class Log extends EventEmitter<LogEvents> implements LogSide {
  opened: Opened;
  readonly runtime: RuntimeChoice;
  readonly keeper: Keeper;
  readonly options: LogOptions;
  readonly #writer: WriterThread;
  readonly #tail: Tail;
  readonly #tiers: Tiers;
  readonly #outlets: Outlets;
  readonly #numbers: Lease;
  readonly #unnumbered = new Unnumbered();
  readonly #committer: Committer;
  #checkpointFault: string | undefined;
  #salvage: SalvageRun | undefined;
  readonly clock: ClockBook;
  /** What the embedded broker hands out. */
  readonly live: LiveHandOver;
  #closing = false;
  #begun = false;

  /** Opens the log; the tail of a killed run is in it before this resolves. @throws SluiceError log-open, log-newer */
  static async open(options: LogOptions): Promise<Log> {
    makeFolder(options.stateDir, 0o750);
    const file = path.join(options.stateDir, LOG_FILE);
    const runtime = chooseRuntimeDir(options.stateDir, options.runtimeDir, options.env ?? {});
    const { buffer: agreement } = new Agreement();
    const { maxSize, maxAge, machine } = options;
    const { writer, opened } = await startWriter(
      { file, runtimeDir: runtime.chosen?.dir, maxSize, maxAge, lease: LEASE, machine },
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
    this.live = new LiveHandOver(this, opened.forwarders);
    this.#outlets = new Outlets(this, this.live);
    this.clock = new ClockBook(
      opened.boots,
      new AllHandOvers(
        () => this.#outlets.parties,
        opened.forwarders,
        () => this.#numbers.next,
      ),
    );
    const historyFile = path.join(options.stateDir, HISTORY_FILE);
    this.keeper = new Keeper(file, historyFile, agreement, {
      damaged: (block) => this.emit('damaged', block),
      corrupt: () => this.#writer.send({ kind: 'look' }),
      repaired: (repair, logs) => {
        this.emit('repaired', repair);
        this.#writer.send({ kind: 'keep', logs });
      },
    });
    this.#tiers = new Tiers({
      options,
      boot: opened.boot,
      historyFile,
      tidy: (request) => this.keeper.tidy(request),
      check: () => this.keeper.check(),
      now: () => ({
        ...{ at: options.clock.monotonic(), wall: this.#knownWall(), active: this.#outlets.states() },
        from: (this.#salvage?.heldBack ?? 0) + 1,
      }),
      compacted: () => this.commitSoon(),
      tidied: (result) => this.emit('tidied', result),
      fault: (fault) => this.emit('tidyFault', fault),
    });
    this.on('repaired', () => this.#tiers.mended());
    this.#writer = writer;
    this.#numbers = new Lease(opened.next, opened.leaseEnd);
    const mirror = new Mirror(runtime.chosen?.dir, runtime.refused.at(-1));
    mirror.clear();
    const tailSide = {
      segment: () => this.#segment(),
      lanes: () => this.#outlets.parties.map((p) => p.tailState()),
      gaveUp: (readings: number, notices: number) => this.emit('overflow', readings, notices),
    };
    this.#tail = new Tail(tailSide, mirror, opened.next, opened.shapes, opened.inventory);
    this.#committer = new Committer(
      {
        ...{ options, tail: this.#tail, numbers: this.#numbers, clock: this.clock, outlets: this.#outlets, tiers: this.#tiers },
        wall: () => this.#knownWall(),
        send: (request, transfer) => writer.send({ kind: 'commit', request }, transfer),
        reserved: () => this.#giveNumbers(),
        fault: (fault) => this.emit('fault', fault),
        ended: (result) => {
          if (this.recent.full) this.trimRecent();
          this.emit('committed', result);
        },
      },
      opened.next - 1,
      opened.bytes,
    );
    const { worker } = writer;
    worker.on('message', (reply: WriterReply) => this.#reply(reply));
    if (opened.salvage !== undefined) this.#salvage = new SalvageRun(file, opened.salvage, this, writer);
    worker.on('error', (error) => this.emit('dead', error));
    worker.on('exit', () => {
      if (!this.#closing) this.emit('dead', new SluiceError('log-write', "the log's writer ended"));
    });
  }

  /** What is left of a damaged file is still to come back; undefined: nothing is. */
  get salvage(): SalvageProgress | undefined {
    return this.#salvage?.over === false ? this.#salvage.progress : undefined;
  }
  cameBack(logs: Opened['logs'], forwarders: Opened['forwarders']): void {
    this.#outlets.cameBack(logs, forwarders);
    this.commitSoon();
  }

  get id(): string {
    return (this.opened.logs.at(-1) as { name: string }).name;
  }
  get ordinal(): number {
    return (this.opened.logs.at(-1) as { ordinal: number }).ordinal;
  }
  /** The number that the next item gets. */
  get next(): number {
    return this.#numbers.next;
  }
  /** Every item up to here is in the file. */
  get committed(): number {
    return this.#committer.committed;
  }
  get inventoryRevision(): number {
    return this.#tail.revision;
  }
  /** Newest records, for live batches. */
  get recent(): Recent {
    return this.#tail.recent;
  }
  /** Highest number that may go upstream now: with the mirror down, data waits for the commit. */
  get sendable(): number {
    return this.#tail.mirror.covers(this.committed) ? this.#numbers.next - 1 : this.committed;
  }

  status() {
    const { cycle, last } = this.#committer;
    return {
      id: this.id,
      boot: this.opened.boot,
      next: this.#numbers.next,
      committed: this.committed,
      bytes: last.bytes + this.#tiers.bytes,
      pendingReadings: this.#tail.pending.readings,
      memory: heldMemory(this.#tail, this.#outlets, this.keeper),
      commits: cycle.count,
      lastCommit: cycle.last,
      held: last.held + this.#tiers.held,
      historyBytes: this.#tiers.bytes,
      tidyFault: this.#tiers.fault,
      oldest: this.#tiers.oldestWith(last.oldest),
      fault: cycle.fault,
      checkpointFault: this.#checkpointFault,
      mirrorFault: this.#tail.mirror.fault,
    };
  }

  /** One forwarder's view. A new name's start is committed before `ready` resolves. */
  outlet(name: string, from: 'oldest' | 'now', gateway: string, format: string, options: FormatOptions = {}): Outlet {
    const outlet = this.#outlets.get(name, from).address(gateway, format, options);
    this.#tail.mirror.state(outlet.tailState());
    return outlet;
  }

  /** The forwarder is no longer configured: cursor and lanes are kept, it pins nothing; what follows is history for it. */
  release(name: string): Promise<void> {
    return this.#outlets.release(name) ? this.flush() : Promise.resolve();
  }

  /** @returns the record, or undefined when no number can be given (the lease could not be renewed) */
  append(sample: Sample): LogRecord | undefined {
    const seq = this.#numbers.record();
    if (seq === undefined) {
      this.emit('overflow', sample.shape.points.length, 0);
      return undefined;
    }
    const record = this.#tail.record(seq, sample);
    if (this.recent.full || this.#outlets.none) this.trimRecent();
    this.#arm();
    this.emit('appended', sample.shape.points.length);
    return record;
  }

  /**
   * An alarm transition or an event. Its commit, with the readings before it, begins at once.
   * @param body the message without `log` and `seq`
   */
  notice(kind: 'alarm' | 'event', key: string, at: number, body: Readonly<Record<string, unknown>>): NoticeMessage {
    const seq = this.#numbers.notice();
    if (seq === undefined) return this.#unnumbered.take({ kind, key, at, body });
    const json = JSON.stringify({ v: 1, log: this.id, seq, ...body });
    const notice: StoredNotice = { seq, at: Math.round(at), kind, key, json };
    this.#tail.notice(notice);
    this.#outlets.noticed(notice);
    this.commitSoon();
    this.emit('appended', 0);
    return notice;
  }

  /** What a restart needs of a rule (its name) or of a counter (`device.point`); it rides in the next commit. null forgets it. */
  saveState(key: string, state: unknown): void {
    this.#tail.saveState(key, state);
    this.#arm();
  }

  /** To be called once outlets and clock of the start are there: what is appended from then on is in the mirror. @param body devices as JSON. @returns the revision, a new one when the content is new */
  setInventory(body: string): number {
    if (!this.#begun) {
      this.#outlets.leaveOthers();
      this.#salvage?.start();
    }
    this.#begun = true;
    this.#tail.setInventory(body, this.#numbers.next);
    this.commitSoon();
    return this.inventoryRevision;
  }

  /** The revision under which a record of this run was taken. */
  inventoryOf(seq: number): number {
    return this.#tail.revisionOf(seq);
  }

  /** A mapping of this boot, from the first number that no forwarder has handed over. Used only once it is committed. */
  setClock(offset: number, estimated: boolean): ClockMove {
    const move = this.clock.set(offset, estimated);
    this.#tail.mirror.state({ type: 'clock', clock: this.clock.own });
    if (!estimated) for (const party of this.#outlets.parties) party.forgetPromise();
    this.commitSoon();
    return move;
  }
  get mirrored(): boolean {
    return this.#tail.mirror.up;
  }
  /** Lanes of a forwarder changed in a way that has to be safe from a kill before it has an effect. */
  mirrorLanes(state: TailState): void {
    this.#tail.mirror.state(state);
    this.#arm();
  }

  /** Resolves when everything of now (items, cursors, lanes) is committed; goes on trying while the disk refuses. */
  flush(): Promise<void> {
    return this.#committer.cycle.flush();
  }

  /** A copy of what no file has. While a commit is under way, as of its end: nothing is committed for it. */
  uncommitted(): Promise<Uncommitted> {
    return this.#committer.cycle.between(() => ({
      ...{ log: this.ordinal, name: this.id, boot: this.opened.boot },
      ...{ clock: this.clock.own.segments, committed: this.committed, entries: this.#tail.pending.copy() },
    }));
  }

  commitSoon(): void {
    this.#committer.cycle.soon();
  }

  /** A cursor moved: it rides in the next commit, and memory may let go. */
  cursorMoved(): void {
    this.trimRecent();
    this.#arm();
  }

  trimRecent(): void {
    this.recent.trim(this.#outlets.needsFrom - 1, this.committed);
    if (this.recent.full) this.commitSoon();
  }

  /** Commits what is pending (bounded by `within` ms), closes the file. What could not be committed stays in the runtime directory. */
  async close(within: number): Promise<void> {
    for (const party of this.#outlets.parties) party.forgetPromise();
    const clean = await endedWithin(within, this.options.clock, this.flush());
    this.#closing = true;
    this.#tiers.stop();
    this.#committer.cycle.stop();
    await endedWithin(LEAVE_WITHIN, this.options.clock, Promise.all([this.keeper.close(), this.#salvage?.stop()]));
    if (clean) {
      await this.#writer.close(this.#numbers.next);
      this.#tail.mirror.close();
      this.#tail.mirror.clear();
    } else {
      await endedWithin(LEAVE_WITHIN, this.options.clock, this.#writer.leave());
      this.#tail.mirror.close();
    }
  }

  /** Ends at once, as a kill would: nothing more is committed, the runtime directory stays as it is. */
  async abandon(): Promise<void> {
    this.#closing = true;
    this.#tiers.stop();
    this.#committer.cycle.stop();
    this.#tail.mirror.close();
    this.#writer.worker.removeAllListeners('message');
    await Promise.all([this.keeper.close(), this.#salvage?.stop(), this.#writer.leave()]);
  }

  /** Compacts what is committed, now; the blocks it replaces go with the next commit. For tests and measurements. */
  compact(): Promise<void> {
    return this.#tiers.now();
  }

  /** A commit `commitEvery` after the first thing that waits; at once when much waits or the lease runs low. */
  #arm(): void {
    if (this.#tail.pending.large || this.#numbers.low) this.commitSoon();
    this.#committer.cycle.arm();
  }

  #segment() {
    const { own: clock, first, machine } = this.clock;
    // Before the first commit of a run the file settles no more than what it held at the opening.
    const committed = this.committed < this.opened.next ? (this.opened.logs.at(-1)?.last ?? 0) : this.committed;
    return { log: this.id, boot: this.opened.boot, clock, first, machine, committed };
  }

  /** To alarms and events that came while there was none. */
  #giveNumbers(): void {
    const leftOut = this.#unnumbered.release(({ kind, key, at, body }) => this.notice(kind, key, at, body));
    if (leftOut > 0) this.emit('overflow', 0, leftOut);
  }

  /** UTC ms of now, when it is known. */
  #knownWall(): number | undefined {
    const known = this.clock.last;
    return known === undefined || known.estimated ? undefined : this.options.clock.monotonic() + known.offset;
  }

  #reply(reply: WriterReply): void {
    if (reply.kind === 'checkpoint') {
      this.#checkpointFault = reply.fault;
      this.emit('checkpoint', reply.fault);
    } else if (reply.kind === 'repaired') {
      this.keeper.restart();
      this.emit('repaired', reply.repair);
    } else if (reply.kind === 'coming-back' || reply.kind === 'came-back') this.#salvage?.told(reply);
    else if (reply.kind === 'kept') joinLogs(this, reply, this.#salvage?.heldBack ?? 0);
    else if (reply.kind === 'failed') this.#committer.failed(reply.failure);
    else if (reply.kind === 'committed') this.#committer.ended(reply.result);
  }
}
