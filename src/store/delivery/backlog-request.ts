/** The request of an outlet to the files for items that memory does not have any more. */
import type { Encoded, FormatOptions } from '../../codecs/format.ts';
import type { RecordFilter } from '../../codecs/record-filter.ts';
import type { Lane, NoticeKind } from '../files/lane-state.ts';

/** The keeper answers it. */
export interface Backlog {
  /** The next batch of a stretch of a log. @throws SluiceError log-read */
  read(request: Omit<ReadRequest, 'id'>): Promise<ReadResult>;
  /** @throws SluiceError log-read */
  notices(request: Omit<NoticesRequest, 'id'>): Promise<NoticesResult>;
}

export interface ReadRequest {
  readonly id: number;
  readonly log: number;
  readonly from: number;
  readonly to: number;
  readonly maxReadings: number;
  readonly lane: Lane;
  /** A name of FORMATS. */
  readonly format: string;
  readonly formatOptions: FormatOptions;
  readonly gateway: string;
  readonly logName: string;
  /** UTC ms. */
  readonly sent: number;
  /** Only records of this time, UTC ms, inclusive; absent: all. */
  readonly between?: { readonly from: number; readonly to: number } | undefined;
  /** Absent: every record. */
  readonly filter?: RecordFilter | undefined;
  /** What the filter left out just before `from`: a batch of that boot covers it. */
  readonly passed?: Passed | undefined;
  /** With `filter.thinning`. */
  readonly known?: Known | undefined;
}

/** How far the log is known, for windows of time that may still get readings. */
export interface Known {
  /** The highest number that may be looked at; `to` or more. */
  readonly upTo: number;
  /** No record of an earlier boot is behind `upTo`. */
  readonly whole: boolean;
  /** The boot that still grows, and a monotonic time of it: its records up to then are all up to `upTo`. */
  readonly boot: number;
  readonly settled: number;
}

/** Numbers of one lane, log and boot that were looked at and have nothing for the forwarder. */
export interface Passed {
  readonly boot: string;
  readonly first: number;
}

export interface ReadResult {
  readonly id: number;
  /** Without a batch: nothing is wanted up to here. */
  readonly upTo: number;
  /** With `filter.thinning`: behind `upTo` nothing can be said before this monotonic time of the boot that grows is settled. */
  readonly open?: number | undefined;
  /** Without a batch: what the filter left out last. */
  readonly passed?: Passed | undefined;
  /** undefined: nothing in from..upTo is wanted. */
  readonly batch:
    | {
        readonly boot: string;
        readonly first: number;
        readonly last: number;
        readonly records: number;
        readonly readings: number;
        /** Bytes come transferred and are whole. */
        readonly messages: readonly Encoded[];
      }
    | undefined;
}

export interface NoticesRequest {
  readonly id: number;
  readonly log: number;
  readonly only: NoticeKind;
  readonly after: number;
  readonly to: number;
  readonly limit: number;
  /** Absent: of every key. */
  readonly key?: string | undefined;
}

export interface NoticesResult {
  readonly id: number;
  readonly notices: readonly {
    readonly seq: number;
    readonly kind: 'alarm' | 'event';
    readonly key: string;
    readonly json: string;
  }[];
}
