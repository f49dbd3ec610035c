/** The ports of points that are computed from others: samples on their way through the gateway, and a memory over restarts. */
import type { Sample } from './point.ts';

/** One instant: monotonic ms, and what is to be added to such a time for UTC ms. */
export interface Instant {
  readonly at: number;
  readonly offset: number;
  /** false: the offset cannot be trusted yet. */
  readonly known: boolean;
}

export interface SampleListener {
  /** Every sample, in the turn in which it is taken into the log. Returns at once and throws nothing. */
  sample(sample: Sample): void;
  /** The clock is known now, or shows another time. */
  clockChanged(): void;
}

export interface SampleFeed {
  /** @returns ends it */
  listen(listener: SampleListener): () => void;
  now(): Instant;
}

/** What a derived device keeps over restarts, as plain JSON. */
export interface DerivedMemory {
  /** What was saved last; whatever lies there: the reader checks it. @returns `at`: monotonic, where it was saved in this run */
  load(device: string): { readonly state: unknown; readonly at?: number | undefined } | undefined;
  /** The newest value of a point in the log, where it is newer than what an earlier run saved. */
  logged(device: string, point: string): number | undefined;
  /** @param at monotonic @param resumed points whose newest value in the log counts more than the state */
  save(device: string, state: object, at: number, resumed: readonly string[]): void;
}
