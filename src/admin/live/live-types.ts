/**
 * What `/api/v1/live` sends, as the status page reads it: plain data, and types that both sides can load (no parts of Node, no
 * DOM). Times are UTC milliseconds as known now.
 */

import type { AlarmCause, AlarmState, Severity } from '../../core/alarm.ts';
import type { BrokenConfig } from '../../core/broken-config.ts';
import type { ConfigReport } from '../../core/configuring.ts';
import type { Messages } from '../../core/languages.ts';

/** Numbers, booleans and texts as they are, 64-bit integers as texts, null for a bad reading. */
export type JsonValue = number | boolean | string | null;

/** A bad reading has the value null and a reason; one that has a value and a reason is uncertain. */
export type LiveReading = readonly [time: number, value: JsonValue, reason?: string];

/** Event `readings`: device -> point -> its newest reading. */
export type LiveReadings = Readonly<Record<string, Readonly<Record<string, LiveReading>>>>;

/** Event `inventory`: every point that can have readings, by device. */
export type LiveInventory = Readonly<
  Record<
    string,
    {
      readonly bus: string;
      readonly points: Readonly<Record<string, { readonly type: string; readonly unit?: string | undefined }>>;
    }
  >
>;

export interface LiveDevice {
  readonly name: string;
  readonly state: 'unknown' | 'answering' | 'silent';
  readonly fault?: string | undefined;
  /** It gets no requests for the moment. */
  readonly rests?: true | undefined;
  /** Time of the last good reply, while it is silent. */
  readonly lastReply?: number | undefined;
  /** How many of the newest replies were bad, where good and bad ones alternate. */
  readonly share?: { readonly bad: number; readonly of: number } | undefined;
}

export interface LiveBus {
  readonly name: string;
  readonly protocol: string;
  readonly state: 'closed' | 'opening' | 'open';
  readonly fault?: string | undefined;
  /** Polls that were due and left out in the last half minute, where some were. */
  readonly missed?: number | undefined;
  readonly devices: readonly LiveDevice[];
}

/** An alarm that is active or not acknowledged. */
export interface AlarmStatus {
  readonly rule: string;
  readonly state: AlarmState;
  readonly severity: Severity;
  /** `device.point` */
  readonly point: string;
  readonly value?: JsonValue | undefined;
  readonly since: number;
  readonly occurrence: number;
  /** In the language of the gateway. */
  readonly message: string;
  /** In the other languages, where the words differ. */
  readonly messages?: Messages | undefined;
  /** UTC milliseconds at which the shelving ends. */
  readonly shelvedUntil?: number | undefined;
  /** It was the first of its group. */
  readonly firstOut?: true | undefined;
}

/** How the alarms do. Averages are rounded, so that a page does not change with every second. */
export interface LiveFigures {
  readonly annunciated: number;
  readonly perHour: number;
  readonly perDay: number;
  /** Alarms in a flood that goes on. */
  readonly flood?: number | undefined;
  readonly chattering: readonly string[];
  readonly standing: readonly string[];
  readonly worst: readonly { readonly rule: string; readonly count: number }[];
}

/** What rules have done since the start. */
export interface LiveActions {
  readonly done: number;
  readonly failed: number;
  readonly waiting: number;
  /** Actions whose last outcome was a failure. */
  readonly failing: number;
  /** Thirty at most. What failed last comes first. */
  readonly list: readonly LiveAction[];
}
export interface LiveAction {
  readonly rule: string;
  readonly kind: 'write' | 'publish' | 'hook' | 'flow' | 'output';
  /** What is written, published, run or triggered. */
  readonly target: string;
  readonly done: number;
  readonly failed: number;
  readonly last: { readonly result: 'done' | 'failed' | 'superseded' | 'dropped'; readonly time: number } | null;
  /** The words of the last failure. */
  readonly error?: string | undefined;
}

/** A rule with `observe: true`, and what it would have done. `state` and `since` are those that its alarm would have. */
export interface ObservedStatus extends AlarmStatus {
  /** UTC milliseconds at which the observation began. */
  readonly observedSince: number;
  /** Alarms that would have begun since then. */
  readonly count: number;
}

export interface LiveForwarder {
  readonly name: string;
  readonly type: string;
  readonly url: string;
  readonly state: 'stopped' | 'connecting' | 'connected' | 'waiting';
  readonly fault?: string | undefined;
  readonly nextTry: number | null;
  readonly mode: 'live' | 'history';
  readonly lastAck: number | null;
  /** When the oldest reading was taken that is not delivered; null when all are. */
  readonly oldestUnsent: number | null;
  /** Readings in memory that are not acknowledged. */
  readonly waiting: number;
}

/** Event `state`: the parts that changed since the last one. The first one has all of them. */
export interface LiveState {
  readonly gateway: {
    readonly id: string;
    readonly name?: string | undefined;
    readonly version: string;
    readonly boot: string;
    /** Rounded to ten seconds. */
    readonly started: number;
  };
  /** The file is broken, and the last good configuration is in force; null where the file is in order. */
  readonly configuration?: BrokenConfig | null;
  /** Where the configuration in force came from. */
  readonly inForce?: ConfigReport | undefined;
  readonly clock: { readonly known: boolean; readonly source: string; readonly since: number };
  readonly buses: readonly LiveBus[];
  readonly alarms: readonly AlarmStatus[];
  readonly alarmFigures?: LiveFigures | undefined;
  /** null where no rule acts. */
  readonly actions?: LiveActions | null | undefined;
  /** Rules on trial. A part that is empty is sent all the same: a page keeps what does not come. */
  readonly observed?: readonly ObservedStatus[] | undefined;
  readonly forwarders: readonly LiveForwarder[];
  readonly log: {
    readonly records: number;
    readonly bytes: number;
    readonly maxBytes: number;
    /** Since the start: readings dropped before a forwarder had them, thinned out, removed for space or age. */
    readonly dropped: number;
    readonly thinned: number;
    readonly removed: number;
    readonly lastCommit: number | null;
    readonly faults: readonly string[];
  };
  readonly machine: {
    /** Bytes that the process of the gateway has in memory. */
    readonly resident: number;
    readonly memory: { readonly total: number; readonly available: number };
    /** Where the log is; null when the disk does not say. */
    readonly disk: { readonly total: number; readonly free: number } | null;
  };
}
/** Event `beat`, with every round. */
export interface LiveBeat {
  readonly time: number;
  /** Milliseconds of a clock that nobody sets. */
  readonly up: number;
  /** Milliseconds between rounds. */
  readonly every: number;
}

/** Answer of `/api/v1/alarm-changes`: what alarms on a point did, the oldest first. */
export interface AlarmChanges {
  readonly changes: readonly AlarmChange[];
  /** There are older ones in this time that the answer leaves out. */
  readonly cut: boolean;
}
export interface AlarmChange {
  readonly rule: string;
  readonly occurrence: number;
  readonly state: AlarmState;
  readonly severity: Severity;
  readonly time: number;
  readonly message: string;
  readonly messages?: Messages | undefined;
  /** Absent in changes of earlier versions. */
  readonly cause?: AlarmCause | undefined;
  readonly firstOut?: true | undefined;
}
