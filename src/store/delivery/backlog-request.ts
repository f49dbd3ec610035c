/** The request of an outlet to the files for items that memory does not have any more. */
import type { Encoded, FormatOptions } from '../../codecs/format.ts';
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
}

export interface ReadResult {
  readonly id: number;
  /** undefined: the log holds nothing in from..to. */
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
