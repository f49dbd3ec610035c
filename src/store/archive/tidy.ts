/** The work of the keeper when nobody asks anything: it makes hours and keeps history.db within its budget. In steps. */
import { statfsSync } from 'node:fs';
import path from 'node:path';
import { SluiceError } from '../../core/errors.ts';
import { Lanes } from '../delivery/lanes.ts';
import type { Lane } from '../files/lane-state.ts';
import { type ForwarderState, keyOf } from '../files/layout.ts';
import type { DamagedBlock } from '../files/repair-report.ts';
import { codeOf } from '../files/sqlite-errors.ts';
import { asideBytes, bytesOf, dropAside } from '../files/whole-file.ts';
import type { Agreement } from '../hot/agreement.ts';
import { ClassAge } from './class-age.ts';
import { Compactor } from './compact.ts';
import { type Copies, type History, type NewHour, tryHistory } from './history-file.ts';
import type { KeptFiles } from './read-files.ts';
import { dropOldest, nothingTaken, type SpaceRequest, type Taken, thinOrDrop } from './thin.ts';
import type { TidyRequest, TidyResult } from './tidy-request.ts';
import { ensureWitness, witnessOf, writeWitness } from './witness.ts';

/** Space for the hour's row, keys and the pages that are not full. */
const SLACK = 32 * 1024;
/** Further hours of the same size that space is made for. */
const AHEAD = 4;
const AHEAD_SHARE = 16;
/** Bytes that one step gives back to the file system. */
const SHRINK = 1024 * 1024;
/** The journal of one transaction beside the file: its bound, and its bound as a part of all space. */
const JOURNAL = 768 * 1024;
const JOURNAL_SHARE = 16;
/** With less free in the file system, space is made in steps whose journal fits into what it has already. */
const TIGHT = 8 * 1024 * 1024;
const TIGHT_SHRINK = 64 * 1024;

export class Tidier {
  readonly #file: string;
  readonly #reader: KeptFiles;
  readonly #agreement: Agreement;
  readonly #damaged: (blocks: DamagedBlock[]) => void;
  readonly #classes = new ClassAge();

  constructor(file: string, reader: KeptFiles, agreement: Agreement, damaged: (blocks: DamagedBlock[]) => void) {
    this.#file = file;
    this.#reader = reader;
    this.#agreement = agreement;
    this.#damaged = damaged;
  }

  /** @throws SluiceError log-open: history.db cannot be opened; SqliteError: it cannot be written */
  *run(request: TidyRequest): Generator<undefined, TidyResult> {
    const history = this.#history();
    ensureWitness(history.db, this.#reader.db, () => this.#agreement.onDisk());
    history.overwrite(request.retention !== undefined);
    const taken = nothingTaken();
    const compactor = new Compactor(this.#reader.db, this.#reader.clock, history, this.#agreement);
    const made = yield* compactor.next(request);
    const need = made === undefined ? 0 : needsOf(made.hour);
    // Damaged hours go before whole ones.
    if (history.used() + need + asideBytes(this.#file) > this.#budget(request)) dropAside(this.#file);
    const budget = Math.max(0, this.#budget(request) - asideBytes(this.#file));
    const tight = isTight(this.#file);
    // When space is made, it is made for some hours at once.
    const space = { ...request, budget, need, ahead: tight ? 0 : Math.min(AHEAD * need, budget / AHEAD_SHARE), tight };
    let took = yield* this.#classes.run(history, this.#reader.clock, request, taken);
    while (yield* this.#takeAway(history, space, taken)) {
      took = true;
      yield;
      // Freed space is given back on the way: the disk has no space for more first.
      if (tight) while (history.shrink(budget, TIGHT_SHRINK)) yield;
    }
    if (took) this.#reader.forget();
    // Since then commits were made.
    const fits = history.used() + need <= Math.min(budget, this.#budget(request));
    const done = made !== undefined && fits && this.#commit(history, made);
    if (done) {
      if (made.damaged.length > 0)
        this.#damaged(
          made.damaged.map((head) => ({
            log: Math.floor(head.id / keyOf(1, 0)),
            first: head.id % keyOf(1, 0),
            last: head.last,
            readings: head.readings,
          })),
        );
    }
    while (history.shrink(budget, tight ? TIGHT_SHRINK : SHRINK)) yield;
    return {
      id: request.id,
      compacted: history.watermarks(),
      more: done,
      bytes: history.bytes(),
      held: history.held(),
      thinned: [...taken.thinned],
      dropped: [...taken.dropped],
      aged: [...taken.aged],
      lost: [...taken.lost],
      oldest: this.#oldest(history, request.active),
    };
  }

  *#takeAway(history: History, space: SpaceRequest, taken: Taken): Generator<undefined, boolean> {
    try {
      return yield* thinOrDrop(history, this.#reader.clock, space, taken);
    } catch (thrown) {
      if (!space.tight || codeOf(thrown) !== 'SQLITE_FULL') throw thrown;
      return dropOldest(history, this.#reader.clock, space, taken);
    }
  }

  /**
   * @returns false when the writer had to drop some of its blocks: what is left becomes another hour; and when the disk
   * does not take the writer's commit: the hour is made again
   */
  #commit(history: History, { hour, copies }: { hour: NewHour; copies: Copies }): boolean {
    const witness = witnessOf(this.#reader.db);
    if (!this.#agreement.onDisk() || !this.#agreement.commit()) return false;
    let made = false;
    try {
      history.db.transaction(() => {
        history.add(hour, copies);
        writeWitness(history.db, witness);
      })();
      made = true;
    } finally {
      this.#agreement.end(made);
    }
    return true;
  }

  #budget({ budget, limit, needs }: TidyRequest): number {
    const space = Math.max(0, Math.min(budget, limit - bytesOf(this.#reader.db.name) - needs));
    return space - Math.min(JOURNAL, space / JOURNAL_SHARE);
  }

  #history(): History {
    if (this.#reader.history === undefined) {
      const { history, fault } = tryHistory(this.#file);
      if (history === undefined) throw new SluiceError('log-open', `${this.#file} cannot be opened: ${fault}`);
      this.#reader.history = history;
    }
    return this.#reader.history;
  }

  #oldest(history: History, active: readonly ForwarderState[]): [string, Lane, number][] {
    const out: [string, Lane, number][] = [];
    for (const { name, log, state } of active) {
      const lanes = Lanes.load(state);
      for (const lane of ['data', 'history'] as const) {
        const span = lanes.span(lane);
        if (span === undefined) continue;
        const hour = history.hours.at(keyOf(log, span.from));
        if (hour === undefined || hour.id > keyOf(log, Math.min(span.to, keyOf(1, 0) - 1))) continue;
        out.push([name, lane, this.#reader.clock.wallOf(hour.boot, hour.last, hour.at_first)]);
      }
    }
    return out;
  }
}

function isTight(file: string): boolean {
  const { bavail, bsize } = statfsSync(path.dirname(file));
  return bavail * bsize < TIGHT;
}

function needsOf(hour: NewHour): number {
  return hour.parts.reduce((sum, p) => sum + p.body.length + p.rollup.length + (p.goesFirst?.body.length ?? 0) + 512, SLACK);
}
