/** Whether this machine stood still. A thread that only sleeps sees how late it wakes: for so long nobody had a turn. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';

/** Milliseconds between two looks. */
export const LOOK = 20;
/** Milliseconds; a pause that is shorter leaves nothing out. */
export const SHORTEST = 100;
/** So many pauses are kept, the newest. */
export const KEPT = 4096;
/** What the thread shares: the time of its last look, the number of pauses, and the pauses, in ms of CLOCK_MONOTONIC. */
export const [LAST, COUNT, PAUSES] = [0, 1, 2];

export class Pauses {
  readonly #cells = new Float64Array(new SharedArrayBuffer(8 * (PAUSES + KEPT)));
  readonly #began = now();
  /** Pauses before count no more. */
  #from = 0;

  /** Looks until the test ends. */
  constructor(t: TestContext) {
    this.#cells[LAST] = this.#began;
    const thread = new Worker(new URL('./pauses-thread.ts', import.meta.url), { workerData: this.#cells });
    thread.unref();
    t.after(() => thread.terminate());
  }

  /** Whether the thread looks. What happened before its first look is forgotten with that look. */
  get looks(): boolean {
    return this.#cells[LAST] !== this.#began;
  }

  /** Forgets the pauses so far. */
  begin(): void {
    this.#from = this.#cells[COUNT] ?? 0;
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
    const count = this.#cells[COUNT] ?? 0;
    const first = Math.max(this.#from, count - KEPT);
    const kept = Array.from({ length: count - first }, (_, i) => this.#cells[PAUSES + ((first + i) % KEPT)] ?? 0);
    // The one that is not over: this thread may wake before the other one.
    const open = now() - (this.#cells[LAST] ?? 0);
    return open >= SHORTEST ? [...kept, open] : kept;
  }
}

function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
