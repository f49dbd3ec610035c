/** Starting the store's threads and asking the reader. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../core/clock.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import type { TidyRequest, TidyResult } from '../archive/tidy-request.ts';
import type { NoticesRequest, NoticesResult, ReadRequest, ReadResult } from '../delivery/backlog-request.ts';
import type { DamagedBlock, KeptLog, Repair, SalvageProgress } from '../files/repair-report.ts';
import { SALVAGE_BOUNDS } from '../files/salvage-bounds.ts';
import { diskFault, isDamage } from '../files/sqlite-errors.ts';
import type { Opened, OpenRequest } from '../hot/opened.ts';
import type {
  ExportRequest,
  ExportResult,
  NewestRequest,
  NewestResult,
  QueryRequest,
  QueryResult,
  RemovedRequest,
  RemovedResult,
  WaitingRequest,
  WaitingResult,
} from '../read/requests.ts';
import type { KeeperData, KeeperMessage, KeeperReply, WriterData, WriterMessage, WriterReply } from './messages.ts';
import { type CheckResult, REPAIRED } from './messages.ts';

/** Small heaps: a thread must not take the memory that the board needs (measured: 11 MB each). */
const LIMITS = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64, stackSizeMb: 1 };
const ENDING = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

/** Waits between the tries of an opening that the disk did not let through, milliseconds. */
const RETRIES = [500, 1000, 2000, 4000];

/**
 * The writer thread with the log open. What a disk did not give for once is no reason to do without a gateway.
 * @param retried gets each error of the disk after which another try follows
 * @throws SluiceError log-open, log-newer
 */
export async function startWriter(
  request: Omit<OpenRequest, 'tries' | 'last'>,
  agreement: SharedArrayBuffer,
  clock: Clock,
  retried: (fault: string) => void,
): Promise<{ writer: WriterThread; opened: Opened }> {
  for (let tries = 0; ; tries++) {
    try {
      return await tryWriter({ ...request, tries, last: tries === RETRIES.length }, agreement);
    } catch (thrown) {
      const wait = RETRIES[tries];
      if (wait === undefined || diskFault(thrown) === undefined) throw thrown;
      retried(toError(thrown).message);
      await new Promise<void>((resolve) => {
        clock.after(wait, resolve);
      });
    }
  }
}

async function tryWriter(request: OpenRequest, agreement: SharedArrayBuffer): Promise<{ writer: WriterThread; opened: Opened }> {
  const writer = new WriterThread(request, agreement);
  try {
    const opened = await new Promise<Opened>((resolve, reject) => {
      writer.worker.once('message', (reply: WriterReply) => {
        if (reply.kind === 'opened') resolve(reply.opened);
        else if (reply.kind === 'failed')
          reject(
            new SluiceError(reply.failure.code === 'log-newer' ? 'log-newer' : 'log-open', reply.failure.error, {
              cause: Object.assign(new Error(reply.failure.error), { code: reply.failure.code }),
            }),
          );
      });
      writer.worker.once('error', reject);
    });
    return { writer, opened };
  } catch (thrown) {
    await writer.leave();
    throw thrown;
  }
}

/**
 * Threads end themselves: `terminate` in the middle of a deflate ends the whole process (Node 24: "close before init" in
 * node_zlib.cc, seen under load).
 */
export class WriterThread {
  readonly worker: Worker;
  readonly #leaving = new Int32Array(new SharedArrayBuffer(4));
  readonly #ended: Promise<void>;

  constructor(request: OpenRequest, agreement: SharedArrayBuffer) {
    this.worker = startThread('writer', { request, leaving: this.#leaving, agreement } satisfies WriterData);
    this.#ended = ended(this.worker);
  }

  send(message: WriterMessage, transfer: ArrayBuffer[] = []): void {
    this.worker.postMessage(message, transfer);
  }

  /** Commits nothing more, not even what is under way; resolves when the thread has ended. */
  leave(): Promise<void> {
    Atomics.store(this.#leaving, 0, 1);
    this.send({ kind: 'leave' });
    return this.#ended;
  }

  /** Resolves when the file is closed. @param next the number that the next item would get */
  close(next: number): Promise<void> {
    this.send({ kind: 'close', next });
    return this.#ended;
  }
}

/** A thread that hangs in the disk must not keep the process from ending. @returns whether it came to its end */
export function endedWithin(ms: number, clock: Clock, ended: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => resolve(false));
    ended
      .then(() => resolve(true))
      .catch(reject)
      .finally(cancel);
  });
}

export function ended(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    worker.once('exit', () => resolve());
  });
}

export function startThread(name: 'writer' | 'keeper' | 'salvager' | 'broker', workerData: unknown): Worker {
  return new Worker(new URL(`./${name}.${ENDING}`, import.meta.url), { workerData, resourceLimits: LIMITS, name });
}

/** An idle reader gives its memory back. */
const IDLE = 30_000;
/** The same behind tidying, which comes by itself and leaves the thread with three times the memory of one that reads (25 MB). */
const IDLE_AFTER_TIDYING = 2000;
/** Questions under way at once: each forwarder asks for at most three. */
export const MAX_QUESTIONS = 256;
/**
 * An export that meets damage is asked again, so often and with so many milliseconds between: longer than the time between two
 * repairs of a file.
 */
const REPAIR_TRIES = 90;
const REPAIR_LOOK = 1000;
/** How many damaged blocks are reported one by one. */
const MAX_DAMAGED = 1000;

type Question<R> = R extends { id: number } ? Omit<R, 'id'> : never;

/** The reports of the thread while it works. */
export interface KeeperTells {
  /** Once for each block that cannot be read any more. */
  damaged(block: DamagedBlock): void;
  /** SQLite met a page of log.db that makes no sense. */
  corrupt(): void;
  /** history.db is being made anew: several times a second. */
  mending(progress: SalvageProgress): void;
  /** history.db was made anew. */
  repaired(repair: Repair, kept: readonly KeptLog[]): void;
}

/** The reader thread, started when first asked and ended when idle. Its end rejects what was asked. */
export class Keeper {
  readonly #file: string;
  readonly #historyFile: string;
  readonly #agreement: SharedArrayBuffer;
  #worker: Worker | undefined;
  #id = 0;
  readonly #asked = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #idle: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #tell: KeeperTells;
  readonly #damaged = new Set<string>();
  readonly #mendWithin: number;
  /** Messages of the thread so far. */
  answers = 0;

  /**
   * @param agreement memory shared with the writer, see agreement.ts
   * @param mendWithin a repair of history.db reads the damaged file for so long, milliseconds
   */
  constructor(
    file: string,
    historyFile: string,
    agreement: SharedArrayBuffer,
    tell: KeeperTells,
    mendWithin: number = SALVAGE_BOUNDS.history,
  ) {
    this.#mendWithin = mendWithin;
    this.#file = file;
    this.#historyFile = historyFile;
    this.#agreement = agreement;
    this.#tell = tell;
  }

  /** The file is another one now: the thread that reads the old one ends, and what was asked is to be asked again. */
  restart(): void {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#failAll(new SluiceError('log-read', 'the log was repaired: ask again', { data: { code: REPAIRED } }));
    worker?.postMessage({ kind: 'leave' } satisfies KeeperMessage);
  }

  /** Questions that wait for an answer. */
  get asked(): number {
    return this.#asked.size;
  }

  #foundDamaged(block: DamagedBlock): void {
    const name = `${block.log}/${block.first}`;
    if (this.#damaged.has(name) || this.#damaged.size >= MAX_DAMAGED) return;
    this.#damaged.add(name);
    this.#tell.damaged(block);
  }

  read(request: Question<ReadRequest>): Promise<ReadResult> {
    return this.#ask<ReadResult>((id) => ({ kind: 'read', request: { ...request, id } }));
  }
  notices(request: Question<NoticesRequest>): Promise<NoticesResult> {
    return this.#ask<NoticesResult>((id) => ({ kind: 'notices', request: { ...request, id } }));
  }
  removed(request: Question<RemovedRequest>): Promise<RemovedResult> {
    return this.#ask<RemovedResult>((id) => ({ kind: 'removed', request: { ...request, id } }));
  }
  tidy(request: Question<TidyRequest>): Promise<TidyResult> {
    return this.#ask<TidyResult>((id) => ({ kind: 'tidy', request: { ...request, id } }));
  }
  query(request: Question<QueryRequest>): Promise<QueryResult> {
    return this.#ask<QueryResult>((id) => ({ kind: 'query', request: { ...request, id } }));
  }
  newest(request: Question<NewestRequest>): Promise<NewestResult> {
    return this.#ask<NewestResult>((id) => ({ kind: 'newest', request: { ...request, id } }));
  }
  waiting(request: Question<WaitingRequest>): Promise<WaitingResult> {
    return this.#ask<WaitingResult>((id) => ({ kind: 'waiting', request: { ...request, id } }));
  }
  /** The next slice. Where a file is damaged it comes after the repair: an export goes on where it was. */
  async export(request: Question<ExportRequest>): Promise<ExportResult> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#ask<ExportResult>((id) => ({ kind: 'export', request: { ...request, id } }));
      } catch (thrown) {
        const code = thrown instanceof SluiceError ? thrown.data.code : undefined;
        if (this.#closed || tries === REPAIR_TRIES || !(code === REPAIRED || isDamage({ code }))) throw thrown;
        if (code !== REPAIRED) await sleep(REPAIR_LOOK);
      }
    }
  }
  /** Reads all of history.db, so that damage is found before a query needs it. */
  check(): Promise<CheckResult> {
    return this.#ask<CheckResult>((id) => ({ kind: 'check', request: { id } }));
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    this.#closed = true;
    const worker = this.#worker;
    this.#worker = undefined;
    this.#failAll(new SluiceError('log-read', 'the log is being closed'));
    if (worker === undefined) return;
    const gone = ended(worker);
    worker.postMessage({ kind: 'leave' } satisfies KeeperMessage);
    await gone;
  }

  #ask<R>(message: (id: number) => KeeperMessage): Promise<R> {
    if (this.#closed) return Promise.reject(new SluiceError('log-read', 'the log is closed'));
    if (this.#asked.size >= MAX_QUESTIONS)
      return Promise.reject(new SluiceError('log-read', 'too many questions to the log at once: ask again'));
    this.#worker ??= this.#start();
    const worker = this.#worker;
    clearTimeout(this.#idle);
    const id = ++this.#id;
    return new Promise<R>((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      worker.postMessage(message(id));
    });
  }

  #start(): Worker {
    const worker = startThread('keeper', {
      file: this.#file,
      historyFile: this.#historyFile,
      agreement: this.#agreement,
      mendWithin: this.#mendWithin,
    } satisfies KeeperData);
    worker.on('message', (reply: KeeperReply) => {
      this.answers++;
      if (reply.kind === 'works') return;
      if (reply.kind === 'damaged') {
        for (const block of reply.blocks) this.#foundDamaged(block);
        return;
      }
      if (reply.kind === 'mending') {
        this.#tell.mending(reply.progress);
        return;
      }
      if (reply.kind === 'repaired') {
        this.#tell.repaired(reply.repair, reply.kept);
        return;
      }
      const id = reply.kind === 'failed' ? reply.failure.id : reply.result.id;
      const asked = this.#asked.get(id);
      this.#asked.delete(id);
      if (reply.kind === 'failed' && isDamage(reply.failure)) this.#tell.corrupt();
      if (reply.kind === 'failed')
        asked?.reject(
          new SluiceError('log-read', `the log cannot be read: ${reply.failure.error}`, {
            cause: new Error(reply.failure.error),
            data: { code: reply.failure.code },
          }),
        );
      else asked?.resolve(reply.result as never);
      if (this.#asked.size === 0) {
        this.#idle = setTimeout(
          () => {
            if (this.#asked.size > 0 || this.#worker !== worker) return;
            this.#worker = undefined;
            worker.postMessage({ kind: 'leave' } satisfies KeeperMessage);
          },
          reply.kind === 'tidy' ? IDLE_AFTER_TIDYING : IDLE,
        );
        this.#idle.unref();
      }
    });
    const lost = (error?: Error) => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#failAll(
        new SluiceError('log-read', `the log's reader ended${error === undefined ? '' : `: ${error.message}`}`, { cause: error }),
      );
    };
    worker.on('error', lost);
    worker.on('exit', () => lost());
    return worker;
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#asked.values()) reject(error);
    this.#asked.clear();
  }
}
