/** The interface of a payload format, and its input. */
import type { LogRecord, Shape } from '../core/point.ts';
import type { BlockRows } from './blocks.ts';
import type { Thinning } from './thinning.ts';

/** Consecutive records of one log, one boot and one lane. */
export interface Batch {
  readonly lane: 'data' | 'history';
  readonly gateway: string;
  readonly log: string;
  readonly boot: string;
  readonly inventory: number;
  /** Milliseconds UTC. */
  readonly sent: number;
  /** UTC milliseconds = monotonic `at` + offset. */
  readonly offset: number;
  /** The time was not confirmed by a clock that is known to be right. */
  readonly estimated: boolean;
  /** At least one, ascending. */
  readonly records: readonly LogRecord[];
  /** The numbers that the batch covers, where a filter left some out; absent: those of its records. */
  readonly range?: { readonly first: number; readonly last: number } | undefined;
  /** The forwarder has a filter: readings of `range` that are not here do not come. */
  readonly filtered?: boolean | undefined;
  /** Its values are those of windows of time. */
  readonly thinning?: Thinning | undefined;
}

/** The numbers that a batch covers. */
export function rangeOf({ range, records }: Pick<Batch, 'range' | 'records'>): { readonly first: number; readonly last: number } {
  return range ?? { first: (records[0] as LogRecord).seq, last: (records[records.length - 1] as LogRecord).seq };
}

/** A batch whose records are no objects. */
export interface PackedBatch extends Omit<Batch, 'records' | 'range'> {
  readonly range: { readonly first: number; readonly last: number };
}

/** A format whose payloads are made of the columns that the log keeps. Both give what `encode` gives, in fewer steps. */
export interface PackedFormat {
  /** Blocks as the log keeps them, which stay as they are. @param shapes by the numbers that the blocks name */
  stored(batch: PackedBatch, shapes: ReadonlyMap<number, Shape>, blocks: readonly Uint8Array[]): readonly Encoded[];
  /** A part of the records of an hour. Every number in it is finite. */
  rows(batch: PackedBatch, rows: BlockRows): readonly Encoded[];
}

/** The payload as it travels. A text is UTF-8 on the wire. */
export type Payload = string | Uint8Array;

/** One message of a batch. */
export interface Encoded {
  /** Where it goes, in the words of the format (a device, say); the dialect makes a topic of it. Empty: the batch is one message. */
  readonly to: string;
  readonly payload: Payload;
}

/** Settings of a forwarder that its payloads depend on: plain data, which goes to the keeper with each question. Small. */
export type FormatOptions = Readonly<Record<string, string | number | boolean>>;

export interface PayloadFormat {
  /** The name by which a dialect refers to it. */
  readonly name: string;
  /**
   * Pure; in the main thread and in the keeper. The same batch and options give the same messages, but for `sent`. At most
   * one message a record; none where the format carries nothing of the batch. Never throws.
   */
  encode(batch: Batch, options: FormatOptions): readonly Encoded[];
  readonly packed?: PackedFormat;
}
