/**
 * Whether this machine stood still. A thread that only sleeps sees how late it wakes: for so long nobody had a turn. Of processes it
 * also sees for how long they were ready to run while no processor was free. A process that holds itself up has neither.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { FIELDS, KEPT, SHORTEST, WATCHED } from './pauses-cells.ts';
import { scratch } from './scratch.ts';

export class Pauses {
  readonly #cells = new Float64Array(new SharedArrayBuffer(8 * (FIELDS.pauses + KEPT)));
  /** Pauses before count no more. */
  #from = 0;

  /**
   * Looks until the test ends.
   * @param pids of processes whose turns count as well; one may throw while it has no process
   */
  constructor(t: TestContext, ...pids: readonly (() => number)[]) {
    assert.ok(pids.length <= WATCHED);
    this.#cells[FIELDS.look] = now();
    const workerData = { cells: this.#cells, file: path.join(scratch(t, 'pauses'), 'looks') };
    const thread = new Worker(new URL('./pauses-thread.ts', import.meta.url), { workerData });
    thread.unref();
    const timer = setInterval(() => this.#watch(pids), 100);
    timer.unref();
    t.after(async () => {
      clearInterval(timer);
      await thread.terminate();
    });
  }

  /** Forgets the pauses so far. */
  begin(): void {
    this.#from = this.#cells[FIELDS.count] ?? 0;
  }

  /** The longest one, ms. */
  get longest(): number {
    return Math.max(0, ...this.#all);
  }

  /** Moments of a grid that may lie in pauses; those that are shorter than `least` leave no moment out. Both in ms. */
  moments(grid: number, least: number): number {
    return this.#all.filter((pause) => pause >= least).reduce((sum, pause) => sum + Math.ceil(pause / grid) + 1, 0);
  }

  /**
   * No poll was left out, apart from those of pauses.
   * @param interval of the polls, ms @param requests in each interval
   */
  assertPolled(missed: number, interval: number, requests = 1): void {
    const most = this.moments(interval, interval / 2) * requests;
    assert.ok(missed <= most, `${missed} polls are left out; pauses of the machine explain ${most}: ${this.words}`);
  }

  /** All of them. */
  get words(): string {
    return this.#all.map((pause) => `${(pause / 1000).toFixed(1)} s`).join(', ') || 'none';
  }

  get #all(): number[] {
    const count = this.#cells[FIELDS.count] ?? 0;
    const first = Math.max(this.#from, count - KEPT);
    const kept = Array.from({ length: count - first }, (_, i) => this.#cells[FIELDS.pauses + ((first + i) % KEPT)] ?? 0);
    const starved = this.#cells.subarray(FIELDS.starved, FIELDS.starved + WATCHED);
    // Those that are not over: this thread may wake before the other one.
    const open = [now() - (this.#cells[FIELDS.look] ?? 0), ...starved].filter((pause) => pause >= SHORTEST);
    return [...kept, ...open];
  }

  #watch(pids: readonly (() => number)[]): void {
    for (const [slot, pid] of pids.entries()) {
      try {
        this.#cells[FIELDS.pids + slot] = pid();
      } catch {
        this.#cells[FIELDS.pids + slot] = 0;
      }
    }
  }
}

function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
