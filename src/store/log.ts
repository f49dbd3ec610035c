/**
 * The log as the main thread sees it: numbers are given here, the tail is held here, commits are sent from here.
 *
 * - A number is given once: only below the durable lease.
 * - Before a record or a hand-over has an effect outside, it lies in the runtime directory (mirror).
 * - A commit takes everything pending, with the lanes, cursors and alarm states of that moment, in one transaction;
 *   one commit is under way at a time. History is read only from what is committed.
 * - Nothing here waits for the disk: `append` and `notice` return at once.
 * - Bounds: what waits for the disk (pending.ts), what is kept for live batches (recent.ts), the lease.
 */
import { EventEmitter } from 'node:events';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { ENTRY, EntryWriter, type StoredNotice } from '../codecs/rows.ts';
import { SluiceError } from '../core/errors.ts';
import type { LogRecord, Sample } from '../core/point.ts';
import type { NoticeMessage } from '../core/ports.ts';
import { ClockBook, type ClockMove } from './clock-book.ts';
import { AllHandOvers, LiveHandOver, type Party } from './hand-over.ts';
import { HISTORY_FILE } from './history-layout.ts';
import { type ClockList, type ForwarderState, LOG_FILE, type TailState } from './layout.ts';
import type { LogEvents, LogOptions } from './log-options.ts';
import type { CommitResult, Failure, Opened, WriterMessage, WriterReply } from './messages.ts';
import { chooseRuntimeDir, Mirror } from './mirror.ts';
import { type LogSide, Outlet } from './outlet.ts';
import { Pending } from './pending.ts';
import { Recent } from './recent.ts';
import { asKept, ShapeIds } from './shapes.ts';
import { Keeper, startWriter, type WriterThread } from './threads.ts';
import { Tiers } from './tiers.ts';
import { Revisions } from './timeline.ts';

/** Numbers reserved ahead: 50,000 are renewed while the other half is still unused. */
const LEASE = 100_000;
const NOTICE_RESERVE = 5000;
/** Time between two tries of a commit that failed. */
const RETRY = { first: 500, most: 30_000 };
/** How long a closing log waits for a thread. */
const LEAVE_WITHIN = 3000;

interface UnderWay {
  /** Counts the tries. */
  readonly index: number;
  readonly upTo: number;
  readonly segment: number;
  readonly leaseEnd: number;
  readonly clock: readonly ClockList[];
  readonly alarms: ReadonlyMap<string, unknown>;
  readonly newInventory: { revision: number; body: string } | undefined;
  /** Those whose state it carries. */
  readonly parties: readonly Party[];
}

export class Log extends EventEmitter<LogEvents> implements LogSide {
  readonly opened: Opened;
  readonly runtimeDir: { dir: string; memoryBacked: boolean } | undefined;
  readonly keeper: Keeper;
  readonly recent: Recent;
  readonly options: LogOptions;
  readonly #writer: WriterThread;
  readonly #mirror: Mirror;
  readonly #tiers: Tiers;
  readonly #outlets = new Map<string, Outlet>();
  /** Removed in this run: their state is still kept, and they may come back. */
  readonly #released = new Map<string, Outlet>();
  readonly #shapes: ShapeIds;
  #next: number;
  #leaseEnd: number;
  #committed: number;
  readonly #pending = new Pending();
  #underWay: UnderWay | undefined;
  #fault: string | undefined;
  #checkpointFault: string | undefined;
  #retryIn = RETRY.first;
  #retry: (() => void) | undefined;
  #timer: (() => void) | undefined;
  #commitWanted = false;
  #alarms = new Map<string, unknown>();
  #inventory: { revision: number; body: string };
  #newInventory: { revision: number; body: string } | undefined;
  readonly #revisions = new Revisions();
  readonly clock: ClockBook;
  /** What the embedded broker hands out. */
  readonly live: LiveHandOver;
  #commits = 0;
  #tries = 0;
  /** Monotonic time. */
  #lastCommit: number | undefined;
  #held = 0;
  #oldest: CommitResult['oldest'] = [];
  #bytes: number;
  #closing = false;
  #waiters: { from: number; resolve: () => void }[] = [];

  /** Opens the log; the tail of a killed run is in it before this resolves. @throws SluiceError log-open, log-newer */
  static async open(options: LogOptions): Promise<Log> {
    mkdirSync(options.stateDir, { recursive: true, mode: 0o750 });
    const file = path.join(options.stateDir, LOG_FILE);
    const runtimeDir = chooseRuntimeDir(options.stateDir, options.runtimeDir, options.env ?? {});
    const { writer, opened } = await startWriter({
      file,
      runtimeDir: runtimeDir?.dir,
      maxSize: options.maxSize,
      maxAge: options.maxAge,
      lease: LEASE,
      machine: options.machine,
    });
    try {
      return new Log(options, file, writer, opened, runtimeDir);
    } catch (thrown) {
      await writer.leave();
      throw thrown;
    }
  }

  private constructor(
    options: LogOptions,
    file: string,
    writer: WriterThread,
    opened: Opened,
    runtimeDir: { dir: string; memoryBacked: boolean } | undefined,
  ) {
    super();
    this.options = options;
    this.opened = opened;
    this.runtimeDir = runtimeDir;
    this.live = new LiveHandOver(this, opened.forwarders);
    this.clock = new ClockBook(
      opened.boots,
      new AllHandOvers(
        () => this.#parties(),
        opened.forwarders,
        () => this.#next,
      ),
    );
    const historyFile = path.join(options.stateDir, HISTORY_FILE);
    this.keeper = new Keeper(file, historyFile, {
      damaged: (block) => this.emit('damaged', block),
      corrupt: () => this.#writer.send({ kind: 'look' }),
      repaired: (repair) => this.emit('repaired', repair),
    });
    this.#tiers = new Tiers({
      options,
      boot: opened.boot,
      historyFile,
      tidy: (request) => this.keeper.tidy(request),
      now: () => ({ at: options.clock.monotonic(), wall: this.#knownWall(), active: this.#activeStates() }),
      compacted: () => this.commitSoon(),
      tidied: (result) => this.emit('tidied', result),
      fault: (fault) => this.emit('tidyFault', fault),
    });
    this.#writer = writer;
    this.#next = opened.next;
    this.#leaseEnd = opened.leaseEnd;
    this.#committed = opened.next - 1;
    this.#bytes = opened.bytes;
    this.#inventory = opened.inventory ?? { revision: 0, body: '' };
    this.recent = new Recent(opened.next);
    this.#shapes = new ShapeIds(opened.shapes);
    this.#mirror = new Mirror(runtimeDir?.dir);
    this.#mirror.clear();
    const { worker } = writer;
    worker.on('message', (reply: WriterReply) => this.#reply(reply));
    worker.on('error', (error) => this.emit('dead', error));
    worker.on('exit', () => {
      if (!this.#closing) this.emit('dead', new SluiceError('log-write', "the log's writer ended"));
    });
  }

  get id(): string {
    return (this.opened.logs.at(-1) as { name: string }).name;
  }
  get ordinal(): number {
    return (this.opened.logs.at(-1) as { ordinal: number }).ordinal;
  }
  /** The number that the next item gets. */
  get next(): number {
    return this.#next;
  }
  /** Every item up to here is in the file. */
  get committed(): number {
    return this.#committed;
  }
  get inventoryRevision(): number {
    return this.#inventory.revision;
  }
  /** Highest number that may go upstream now: with the mirror down, data waits for the commit. */
  get sendable(): number {
    return this.#mirror.covers(this.#committed) ? this.#next - 1 : this.#committed;
  }

  status() {
    return {
      id: this.id,
      boot: this.opened.boot,
      next: this.#next,
      committed: this.#committed,
      bytes: this.#bytes + this.#tiers.bytes,
      pendingReadings: this.#pending.readings,
      pendingBytes: this.#pending.bytes,
      commits: this.#commits,
      lastCommit: this.#lastCommit,
      held: this.#held + this.#tiers.held,
      historyBytes: this.#tiers.bytes,
      tidyFault: this.#tiers.fault,
      oldest: this.#oldestWaiting(),
      fault: this.#fault,
      checkpointFault: this.#checkpointFault,
      mirrorFault: this.#mirror.fault,
    };
  }

  /** What lies in history.db is older than every commit block. */
  #oldestWaiting(): CommitResult['oldest'] {
    const inHistory = this.#tiers.oldest;
    return [...inHistory, ...this.#oldest.filter(([name, lane]) => !inHistory.some(([n, l]) => n === name && l === lane))];
  }

  /** One forwarder's view. A new name's start is committed before `ready` resolves. */
  outlet(name: string, from: 'oldest' | 'now', gateway: string, format: string): Outlet {
    const released = this.#released.get(name);
    released?.comeBack();
    this.#released.delete(name);
    const known = this.opened.forwarders.filter((f) => f.name === name);
    const outlet = this.#outlets.get(name) ?? released ?? new Outlet(this, name, from, known);
    outlet.address(gateway, format);
    this.#outlets.set(name, outlet);
    this.#mirror.state(outlet.tailState());
    return outlet;
  }

  /** The forwarder is no longer configured: cursor and lanes are kept, it pins nothing; what follows is history for it. */
  release(name: string): Promise<void> {
    const outlet = this.#outlets.get(name);
    if (outlet === undefined) return Promise.resolve();
    this.#outlets.delete(name);
    this.#released.set(name, outlet);
    outlet.leave();
    return this.flush();
  }

  /** @returns the record, or undefined when no number can be given (the lease could not be renewed) */
  append(sample: Sample): LogRecord | undefined {
    // The last numbers are kept for alarms and events, which do not wait for the disk.
    if (this.#next >= this.#leaseEnd - NOTICE_RESERVE) {
      this.emit('overflow', sample.shape.points.length);
      return undefined;
    }
    const shape = this.#shapes.of(sample.shape);
    const record = { seq: this.#next++, sample: asKept(sample, shape.texts) };
    const { bytes, givenUp } = this.#pending.record(record, shape.id, sample.shape);
    this.#mirror.item(record.seq, bytes);
    if (givenUp > 0) this.emit('overflow', givenUp);
    this.recent.push(record);
    if (this.recent.full || this.#outlets.size === 0) this.trimRecent();
    this.#arm();
    this.emit('appended', sample.shape.points.length);
    return record;
  }

  /**
   * An alarm transition or an event. Its commit, with the readings before it, begins at once.
   * @param body the message without `log` and `seq`
   */
  notice(kind: 'alarm' | 'event', key: string, at: number, body: Readonly<Record<string, unknown>>): NoticeMessage {
    const seq = this.#next < this.#leaseEnd ? this.#next++ : 0;
    const notice: StoredNotice = {
      seq,
      at: Math.round(at),
      kind,
      key,
      json: JSON.stringify({ v: 1, log: this.id, seq, ...body }),
    };
    if (seq > 0) {
      this.#mirror.item(seq, this.#pending.notice(notice));
      for (const outlet of this.#outlets.values()) outlet.noticed(notice);
      this.commitSoon();
      this.emit('appended', 0);
    }
    return notice;
  }

  /** State of a rule that a restart needs; it rides in the next commit. */
  saveAlarm(rule: string, state: unknown): void {
    this.#alarms.set(rule, state);
    this.#mirror.state({ type: 'alarm', rule, state });
    this.#arm();
  }

  /** To be called once outlets and clock of the start are there: what is appended from then on is in the mirror. @param body devices as JSON. @returns the revision, a new one when the content is new */
  setInventory(body: string): number {
    if (body !== this.#inventory.body) {
      this.#inventory = { revision: this.#inventory.revision + 1, body };
      this.#newInventory = this.#inventory;
    }
    // Records before and after name different revisions, so they share neither a block nor a segment.
    this.#pending.setInventory(this.#inventory.revision);
    this.#revisions.set(this.#next, this.#inventory.revision);
    this.#beginSegment();
    this.commitSoon();
    return this.#inventory.revision;
  }

  /** The revision under which a record of this run was taken. */
  inventoryOf(seq: number): number {
    return this.#revisions.of(seq);
  }

  /** A mapping of this boot, from the first number that no forwarder has handed over. Used only once it is committed. */
  setClock(offset: number, estimated: boolean): ClockMove {
    const move = this.clock.set(offset, estimated);
    this.#mirror.state({ type: 'clock', clock: this.clock.own });
    if (!estimated) for (const party of this.#parties()) party.forgetPromise();
    this.commitSoon();
    return move;
  }
  get mirrored(): boolean {
    return this.#mirror.up;
  }

  /** Lanes of a forwarder changed in a way that has to be safe from a kill before it has an effect. */
  mirrorLanes(state: TailState): void {
    this.#mirror.state(state);
    this.#arm();
  }

  /** Resolves when everything of now (items, cursors, lanes) is committed; goes on trying while the disk refuses. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      // A commit under way took its part before: only the next one has everything.
      this.#waiters.push({ from: this.#tries + 1, resolve });
      this.commitSoon();
    });
  }

  commitSoon(): void {
    this.#commitWanted = true;
    if (this.#underWay === undefined && this.#retry === undefined) this.#startCommit();
  }

  /** A cursor moved: it rides in the next commit, and memory may let go. */
  cursorMoved(): void {
    this.trimRecent();
    this.#arm();
  }

  trimRecent(): void {
    let needs = Number.POSITIVE_INFINITY;
    for (const outlet of this.#outlets.values()) needs = Math.min(needs, outlet.needsFrom);
    this.recent.trim(needs - 1, this.#committed);
    if (this.recent.full) this.commitSoon();
  }

  /** Commits what is pending (bounded by `within` ms), closes the file. What could not be committed stays in the runtime directory. */
  async close(within: number): Promise<void> {
    let cancel: (() => void) | undefined;
    for (const party of this.#parties()) party.forgetPromise();
    const committed = this.flush().then(() => true);
    const late = new Promise<boolean>((resolve) => {
      cancel = this.options.clock.after(within, () => resolve(false));
    });
    const clean = await Promise.race([committed, late]);
    cancel?.();
    this.#closing = true;
    this.#tiers.stop();
    this.#timer?.();
    this.#retry?.();
    await this.#bounded(this.keeper.close());
    if (clean) {
      await this.#writer.close(this.#next);
      this.#mirror.close();
      this.#mirror.clear();
    } else {
      await this.#bounded(this.#writer.leave());
      this.#mirror.close();
    }
  }

  /** Ends at once, as a kill would: nothing more is committed, the runtime directory stays as it is. */
  async abandon(): Promise<void> {
    this.#closing = true;
    this.#tiers.stop();
    this.#timer?.();
    this.#retry?.();
    this.#mirror.close();
    this.#writer.worker.removeAllListeners('message');
    await Promise.all([this.keeper.close(), this.#writer.leave()]);
  }

  /** A thread that hangs in the disk must not keep the process from ending. */
  #bounded(ended: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.options.clock.after(LEAVE_WITHIN, resolve);
      void ended.then(() => {
        cancel();
        resolve();
      });
    });
  }

  /** Compacts what is committed, now; the blocks it replaces go with the next commit. For tests and measurements. */
  compact(): Promise<void> {
    return this.#tiers.now();
  }

  /** A commit `commitEvery` after the first thing that waits; at once when much waits or the lease runs low. */
  #arm(): void {
    if (this.#pending.large || this.#leaseEnd - this.#next < LEASE / 2) this.commitSoon();
    this.#timer ??= this.options.clock.after(this.options.commitEvery, () => {
      this.#timer = undefined;
      this.commitSoon();
    });
  }

  #beginSegment(): number {
    const head = new EntryWriter(4096);
    head.json(ENTRY.state, {
      type: 'segment',
      log: this.id,
      boot: this.opened.boot,
      inventory: this.#inventory.revision,
      ...{ clock: this.clock.own, first: this.clock.first, machine: this.clock.machine },
      committed: this.#committed,
    } satisfies TailState);
    for (const party of this.#parties()) {
      const state = party.tailState();
      if (state !== undefined) head.json(ENTRY.state, state);
    }
    // Not committed yet: the segment that has them may be given up.
    for (const [rule, state] of this.#alarms) head.json(ENTRY.state, { type: 'alarm', rule, state } satisfies TailState);
    this.#pending.forgetShapes();
    return this.#mirror.begin(head.since(0));
  }

  #parties(): Party[] {
    return [...this.#released.values(), ...this.#outlets.values(), this.live];
  }

  #startCommit(): void {
    if (this.#underWay !== undefined || this.#closing) return;
    this.#commitWanted = false;
    this.#timer?.();
    this.#timer = undefined;
    const parties = this.#parties();
    for (const party of parties) party.commitBegins(this.#next);
    const chunks = this.#pending.take();
    const clock = this.clock.pending;
    this.#underWay = {
      index: ++this.#tries,
      upTo: this.#next - 1,
      segment: this.#beginSegment(),
      leaseEnd: this.#leaseEnd - this.#next < LEASE / 2 ? this.#next + LEASE : this.#leaseEnd,
      clock,
      alarms: this.#alarms,
      newInventory: this.#newInventory,
      parties,
    };
    const message: WriterMessage = {
      kind: 'commit',
      request: {
        id: this.#commits + 1,
        chunks,
        upTo: this.#underWay.upTo,
        forwarders: parties.flatMap((p) => p.takeStates()),
        active: this.#activeStates(),
        alarms: [...this.#alarms],
        clock,
        newInventory: this.#newInventory,
        leaseEnd: this.#underWay.leaseEnd,
        wall: this.#knownWall(),
        maxSize: this.#tiers.logLimit,
        maxAge: this.options.maxAge,
        compacted: this.#tiers.take(),
      },
    };
    this.#alarms = new Map();
    this.#newInventory = undefined;
    this.#writer.send(
      message,
      chunks.map((c) => c.entries.buffer),
    );
  }

  #activeStates(): ForwarderState[] {
    return [...this.#outlets.values()].flatMap((o) => o.states());
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
      return;
    }
    if (reply.kind === 'repaired') {
      this.keeper.restart();
      this.emit('repaired', reply.repair);
      return;
    }
    const commit = this.#underWay;
    if (commit === undefined) return;
    this.#underWay = undefined;
    if (reply.kind === 'failed') this.#commitFailed(commit, reply.failure);
    else if (reply.kind === 'committed') this.#commitEnded(commit, reply.result);
  }

  #commitEnded(commit: UnderWay, result: CommitResult): void {
    this.#commits++;
    this.#bytes = result.bytes;
    this.#held = result.held;
    this.#oldest = result.oldest;
    this.#lastCommit = this.options.clock.monotonic();
    this.#leaseEnd = Math.max(this.#leaseEnd, commit.leaseEnd);
    this.clock.committed(commit.clock);
    this.#committed = Math.max(this.#committed, commit.upTo);
    this.#retryIn = RETRY.first;
    this.#mirror.drop(commit.segment);
    if (this.#fault !== undefined) {
      this.#fault = undefined;
      this.emit('fault', undefined);
    }
    this.#waiters = this.#waiters.filter((w) => {
      if (w.from > commit.index) return true;
      w.resolve();
      return false;
    });
    if (this.recent.full) this.trimRecent();
    this.#tiers.committed(result);
    this.emit('committed', result);
    if (this.#commitWanted || this.#waiters.length > 0) this.#startCommit();
  }

  #commitFailed(commit: UnderWay, failure: Failure): void {
    // First of all: whoever is told of it may append an event, which must not begin a commit at once.
    this.#retry = this.options.clock.after(this.#retryIn, () => {
      this.#retry = undefined;
      this.#startCommit();
    });
    this.#retryIn = Math.min(this.#retryIn * 2, RETRY.most);
    this.#tiers.putBack();
    const givenUp = this.#pending.putBack(failure.chunks ?? []);
    if (givenUp > 0) this.emit('overflow', givenUp);
    // What changed since is newer than what the commit carried.
    this.#alarms = new Map([...commit.alarms, ...this.#alarms]);
    this.#newInventory ??= commit.newInventory;
    for (const party of commit.parties) party.touch();
    if (this.#fault === undefined) {
      this.#fault = failure.error;
      this.emit('fault', failure.error);
    }
    this.#fault = failure.error;
  }
}
