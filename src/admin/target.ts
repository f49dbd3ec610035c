/**
 * What the admin room needs of a running gateway. gateway-target.ts implements it; everything here is plain data that
 * becomes JSON. Times are UTC milliseconds as known now, unless a name says otherwise; `null` means "none yet".
 */

import type { ActionsStatus } from '../control/actions/actions.ts';
import type { ActionFigures, ActionResult } from '../control/actions/tally.ts';
import type { AccessStatus, AccountsAdmin, ClaimRequest, PeopleAccess } from '../core/access-ports.ts';
import type { BrokenConfig } from '../core/broken-config.ts';
import type {
  Action,
  AlarmCommand,
  AlarmResult,
  Asking,
  Principal,
  ReloadResult,
  ResendCommand,
  Results,
} from '../core/commands.ts';
import type { ConfigReport } from '../core/configuring.ts';
import type { FlowRevisions, FlowsChange, FlowsResult } from '../core/flow-revisions.ts';
import type { FlowStatus, FlowsRestarted } from '../core/flow-supervisor.ts';
import type { BusStatus, ForwarderCounters, ReadFault, WireUse } from '../core/ports.ts';
import type { Quality } from '../core/reasons.ts';
import type { EmbeddedBrokerStatus } from '../forwarders/broker/broker-types.ts';
import type { AlarmFiguresView } from '../rules/alarm-figures.ts';
import type { BundleKeyReply, BundleQuery, ReceiptReply } from './bundles.ts';
import type { LiveSource } from './live/live-source.ts';
import type { AlarmChanges, AlarmStatus, JsonValue, ObservedStatus } from './live/live-types.ts';
import type {
  AlarmChangesQuery,
  ExportQuery,
  HistoryQuery,
  HistoryReply,
  RemovedQuery,
  RemovedReply,
  WaitingReply,
} from './log-questions.ts';
import type { LogStatus } from './log-status.ts';
import type { WireFrame, WireTarget } from './wire-target.ts';

export interface AdminTarget {
  /** Cheap enough to be called every second. */
  status(): GatewayStatus;
  /** The part of the status about Node-RED, without the rest; undefined: it is switched off. */
  flowsReport(): FlowsReport | undefined;
  /** UTC milliseconds as the gateway knows it: the system clock may be years behind. */
  now(): number;
  /** The time zone of the gateway; undefined: that of the system. */
  readonly timezone?: string | undefined;
  /** Whether buses are polled and the store is writable; the reasons say what is not, in words. */
  ready(): ReadyReport;
  /**
   * Live readings and alarms from now on, until the returned function is called. The listener returns at once and never
   * throws.
   */
  tail(listener: (item: TailItem) => void): () => void;
  /**
   * Reads a device now; what it refuses is a fault beside the rest. Rejects where nothing can be read with a SluiceError: `not-found`,
   * or what the bus says (`timeout`, `bus-closed`, …). @param raw with what is on the line of a serial instrument meanwhile
   */
  read(device: string, raw: boolean, by: Principal, asking?: Asking): Promise<ReadReply>;
  /**
   * Writes a point and reads it back. Rejects with a SluiceError: `write-refused`,
   * `write-failed`, `not-found`, `request-invalid`, or what the bus says.
   */
  write(point: string, value: string | number | boolean, by: Principal, asking?: Asking): Promise<WriteReply>;
  acknowledge(rule: string, occurrence: number | undefined, by: Principal, asking?: Asking): Promise<AlarmReply>;
  /** @param length milliseconds; null ends the shelving */
  shelve(rule: string, length: number | null, reason: string | undefined, by: Principal, asking?: Asking): Promise<AlarmReply>;
  /** Resets an alarm, takes it out of service, puts it in service. */
  alarm(command: AlarmCommand, by: Principal, asking?: Asking): Promise<AlarmReply>;
  /** Reads the configuration file again. Rejects with `config-invalid`; a bad file changes nothing. */
  reload(by: Principal, asking?: Asking): Promise<ReloadReply>;
  /** Records again. @param part takes a message of JSON; the next one comes when it resolves */
  resend(command: ResendCommand, by: Principal, asking: Asking, part: (json: string) => Promise<void>): Promise<ResendReply>;
  /** Revisions of the flows of Node-RED, and flows that come with the gateway. */
  readonly flows: FlowRevisions;
  /** Changes the flows of Node-RED. Rejects with `conflict`, `not-found`, `request-invalid`, `not-running`, `busy`. */
  changeFlows(change: FlowsChange, by: Principal): Promise<FlowsResult>;
  /** Ends Node-RED and starts it again. Rejects with `not-running`, `busy`, `timeout`. */
  restartFlows(by: Principal, asking?: Asking): Promise<FlowsRestarted>;
  /** For what is no command. Rejections are audited. @throws SluiceError forbidden, not-running */
  permit(action: Action, by: Principal): void;
  /** Text of the wanted format in pieces of bounded size; ending the iteration early frees what it holds. */
  export(query: ExportQuery): AsyncIterable<string>;
  /** The bytes of a bundle. Rejects before the first one with `not-found`, `bundle-refused`, `access-locked`, `access-write`. */
  bundle(query: BundleQuery): AsyncIterable<Uint8Array>;
  bundleKey(): Promise<BundleKeyReply>;
  /** Rejects with `bundle-refused`; then nothing was changed. */
  receipt(text: string): Promise<ReceiptReply>;
  /** What the log has of one point. Rejects with `not-found` for a point it never had. */
  history(query: HistoryQuery): Promise<HistoryReply>;
  /** What the log took away for space or age since it was made, by point. Rejects with `log-read`. */
  removed(query: RemovedQuery): Promise<RemovedReply>;
  /** How many readings each forwarder still has to deliver. Rejects with `log-read`. */
  waiting(): Promise<WaitingReply>;
  /** What alarms on a point did in a range of time: the newest MAX_ALARM_CHANGES of them, in order. */
  alarmChanges(query: AlarmChangesQuery): Promise<AlarmChanges>;
  /** For pages that stay open. */
  readonly live: LiveSource;
  readonly wire: WireTarget;
  /** Users, devices and tokens. Who calls was permitted to. */
  readonly accounts: AccountsAdmin;
  /** Sessions, tokens and the claim, from the first moment on. */
  readonly people: PeopleAccess;
  /** Names under which browsers reach this gateway, in lower case, beside its addresses and names that end in `.local`. */
  readonly names: readonly string[];
  /** The first administrator, with the claim code; see PeopleAccess. */
  claim(request: ClaimRequest): Promise<Principal>;
}

export interface ReadyReport {
  readonly ready: boolean;
  readonly reasons: readonly string[];
  /** What a person should correct although the gateway is ready, in words; absent where there is nothing. */
  readonly remarks?: readonly string[] | undefined;
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
    /** IANA name, where the configuration names one; else that of the system counts. */
    readonly timezone?: string | undefined;
    /** Monotonic milliseconds now: what `lastReply` of devices is measured in. */
    readonly monotonic: number;
  };
  /** The configuration file is broken, and the last good one is in force; absent where the file is in order. */
  readonly configuration?: BrokenConfig | undefined;
  /** Which configuration is in force, where it came from, and what became of the last one that upstream sent. */
  readonly inForce: ConfigReport;
  readonly clock: {
    readonly known: boolean;
    /** Where the time comes from, or why it is not known, for people. */
    readonly source: string;
    /** The system clock minus `gateway.time`, ms: 0 while the system clock is the source. */
    readonly systemOffset: number;
    /** Since when it is known, or not; UTC ms as known now. */
    readonly since: number;
    /** Changes of the time since the daemon started. */
    readonly steps: number;
  };
  readonly buses: readonly BusStatus[];
  readonly log: LogStatus;
  readonly forwarders: readonly ForwarderStatus[];
  readonly broker?: EmbeddedBrokerStatus | undefined;
  /** The gateway's own certificate, when a listener uses it. Fingerprints are SHA-256, `AB:CD:…`; `until` is UTC ms. */
  readonly certificate?: { readonly fingerprint: string; readonly authority: string; readonly until: number } | undefined;
  /** Node-RED; absent where it is not configured. */
  readonly flows?: FlowsReport | undefined;
  /** HTTP and HTTPS; absent where they are not configured. */
  readonly http?: HttpStatus | undefined;
  /** Multicast DNS; absent where the dashboard is not configured. */
  readonly announce?: AnnounceStatus | undefined;
  /** Users, devices and tokens. */
  readonly access: AccessStatus;
  /** Alarms that are active or not acknowledged. */
  readonly alarms: readonly AlarmStatus[];
  /** How the alarms do, by ISA-18.2 and IEC 62682. */
  readonly alarmFigures: AlarmFiguresView;
  /** What rules have done since the start; absent where no rule acts. */
  readonly actions?: ActionsReport | undefined;
  /** Rules that are only observed; absent where there are none. */
  readonly observed?: readonly ObservationStatus[] | undefined;
}

export interface ActionsReport {
  readonly kinds: ActionsStatus['kinds'];
  /** Actions that began or ended since the start. */
  readonly of: number;
  /** Those of them that failed, or were left out, when they ended last. */
  readonly failing: number;
  /** A hundred of them at most. What failed last comes first, then what ended last. */
  readonly list: readonly ActionStatus[];
}

export interface ActionStatus extends Omit<ActionFigures, 'last' | 'error'> {
  readonly last: { readonly result: ActionResult; readonly time: number } | null;
  /** The last failure, also when the action has been done since. */
  readonly error: { readonly message: string; readonly time: number } | null;
}

export interface ObservationStatus extends ObservedStatus {
  /** Milliseconds of the longest alarm that would have been, also of one that would still stand. */
  readonly longest: number;
}

/** A door to Node-RED. */
export interface FrontStatus {
  /** `listening`: at one address at least. */
  readonly state: 'waiting' | 'listening';
  /** Why an address waits, in words. */
  readonly fault?: string | undefined;
  readonly listeners: HttpStatus['listeners'];
  readonly connections: number;
  /** Open WebSockets. */
  readonly sockets: number;
  /** Since the start: as of HTTP, callers without a session, and WebSockets beyond a bound. */
  readonly refused: HttpStatus['refused'] & { readonly strangers: number; readonly sockets: number };
}

export interface FlowsReport extends Omit<FlowStatus, 'since' | 'nextStart'> {
  readonly since: number;
  readonly nextStart: number | null;
  /** Where browsers reach the editor, and HTTP-in nodes; a door that is switched off is absent. */
  readonly front?: { readonly editor?: FrontStatus | undefined; readonly 'http-in'?: FrontStatus | undefined } | undefined;
}

export interface HttpStatus {
  /** `listening`: at one address at least. */
  readonly state: 'off' | 'waiting' | 'listening';
  /** The first that listens. */
  readonly address?: { readonly host: string; readonly port: number } | undefined;
  /** Why an address waits, in words. */
  readonly fault?: string | undefined;
  readonly listeners: readonly {
    readonly host: string;
    readonly port: number;
    readonly tls: boolean;
    readonly fault?: string | undefined;
    /** SHA-256 of its certificate, as browsers show it: `AB:CD:…`. */
    readonly fingerprint?: string | undefined;
  }[];
  readonly connections: number;
  /** Since the start: connections that ended for others or were not taken, requests of foreign names, of pages of other sites, and too many. */
  readonly refused: {
    readonly connections: number;
    readonly hosts: number;
    readonly origins: number;
    readonly requests: number;
  };
}

/** Since the start. */
export interface AnnounceStatus {
  /** Packets. */
  readonly heard: number;
  readonly answered: number;
  /** Questions that a bound left without an answer. */
  readonly unanswered: number;
  /** Times that a flood made the gateway silent. */
  readonly floods: number;
  /** Packets in which another device claimed a name of this gateway. */
  readonly claims: number;
}

export interface ForwarderStatus {
  readonly name: string;
  readonly type: string;
  /** Without secrets. */
  readonly url: string;
  readonly state: 'stopped' | 'connecting' | 'connected' | 'waiting';
  readonly fault?: string | undefined;
  /** While it waits: when it connects again, UTC milliseconds. */
  readonly nextTry: number | null;
  /** `live`: records go to `data` as they come; `history`: a backlog or lag sends them to `history`. */
  readonly mode: 'live' | 'history';
  readonly lastAck: number | null;
  /** How old the oldest undelivered record of each lane is, in milliseconds; 0 when there is none. */
  readonly lag: { readonly data: number; readonly history: number };
  /** Readings in memory that are not acknowledged; what waits on the disk is not counted. */
  readonly waiting: number;
  /** Bytes that a batch may have now, by what the link carried; null: it is not measured. */
  readonly batchLimit: number | null;
  readonly counters: ForwarderCounters;
  /** null: it has no connections. */
  readonly wire: WireStatus | null;
}

/** This month's bytes; month null: the clock was never known. */
export interface WireStatus extends Omit<WireUse, 'month' | 'perDay'> {
  /** null: there is no budget of bytes. */
  readonly perDay: number | null;
  readonly month: string | null;
}

export interface TailReading {
  readonly type: 'reading';
  readonly time: number;
  readonly device: string;
  readonly point: string;
  readonly value: JsonValue;
  readonly unit?: string | undefined;
  readonly quality: Quality;
  readonly reason?: string | undefined;
  /** The device rests: the reading repeats how the last request ended, and no request was sent for it. */
  readonly asked?: false | undefined;
}
export interface TailAlarm extends AlarmStatus {
  readonly type: 'alarm';
  readonly time: number;
}
export type TailItem = TailReading | TailAlarm;

export interface ReadReply {
  readonly device: string;
  readonly readings: readonly Omit<TailReading, 'type' | 'device'>[];
  /** Requests that came to nothing; their readings are bad. */
  readonly faults: readonly ReadFault[];
  /** What was on the line of a serial instrument, where that was asked for. */
  readonly frames?: readonly WireFrame[] | undefined;
}

export interface WriteReply {
  /** `device.point` */
  readonly point: string;
  /** As the device shows it afterwards. */
  readonly value: JsonValue;
  readonly unit?: string | undefined;
  readonly time: number;
  /** false: acknowledged, and the point never shows the value written to it. */
  readonly readBack: boolean;
}

export type AlarmReply = AlarmResult;

export type ReloadReply = ReloadResult;

export type ResendReply = Results['resend'];
