/**
 * What the admin room needs of a running gateway. The gateway room implements it; everything here is plain data that
 * becomes JSON. Times are UTC milliseconds as known now, unless a name says otherwise; `null` means "none yet".
 */
import type { AlarmState, BusStatus, Severity } from '../core/ports.ts';
import type { Quality } from '../core/reasons.ts';
import type { EmbeddedBrokerStatus } from '../forwarders/broker/embedded-broker.ts';

export interface AdminTarget {
  /** Cheap enough to be called every second. */
  status(): GatewayStatus;
  /** Whether buses are polled and the store is writable; the reasons say what is not, in words. */
  ready(): ReadyReport;
  /**
   * Live readings and alarms from now on, until the returned function is called. The listener returns at once and never
   * throws.
   */
  tail(listener: (item: TailItem) => void): () => void;
  /** Reads a device now. Rejects with a SluiceError: `not-found`, or what the bus says (`timeout`, `bus-closed`, …). */
  read(device: string): Promise<ReadReply>;
  /** Reads the configuration file again. Rejects with `config-invalid`; a bad file changes nothing. */
  reload(): Promise<ReloadReply>;
  /** Text of the wanted format in pieces of bounded size; ending the iteration early frees what it holds. */
  export(query: ExportQuery): AsyncIterable<string>;
}

export interface ReadyReport {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

export interface GatewayStatus {
  readonly gateway: {
    readonly id: string;
    readonly name?: string | undefined;
    readonly version: string;
    /** `b17`: the start that this is, as batches name it. */
    readonly boot: string;
    /** Seconds since the daemon started. */
    readonly uptime: number;
    readonly time: number;
    /** Monotonic milliseconds now: what `lastReply` of devices is measured in. */
    readonly monotonic: number;
  };
  readonly clock: {
    readonly known: boolean;
    /** Where the time comes from, for people: `ntp`, `rtc`, `build date`, … */
    readonly source: string;
  };
  readonly buses: readonly BusStatus[];
  readonly log: LogStatus;
  readonly forwarders: readonly ForwarderStatus[];
  readonly broker?: EmbeddedBrokerStatus | undefined;
  /** Alarms that are active or not acknowledged. */
  readonly alarms: readonly AlarmStatus[];
}

export interface LogStatus {
  readonly id: string;
  /** Records and notices that are kept now: the depth of the log. */
  readonly records: number;
  /** Time of the oldest record that some forwarder has not delivered. */
  readonly oldestUnsent: number | null;
  /** Every file of the log together, and what `buffer.maxSize` allows. */
  readonly bytes: number;
  readonly maxBytes: number;
  /** Readings that wait for the next commit. */
  readonly pending: number;
  readonly lastCommit: number | null;
  /** Since the start: commits, readings taken in. */
  readonly commits: number;
  readonly appended: number;
  /** Readings that went since the start before a forwarder had them, for want of room on disk or in memory. */
  readonly dropped: number;
  /** Readings that were thinned out, dropped for room, and dropped for age since the start, delivered or not. */
  readonly thinned: number;
  readonly removed: number;
  readonly aged: number;
  /** What is wrong, in words; empty when nothing is. */
  readonly faults: readonly string[];
}

export interface ForwarderStatus {
  readonly name: string;
  readonly type: string;
  /** Without secrets. */
  readonly url: string;
  readonly state: 'stopped' | 'connecting' | 'connected' | 'waiting';
  readonly fault?: string | undefined;
  /** `live`: records go to `data` as they come; `history`: a backlog or lag sends them to `history`. */
  readonly mode: 'live' | 'history';
  readonly lastAck: number | null;
  /** How old the oldest undelivered record of each lane is, in milliseconds; 0 when there is none. */
  readonly lag: { readonly data: number; readonly history: number };
  /** Since the start. */
  readonly counters: {
    /** Times a connection was established. */
    readonly connects: number;
    /** Batches handed to the connection; those acknowledged; those refused for good; those sent again. */
    readonly published: number;
    readonly acked: number;
    readonly refused: number;
    readonly retries: number;
    /** Acknowledged readings, and payload bytes of their batches. */
    readonly readings: number;
    readonly bytes: number;
  };
}

export interface AlarmStatus {
  readonly rule: string;
  readonly state: AlarmState;
  readonly severity: Severity;
  /** `device.point` */
  readonly point: string;
  readonly value?: JsonValue | undefined;
  readonly since: number;
  readonly occurrence: number;
  readonly message: string;
}

/** Numbers, booleans and texts as they are, 64-bit integers as texts, null for a bad reading. */
export type JsonValue = number | boolean | string | null;

export interface TailReading {
  readonly type: 'reading';
  readonly time: number;
  readonly device: string;
  readonly point: string;
  readonly value: JsonValue;
  readonly unit?: string | undefined;
  readonly quality: Quality;
  readonly reason?: string | undefined;
}
export interface TailAlarm extends AlarmStatus {
  readonly type: 'alarm';
  readonly time: number;
}
export type TailItem = TailReading | TailAlarm;

export interface ReadReply {
  readonly device: string;
  readonly readings: readonly Omit<TailReading, 'type' | 'device'>[];
}

export interface ReloadReply {
  /** One sentence per thing that was added, changed or removed; empty when nothing was. */
  readonly changes: readonly string[];
  readonly warnings: readonly string[];
}

export interface ExportQuery {
  /** UTC milliseconds, inclusive. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** `device` or `device.point`; absent: all. */
  readonly points?: readonly string[] | undefined;
  readonly format: 'csv' | 'jsonl';
}
