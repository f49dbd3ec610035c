/**
 * The cheapest set of spans that covers a row of items: each item lies whole inside a span that is read at least as often
 * as the item asks. Exact: dynamic programming over the items by their start. Pure.
 *
 * - A span costs (request + byte × bytes) / interval: wire time per time.
 * - For each interval at most one span is open: later items may lengthen it. Items that one interval serves are, in some
 *   optimum, served in runs: of two spans, the one that begins later also ends later.
 * - An item that an open span covers already costs nothing, and taking that is never worse: a span can be lengthened later
 *   at the same price, and one that begins later is shorter.
 * - A state is dropped when another one is not dearer even after it has bought everything in which it is behind.
 * - Bound: MOST_STATES. Up to three intervals side by side need some tens; beyond the bound the cheapest are kept, and what
 *   comes out is valid but need not be the optimum.
 */
import type { ReadCost } from './wire-cost.ts';

export interface Item {
  readonly from: number;
  /** The first address behind it. */
  readonly to: number;
  /** Index of its interval. */
  readonly level: number;
}

export interface Span {
  readonly from: number;
  to: number;
  readonly level: number;
}

export interface SpanOptions {
  /** Milliseconds, ascending; an item of a level may be read at this level or a lower one. */
  readonly intervals: readonly number[];
  /** Addresses that a span may have; no item is longer. */
  readonly most: number;
  readonly cost: ReadCost;
  /** Bits, of which eight are a byte; else registers of two bytes. */
  readonly bits: boolean;
}

/** Shared by the intervals: 512 with one, 85 with six. */
const MOST_STATES = 512;

/** The choice for one item, and the choices before it. */
interface Step {
  readonly from: number;
  readonly to: number;
  readonly level: number;
  readonly opens: boolean;
  readonly before: Step | undefined;
}

interface State {
  readonly cost: number;
  readonly requests: number;
  /** By level: where the open span begins and ends; NONE where there is none. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly steps: Step | undefined;
}

const NONE = -1;

/** Where the items to come begin, and where the last of all ends. */
interface Ahead {
  readonly now: number;
  readonly last: number;
}

/** @param items by `from`, those that begin together longest first */
export function cheapestSpans(items: readonly Item[], options: SpanOptions): Span[] {
  const rates = new Rates(options);
  const none = options.intervals.map(() => NONE);
  let states: State[] = [{ cost: 0, requests: 0, starts: none, ends: none, steps: undefined }];
  const last = Math.max(...items.map((item) => item.to));
  for (const [i, item] of items.entries()) {
    const next: State[] = [];
    for (const state of states) {
      if (isCovered(state, item)) next.push(state);
      else for (let level = item.level; level >= 0; level--) take(state, item, level, rates, next);
    }
    states = cheapest(next, { now: items[i + 1]?.from ?? last, last }, rates);
  }
  return spansOf(states[0]?.steps);
}

/** Prices, per time, by level. */
class Rates {
  readonly most: number;
  readonly #bits: boolean;
  readonly #request: readonly number[];
  readonly #byte: readonly number[];

  constructor({ intervals, most, cost, bits }: SpanOptions) {
    this.most = most;
    this.#bits = bits;
    this.#request = intervals.map((ms) => cost.request / ms);
    this.#byte = intervals.map((ms) => cost.byte / ms);
  }

  open(level: number, length: number): number {
    return (this.#request[level] as number) + (this.#byte[level] as number) * this.#bytes(length);
  }

  lengthen(level: number, from: number, to: number): number {
    return (this.#byte[level] as number) * (this.#bytes(to) - this.#bytes(from));
  }

  /** Whether `a` can do all that `b` can from here on and is not dearer then: what it has to buy for that is priced at its most. */
  beats(a: State, b: State, { now, last }: Ahead): boolean {
    let left = b.cost - a.cost;
    for (let level = 0; level < b.starts.length; level++) {
      const start = b.starts[level] as number;
      const end = b.ends[level] as number;
      // None, or one that covers nothing to come and cannot be lengthened.
      if (start === NONE || (end <= now && now - start >= this.most)) continue;
      const own = a.starts[level] as number;
      const ownEnd = a.ends[level] as number;
      const paid = this.#bytes(end - start);
      // Bytes that a span gets shorter when it begins later, at least.
      const saved = (later: number) => (this.#bits ? Math.floor((later - start) / 8) : 2 * (later - start));
      const byte = this.#byte[level] as number;
      let price = (this.#request[level] as number) + byte * (paid - saved(now));
      if (own >= start || (own !== NONE && last - own <= this.most))
        price = Math.min(price, byte * (paid - this.#bytes(ownEnd - own) - saved(own)));
      if (price > 0) left -= price;
      if (left < 0) return false;
    }
    return true;
  }

  #bytes(length: number): number {
    return this.#bits ? Math.ceil(length / 8) : 2 * length;
  }
}

function isCovered({ ends }: State, item: Item): boolean {
  for (let level = 0; level <= item.level; level++) if ((ends[level] as number) >= item.to) return true;
  return false;
}

/** Serves the item at a level: by the open span, made longer, and by a new one. */
function take(state: State, item: Item, level: number, rates: Rates, into: State[]): void {
  const { from, to } = item;
  const start = state.starts[level] as number;
  const end = state.ends[level] as number;
  const step = { from, to, level, before: state.steps };
  if (start !== NONE && to - start <= rates.most)
    into.push({
      cost: state.cost + rates.lengthen(level, end - start, to - start),
      requests: state.requests,
      starts: state.starts,
      ends: state.ends.with(level, to),
      steps: { ...step, opens: false },
    });
  into.push({
    cost: state.cost + rates.open(level, to - from),
    requests: state.requests + 1,
    starts: state.starts.with(level, from),
    ends: state.ends.with(level, to),
    steps: { ...step, opens: true },
  });
}

/** Without those that another one beats, cheapest first. */
function cheapest(states: State[], ahead: Ahead, rates: Rates): State[] {
  states.sort((a, b) => a.cost - b.cost || a.requests - b.requests);
  const most = MOST_STATES / (states[0]?.starts.length ?? 1);
  const kept: State[] = [];
  for (const state of states) {
    if (kept.length >= most) break;
    if (!kept.some((other) => rates.beats(other, state, ahead))) kept.push(state);
  }
  return kept;
}

function spansOf(last: Step | undefined): Span[] {
  const steps: Step[] = [];
  for (let step = last; step; step = step.before) steps.push(step);
  const spans: Span[] = [];
  const open = new Map<number, Span>();
  for (const { from, to, level, opens } of steps.reverse()) {
    const span = open.get(level);
    if (span && !opens) {
      span.to = to;
      continue;
    }
    const fresh = { from, to, level };
    open.set(level, fresh);
    spans.push(fresh);
  }
  return spans;
}
