/** What the configuration in force says beside the inventory, for platforms that want to know more of a point. */
import type { Severity } from './alarm.ts';
import type { NoticeMessage } from './ports.ts';

export interface PointFacts {
  /** Every label that the value can be, without repeats. */
  readonly labels?: readonly string[] | undefined;
  /** A number is the one on the wire: nothing scales or shifts it. */
  readonly plain?: true | undefined;
  /** It only grows, but for rollovers and resets. */
  readonly counts?: true | undefined;
  /** Absent: it cannot be written. */
  readonly write?:
    | {
        /** In the unit of the point; both are there for a number. */
        readonly min?: number | undefined;
        readonly max?: number | undefined;
        /** Distance of two values that it can have; absent where it need not be whole. */
        readonly step?: number | undefined;
        /** Those of `labels` that may be written. */
        readonly labels?: readonly string[] | undefined;
      }
    | undefined;
}

export interface SiteFacts {
  /** undefined: the configuration has no such point. */
  point(device: string, point: string): PointFacts | undefined;
  /** Points that only grow, `device.point`: counters, and their cumulative values. Absent: none. */
  readonly counters?: (() => Iterable<string>) | undefined;
  /** Who made a device and its model, where its profile says so. */
  made(device: string): { readonly vendor: string; readonly model: string } | undefined;
  rules(): Iterable<{
    readonly name: string;
    readonly device: string;
    readonly severity?: Severity;
    readonly group?: string | undefined;
  }>;
  /** The newest transition of each rule that had one. */
  alarms(): Iterable<NoticeMessage>;
}
