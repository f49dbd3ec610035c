/**
 * broker.db as the main thread sees it. Its thread starts with the first thing to keep, or where there is a file. Invariants:
 * - Nothing here waits for the disk: `change` returns at once.
 * - One message is under way to the thread at a time; what comes meanwhile waits here, the last change of each row alone.
 * - After a fault nothing is given to the thread but everything anew, at times.
 */
import { existsSync, lstatSync } from 'node:fs';
import path from 'node:path';
import type { Worker } from 'node:worker_threads';
import {
  type BrokerChange,
  type BrokerPace,
  type BrokerRepair,
  type BrokerStore,
  type BrokerStoreStatus,
  type BrokerValue,
  rowName,
} from '../core/broker-store.ts';
import type { Clock } from '../core/clock.ts';
import { BROKER_FILE, BROKER_TAIL } from './broker/layout.ts';
import type { BrokerData, BrokerMessage, BrokerReply } from './threads/broker-messages.ts';
import { ended, endedWithin, startThread } from './threads/threads.ts';

/** Milliseconds until a change of that pace is committed. */
const PACES: Readonly<Record<BrokerPace, number>> = { now: 0, soon: 10_000, later: 60_000 };
/** Until then changes are gathered before they go to the thread, which writes them where a kill leaves them. */
const GATHER = 50;
/** Waits before a file that took nothing is tried again. */
const RETRY_MIN = 5_000;
const RETRY_MAX = 60_000;
/** Bytes that may wait here for the disk until it is full: payloads, topics and other texts. */
const MAX_WAITING = 4 * 1024 * 1024;
/**
 * Rows that may wait here, and their bytes. While the disk hangs, each message, topic and subscription that comes and goes leaves rows that
 * say so. Beyond it they are dropped, and the next message to the thread is everything as it is, which has fewer.
 */
export const MAX_WAITING_ROWS = 100_000;
export const MOST_WAITING = 2 * MAX_WAITING;
/** How long a closing store waits for its thread. */
const CLOSE_WITHIN = 3_000;

export interface BrokerFileOptions {
  readonly stateDir: string;
  /** Memory-backed; undefined: there is none, and a kill loses what is not committed. */
  readonly runtimeDir: string | undefined;
  readonly clock: Clock;
  /** The file takes nothing, in words; undefined: it does again. Once each. */
  readonly onFault: (fault: string | undefined) => void;
  readonly onRepair: (repair: BrokerRepair) => void;
}

export class BrokerFile implements BrokerStore {
  readonly #o: BrokerFileOptions;
  readonly #file: string;
  readonly #tail: string | undefined;
  #worker: Worker | undefined;
  #gone: Promise<void> | undefined;
  #whole: () => Iterable<BrokerChange> = () => [];
  #opened: ((rows: readonly BrokerChange[]) => void) | undefined;
  readonly #waiting = new Map<string, BrokerChange>();
  #waitingBytes = 0;
  #waiters: ((safe: boolean) => void)[] = [];
  /** Called when the file takes something after a fault. */
  #hopeful: (() => void)[] = [];
  /** Those of the message that is under way. */
  #asked: ((safe: boolean) => void)[] = [];
  #underWay = 0;
  #committing = false;
  #lastId = 0;
  /** When something that waits has to be committed, monotonic ms; undefined: nothing waits. */
  #due: number | undefined;
  #cancel: (() => void) | undefined;
  #armedFor = Number.POSITIVE_INFINITY;
  #stale = false;
  /** Changes were dropped: the thread gets everything anew. */
  #anew = false;
  #retry = RETRY_MIN;
  #closed = false;
  #fault: string | undefined;
  #bytes = 0;
  #commits = 0;
  #failures = 0;
  #repairs = 0;

  constructor(options: BrokerFileOptions) {
    this.#o = options;
    this.#file = path.join(options.stateDir, BROKER_FILE);
    this.#tail = options.runtimeDir === undefined ? undefined : path.join(options.runtimeDir, BROKER_TAIL);
  }

  open(whole: () => Iterable<BrokerChange>): Promise<readonly BrokerChange[]> {
    this.#whole = whole;
    const there = lstatSync(this.#file, { throwIfNoEntry: false }) !== undefined;
    if (!there && (this.#tail === undefined || !existsSync(this.#tail))) return Promise.resolve([]);
    return new Promise((resolve) => {
      this.#opened = resolve;
      this.#start();
    });
  }

  get full(): boolean {
    return this.#anew || this.#waitingBytes > MAX_WAITING;
  }

  change(change: BrokerChange, pace: BrokerPace): void {
    // While the file takes nothing, everything is given anew when it does.
    if (this.#stale || this.#closed) return;
    if (!this.#anew) this.#keep(change);
    const due = this.#o.clock.monotonic() + PACES[pace];
    this.#due = Math.min(this.#due ?? due, due);
    this.#arm();
  }

  #keep(change: BrokerChange): void {
    const name = rowName(change);
    const before = this.#waiting.get(name);
    if (before !== undefined) this.#waitingBytes -= sizeOf(before);
    // Behind what came before: rows keep their order.
    this.#waiting.delete(name);
    this.#waiting.set(name, change);
    this.#waitingBytes += sizeOf(change);
    if (this.#waiting.size <= MAX_WAITING_ROWS && this.#waitingBytes <= MOST_WAITING) return;
    this.#drop();
    this.#anew = true;
  }

  settled(): Promise<boolean> {
    if (this.#stale || this.#closed) return Promise.resolve(false);
    if (this.#due === undefined && this.#underWay === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      // All of it is under way.
      if (this.#due === undefined && this.#committing) {
        this.#asked.push(resolve);
        return;
      }
      this.#waiters.push(resolve);
      this.#due = Number.NEGATIVE_INFINITY;
      this.#arm();
    });
  }

  get takes(): boolean {
    return !this.#stale && !this.#closed;
  }

  again(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#fault !== undefined || this.#closed) this.#hopeful.push(resolve);
    else resolve();
    return promise;
  }

  status(): BrokerStoreStatus {
    const state = this.#fault !== undefined ? 'faulty' : this.#worker === undefined ? 'idle' : 'file';
    const counted = { commits: this.#commits, failures: this.#failures, repairs: this.#repairs };
    return { state, fault: this.#fault, bytes: this.#bytes, ...counted };
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (this.#closed) return;
    const settled = this.#due !== undefined || this.#underWay > 0 ? this.settled() : undefined;
    if (settled !== undefined) await endedWithin(CLOSE_WITHIN, this.#o.clock, settled);
    this.#closed = true;
    this.#cancel?.();
    this.#release(false);
    const last = this.#worker ?? worker;
    if (last === undefined || this.#gone === undefined) return;
    last.postMessage({ kind: 'close' } satisfies BrokerMessage);
    await endedWithin(CLOSE_WITHIN, this.#o.clock, this.#gone);
  }

  #arm(): void {
    const now = this.#o.clock.monotonic();
    const at = (this.#due ?? now) <= now ? now : now + GATHER;
    if (this.#underWay !== 0 || this.#closed || this.#armedFor <= at) return;
    this.#cancel?.();
    this.#armedFor = at;
    const run = (): void => {
      this.#armedFor = Number.POSITIVE_INFINITY;
      this.#flush();
    };
    if (at > now) {
      this.#cancel = this.#o.clock.after(GATHER, run);
      return;
    }
    // In the same turn others may have something as well.
    const turn = setImmediate(run);
    this.#cancel = () => clearImmediate(turn);
  }

  #flush(): void {
    if (this.#underWay !== 0 || this.#stale || this.#closed) return;
    const now = this.#o.clock.monotonic();
    const commit = this.#anew || (this.#due !== undefined && this.#due <= now);
    if (this.#waiting.size === 0 && !commit) return;
    if (this.#worker === undefined) this.#start();
    const { changes, transfer } = together(this.#waiting.values(), this.#waitingBytes);
    const anew = this.#anew;
    this.#drop();
    // What they wait for was dropped, and may not be among everything yet.
    if (anew) this.#release(false);
    this.#asked = this.#waiters;
    this.#waiters = [];
    if (commit) this.#due = undefined;
    this.#underWay = ++this.#lastId;
    this.#committing = commit;
    if (anew) this.#giveWhole();
    else this.#worker?.postMessage({ kind: 'changes', id: this.#underWay, changes, commit } satisfies BrokerMessage, transfer);
    if (!commit && this.#due !== undefined) this.#armCommit(this.#due - now);
  }

  /** What the thread has in its tail is committed some time. */
  #armCommit(wait: number): void {
    this.#cancel?.();
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#cancel = this.#o.clock.after(wait, () => {
      this.#armedFor = Number.POSITIVE_INFINITY;
      this.#flush();
    });
  }

  #start(): void {
    const data: BrokerData = { file: this.#file, runtimeDir: this.#o.runtimeDir, tail: this.#tail };
    const worker = startThread('broker', data);
    this.#worker = worker;
    this.#gone = ended(worker);
    worker.on('message', (reply: BrokerReply) => this.#reply(reply));
    worker.on('error', (error) => this.#lost(worker, error.message));
    worker.on('exit', () => this.#lost(worker, 'its thread ended'));
  }

  #lost(worker: Worker, why: string): void {
    if (this.#worker !== worker || this.#closed) return;
    this.#worker = undefined;
    this.#failed(why);
  }

  #reply(reply: BrokerReply): void {
    if (reply.kind === 'opened') {
      this.#bytes = reply.bytes;
      if (reply.repair !== undefined) this.#repaired(reply.repair);
      const opened = this.#opened;
      this.#opened = undefined;
      opened?.(reply.rows);
      // A message that is under way gets an answer of its own.
      if (reply.fault !== undefined && this.#underWay === 0) this.#failed(reply.fault);
      return;
    }
    if (reply.kind === 'failed') {
      this.#underWay = 0;
      this.#failed(reply.fault);
      return;
    }
    if (reply.id === this.#underWay) this.#underWay = 0;
    if (reply.kind === 'committed') {
      this.#commits++;
      this.#bytes = reply.bytes;
      if (reply.repair !== undefined) this.#repaired(reply.repair);
      if (this.#fault !== undefined) {
        this.#fault = undefined;
        this.#retry = RETRY_MIN;
        this.#o.onFault(undefined);
        for (const resolve of this.#hopeful.splice(0)) resolve();
      }
    }
    const asked = this.#asked;
    this.#asked = [];
    // Only a commit answers those who wait for the disk; no other message is sent while somebody does.
    for (const resolve of asked) resolve(reply.kind === 'committed');
    if (this.#anew || this.#waiting.size > 0 || this.#waiters.length > 0) this.#arm();
    else if (this.#due !== undefined) this.#armCommit(Math.max(0, this.#due - this.#o.clock.monotonic()));
  }

  #repaired(repair: BrokerRepair): void {
    this.#repairs++;
    this.#o.onRepair(repair);
  }

  #failed(fault: string): void {
    this.#failures++;
    this.#stale = true;
    this.#underWay = 0;
    this.#drop();
    this.#due = undefined;
    this.#opened?.([]);
    this.#opened = undefined;
    this.#release(false);
    if (this.#fault === undefined) this.#o.onFault(fault);
    this.#fault = fault;
    if (this.#closed) return;
    this.#cancel?.();
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#cancel = this.#o.clock.after(this.#retry, () => this.#again());
    this.#retry = Math.min(2 * this.#retry, RETRY_MAX);
  }

  /** Everything anew; changes that come from now on follow. */
  #again(): void {
    if (this.#closed) return;
    if (this.#worker === undefined) this.#start();
    this.#stale = false;
    this.#underWay = ++this.#lastId;
    this.#committing = true;
    this.#giveWhole();
  }

  #giveWhole(): void {
    this.#worker?.postMessage({ kind: 'whole', id: this.#underWay, changes: [...this.#whole()] } satisfies BrokerMessage);
  }

  #drop(): void {
    this.#waiting.clear();
    this.#waitingBytes = 0;
    this.#anew = false;
  }

  #release(safe: boolean): void {
    for (const resolve of [...this.#asked, ...this.#waiters]) resolve(safe);
    this.#asked = [];
    this.#waiters = [];
  }
}

/**
 * Changes with all of their payloads in one buffer, which goes to the thread without a copy. A buffer for each payload costs more
 * than most payloads, in this thread and in the other one.
 * @param most at least as many bytes as the payloads have
 */
function together(all: Iterable<BrokerChange>, most: number): { changes: BrokerChange[]; transfer: ArrayBuffer[] } {
  const buffer = new Uint8Array(most);
  let at = 0;
  const moved = (value: BrokerValue): BrokerValue => {
    if (!(value instanceof Uint8Array)) return value;
    buffer.set(value, at);
    at += value.length;
    return buffer.subarray(at - value.length, at);
  };
  const changes = Array.from(all, (change) => ({ ...change, values: change.values.map(moved) }));
  return { changes, transfer: [buffer.buffer] };
}

function sizeOf({ values }: BrokerChange): number {
  return values.reduce<number>(
    (sum, v) => sum + (v instanceof Uint8Array ? v.length : typeof v === 'string' ? 16 + v.length : 16),
    0,
  );
}
