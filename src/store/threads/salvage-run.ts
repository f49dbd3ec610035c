/**
 * A salvage as the main thread sees it: polling, rules and live delivery go on meanwhile. First a thread of its own finds
 * what is left, then the writer puts it into log.db between commits.
 */
import type { Worker } from 'node:worker_threads';
import type { Repair, Salvaged, SalvageProgress } from '../files/repair-report.ts';
import { asidePath } from '../files/whole-file.ts';
import type { Opened } from '../hot/opened.ts';
import type { SalvagerData, SalvagerReply, WriterReply } from './messages.ts';
import { ended, startThread, type WriterThread } from './threads.ts';

/** The log, as a salvage needs it. */
export interface SalvageSide {
  opened: Opened;
  /** Logs that are all there now: what is left of them may be given out. */
  cameBack(logs: Opened['logs'], forwarders: Opened['forwarders']): void;
  emit(name: 'salvaging', progress: SalvageProgress): unknown;
  emit(name: 'salvaged', repair: Repair, fault: string | undefined): unknown;
  emit(name: 'repaired', repair: Repair): unknown;
}

export class SalvageRun {
  readonly #file: string;
  readonly #salvage: NonNullable<Opened['salvage']>;
  readonly #quarantine: string;
  readonly #side: SalvageSide;
  readonly #writer: Pick<WriterThread, 'send'>;
  readonly #within: number;
  readonly #leaving = new Int32Array(new SharedArrayBuffer(4));
  #worker: Worker | undefined;
  #ended = Promise.resolve();
  #salvaged: Salvaged | undefined;
  #fault: string | undefined;
  progress: SalvageProgress;
  over = false;

  /** @param within the damaged file is read for so long, milliseconds */
  constructor(
    file: string,
    salvage: NonNullable<Opened['salvage']>,
    side: SalvageSide,
    writer: Pick<WriterThread, 'send'>,
    within: number,
  ) {
    this.#writer = writer;
    this.#within = within;
    this.#file = file;
    this.#quarantine = asidePath(file);
    this.#salvage = salvage;
    this.#side = side;
    this.progress = { file: 'log.db', why: salvage.task.why, phase: 'find', done: 0, of: 0 };
  }

  /** Logs up to this ordinal are not given out before it is over. */
  get heldBack(): number {
    return this.over ? 0 : this.#salvage.task.upTo;
  }
  get why(): string {
    return this.#salvage.task.why;
  }

  start(): void {
    const { task } = this.#salvage;
    const data: SalvagerData = { file: this.#file, task, within: this.#within, leaving: this.#leaving };
    const worker = startThread('salvager', data);
    this.#worker = worker;
    this.#ended = ended(worker);
    worker.on('message', (reply: SalvagerReply) => {
      if (reply.kind === 'progress') this.#progressed('find', reply.done, reply.of);
      else if (reply.kind === 'found') {
        this.#salvaged = reply.salvaged;
        this.#writer.send({ kind: 'come-back', task });
      } else this.#failed(reply.error, reply.code);
    });
    worker.on('error', (error) => this.#failed(error.message, undefined));
  }

  /** No room: then nothing comes back, and the damaged file is kept for people. Else the next start tries again. */
  #failed(error: string, code: string | undefined): void {
    if (this.#fault !== undefined) return;
    this.#fault = error;
    if (code === 'SQLITE_FULL' || code === 'ENOSPC' || code === 'SQLITE_IOERR_WRITE')
      this.#writer.send({ kind: 'come-back', task: undefined });
    else this.#end({ logs: [], forwarders: [] }, error);
  }

  /** A progress report of the writer. */
  heard(reply: Extract<WriterReply, { kind: 'coming-back' | 'came-back' }>): void {
    if (reply.kind === 'coming-back') this.#progressed('bring back', reply.done, reply.of);
    else this.#end(reply, reply.fault);
  }

  /** Resolves when the thread has ended; the next start goes on. */
  stop(): Promise<void> {
    Atomics.store(this.#leaving, 0, 1);
    this.#worker?.unref();
    return this.#ended;
  }

  #progressed(phase: SalvageProgress['phase'], done: number, of: number): void {
    this.progress = { file: 'log.db', why: this.why, phase, done, of };
    this.#side.emit('salvaging', this.progress);
  }

  #end({ logs, forwarders }: Pick<Opened, 'logs' | 'forwarders'>, fault: string | undefined): void {
    const { task, ended: names } = this.#salvage;
    const side = this.#side;
    const quarantine = this.#quarantine;
    const repair: Repair = { file: 'log.db', why: task.why, quarantine, salvaged: this.#salvaged, ended: names };
    this.over = true;
    if (fault === undefined) {
      const { opened } = side;
      side.opened = { ...opened, repairs: [...opened.repairs.filter((r) => r.unfinished !== true), repair] };
    }
    joinLogs(side, { logs, forwarders }, 0);
    if (fault === undefined) side.emit('repaired', repair);
    side.emit('salvaged', repair, fault);
  }
}

/**
 * Older logs that were not given out until now, or that reach further than was known.
 * @param heldBack logs up to this ordinal come with the salvage that is under way
 */
export function joinLogs(side: SalvageSide, found: Pick<Opened, 'logs' | 'forwarders'>, heldBack: number): void {
  const { opened } = side;
  const current = opened.logs.at(-1)?.ordinal ?? 0;
  const known = new Map(opened.logs.map((l) => [l.ordinal, l.last]));
  const came = found.logs.filter((l) => l.ordinal < current && l.ordinal > heldBack && l.last > (known.get(l.ordinal) ?? 0));
  if (came.length === 0) return;
  const names = new Set(came.map((l) => l.ordinal));
  // The state of an outlet in a log that it knows already is newer than the state in the file.
  const isFresh = (ordinal: number): boolean => names.has(ordinal) && !known.has(ordinal);
  const forwarders = found.forwarders.filter((f) => isFresh(f.log));
  side.opened = {
    ...opened,
    logs: [...came, ...opened.logs.filter((l) => !names.has(l.ordinal))].sort((a, b) => a.ordinal - b.ordinal),
    forwarders: [...forwarders, ...opened.forwarders.filter((f) => !isFresh(f.log))],
  };
  side.cameBack(came, forwarders);
}
