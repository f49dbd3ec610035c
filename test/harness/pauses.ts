/** Whether this machine stood still: for so long this process had no turn, and most likely nobody else. */
import type { TestContext } from 'node:test';

/** Milliseconds between two looks. */
const LOOK = 20;

export class Pauses {
  readonly #all: number[] = [];
  #last = performance.now();

  /** Looks until the test ends. */
  constructor(t: TestContext) {
    const timer = setInterval(() => this.#look(), LOOK);
    t.after(() => clearInterval(timer));
  }

  /** Forgets the pauses so far. */
  begin(): void {
    this.#last = performance.now();
    this.#all.length = 0;
  }
  /** The longest one, ms. */
  get longest(): number {
    this.#look();
    return Math.max(0, ...this.#all);
  }
  /** Moments of a grid that may lie in pauses; those that are shorter than `least` leave no moment out. Both in ms. */
  moments(grid: number, least: number): number {
    this.#look();
    return this.#all.filter((pause) => pause >= least).reduce((sum, pause) => sum + Math.ceil(pause / grid) + 1, 0);
  }

  #look(): void {
    const now = performance.now();
    this.#all.push(now - this.#last);
    this.#last = now;
  }
}
