/**
 * The interfaces over which rooms meet. Rooms never import each other sideways; the gateway room hands one an
 * implementation that another room made.
 */
import type { Severity } from './alarm.ts';
import type { FrameListener, Looked, LookOptions, LookRequest } from './bus-frames.ts';
import type { Duty } from './duty.ts';
import type { ErrorCode } from './errors.ts';
import type { LogRecord, Sample, Shape, Value } from './point.ts';
import type { PrivacyClass } from './privacy.ts';
import type { MessageOutcome, RuleMessage } from './rule-message.ts';

/** Takes the samples of drivers. It returns at once and throws nothing. */
export type SampleSink = (sample: Sample) => void;

/** Counters of one device on its bus, since the bus started. Latencies in milliseconds. */
export interface DeviceCounters {
  requests: number;
  replies: number;
  timeouts: number;
  exceptions: number;
  crcErrors: number;
  /** Replies refused for another cause: wrong unit, function, length, transaction; serial frames not understood. */
  badReplies: number;
  /** Replies that came after their time-out and were thrown away. */
  lateReplies: number;
  /** Serial bytes skipped while looking for the start of a frame. */
  skippedBytes: number;
  /** Stretches of skipped bytes: how often the gateway had to look for the start of a frame again; absent where a driver does not count them. */
  resyncs?: number;
  /** Frames that began and never got whole, or whose beginning was missed; absent where a driver does not count them. */
  halfFrames?: number;
  /** Messages that came before: sent again, or kept by the broker; absent where a driver does not count them. */
  repeats?: number;
  /** Messages left out because the device sent too many; absent where a driver does not count them. */
  leftOut?: number;
  /** Polls left out because their predecessor was still waiting; absent where a driver does not poll. */
  missedPolls?: number;
  /** From writing a request to the last byte of its answer, exceptions included. */
  latencyLast: number;
  latencyMax: number;
  latencySum: number;
  /** 95th percentile of the newest 64, without the time that the bytes take on the wire; absent where nothing is asked. */
  latencyP95?: number;
}

/** How long a device takes until it begins its answer, milliseconds. */
export interface AnswerStatus {
  /** The time that its reads are planned by, and its source. */
  readonly planned: number;
  readonly from: 'configured' | 'measured' | 'assumed';
  /** As it is now, or was in an earlier run; absent while too few replies came. */
  readonly measured?: number;
}

/** A fault that the newest replies contradict. */
export interface Recovery {
  /** Monotonic time of the first good reply. */
  readonly since: number;
  /** Good replies since then. */
  readonly replies: number;
}

/** How many of the newest replies were bad, where good and bad ones alternate. */
export interface Share {
  readonly bad: number;
  readonly of: number;
  /** `failed`: several kinds. */
  readonly kind: 'damaged' | 'wrong' | 'missing' | 'failed';
}

export interface DeviceStatus {
  readonly name: string;
  readonly state: 'unknown' | 'answering' | 'silent';
  /** Words for people, while something is wrong: the newest reply shows it. */
  readonly fault?: string | undefined;
  /** The end of the last fault, for ten minutes after it was seen. */
  readonly recovery?: Recovery | undefined;
  readonly share?: Share | undefined;
  /** Monotonic time before which a device that rests gets no request; its polls are reported as failed meanwhile. */
  readonly restsUntil?: number | undefined;
  /** Monotonic time of the last good reply. */
  readonly lastReply?: number | undefined;
  readonly counters: Readonly<DeviceCounters>;
  /** Absent where nothing is asked. */
  readonly answer?: AnswerStatus | undefined;
}

export interface BusStatus {
  readonly name: string;
  readonly protocol: string;
  readonly state: 'closed' | 'opening' | 'open';
  readonly fault?: string | undefined;
  readonly devices: readonly DeviceStatus[];
  /** The load of the last whole half minute; absent where nothing is polled. */
  readonly load?: { readonly busy: number; readonly due: number; readonly missed: number; readonly overloaded: boolean };
  /** Bytes of messages of its devices that wait for their turn, and how many may; absent where devices do not send by themselves. */
  readonly waiting?: { readonly bytes: number; readonly limit: number };
}

/** Why a part of a device could not be read. */
export interface ReadFault {
  readonly points: readonly string[];
  readonly code: ErrorCode;
  /** Words for people. */
  readonly message: string;
}

/** The result of a write. */
export interface Written {
  /** As the device shows it afterwards. */
  readonly value: Value;
  /** Monotonic ms at which that was read back, or acknowledged. */
  readonly at: number;
  /** false: the device acknowledged it, and the point is one that does not show it. */
  readonly readBack: boolean;
}

export interface WriteOptions {
  /** A safe value: goes before everything else, whatever waits, and is not held up by the rate limit of the point. */
  readonly safe?: boolean;
  /** Called before each step that waited for its turn. It throws where nothing may be sent any more. */
  readonly begin?: (() => void) | undefined;
}

/** A point that is set when nobody is there to lead it. */
export interface SafePoint {
  readonly device: string;
  readonly point: string;
  readonly value: Value;
  readonly onStop: boolean;
  /** Milliseconds without any upstream; undefined: upstream does not matter. */
  readonly offline?: number | undefined;
}

/** One running bus: one wire, one queue. Constructors only assign; `start` opens and keeps reopening by itself. */
export interface Bus {
  readonly name: string;
  /** Every shape that this bus can emit from now on; a driver that changes them calls `replanned` of its context. */
  readonly shapes: readonly Shape[];
  /** Monotonic time of its next poll; absent where nothing is polled. */
  nextPoll?(): number;
  /** Monotonic time at which a request last left or ended; absent where nothing is polled. */
  lastTurn?(): number;
  /** Monotonic time by which the next request leaves or ends when a poll is due, however silent the devices are. */
  turnBy?(): number;
  /** What its timers do beside polls; absent where it has none. */
  duties?(): Duty[];
  /** Returns at once; the port is opened (and opened again) in the background. */
  start(): void;
  /** Ends the request on the wire or its time-out, closes the port; resolves when the port is free. Bounded to 3 s. */
  stop(): Promise<void>;
  /**
   * Reads a device now, between the polls. One sample per shape of the device; one that could not be read is bad, and
   * `refused` gets the reason. Rejects with a SluiceError where nothing could be read, or at the first fault without `refused`.
   */
  read(device: string, refused?: (fault: ReadFault) => void): Promise<Sample[]>;
  /**
   * Writes a point that may be written, once, and reads it back. Goes before the polls; a device that is known to be
   * silent is not asked. A text is understood by the type of the point. Absent where a bus cannot write. Rejects with a
   * SluiceError; its `data.sent` is false, or its code `write-refused`, where nothing was sent.
   */
  write?(device: string, point: string, value: Value, options?: WriteOptions): Promise<Written>;
  /**
   * Asks any unit on the wire, between the polls. Absent where nobody can be asked by hand. Rejects with a SluiceError when nothing
   * could be sent: `bus-closed`, `request-invalid`, or too many wait.
   */
  exchange?(unitId: number, request: LookRequest, options?: LookOptions): Promise<Looked>;
  /** Every frame from now on, until the returned function is called; `ended` reports that the bus was stopped. Absent where nothing can be seen. */
  capture?(listener: FrameListener, ended?: () => void): () => void;
  /** Absent where there can be none. */
  readonly safePoints?: readonly SafePoint[];
  /** Points (`device.point`) in alarm: they are read first when not all can be read in time. */
  urgent?(points: ReadonlySet<string>): void;
  status(): BusStatus;
}

/** The buses of the configuration in force. */
export interface Field {
  readonly buses: readonly Bus[];
  readonly safePoints: readonly SafePoint[];
  busOf(device: string): Bus | undefined;
  /** @param points `device.point`, in alarm */
  urgent(points: ReadonlySet<string>): void;
}

/** An event for operators, as `…/event` carries it. */
export interface GatewayEvent {
  /** Documented word: `loss`, `clock`, `salvage`, `overload`, `refused`, `start`, `stop`, `log`, … */
  readonly event: string;
  readonly severity: Severity;
  readonly message: string;
  /** The message without any value of a point, for points whose values are not shown. Absent: other words are made. */
  readonly bare?: string | undefined;
  readonly data?: Readonly<Record<string, string | number | boolean | null>> | undefined;
}

/** The retained `…/inventory` message. */
export interface Inventory {
  readonly v: 1;
  readonly revision: number;
  readonly devices: Readonly<Record<string, InventoryDevice>>;
}
export interface InventoryDevice {
  readonly bus: string;
  readonly profile?: string | undefined;
  readonly points: Readonly<Record<string, { type: string; unit?: string | undefined; writable: boolean }>>;
}

/** The last reading of each point, for `value/…` topics, `tail` and pages. Milliseconds UTC as known now. */
export interface LatestValue {
  readonly device: string;
  readonly point: string;
  readonly type: string;
  readonly time: number;
  /** null when the reading is bad. */
  readonly value: Value | null;
  readonly unit?: string | undefined;
  /** A code of REASONS; 0 is good. */
  readonly reason: number;
  /** The class under which it was taken. Absent: that of now. */
  readonly privacy?: PrivacyClass | undefined;
  /** Which sample brought it, counted over all points. Absent: nobody counts. */
  readonly number?: number | undefined;
}
export interface LatestValues {
  get(device: string, point: string): LatestValue | undefined;
  all(): Iterable<LatestValue>;
}

/** A message of the log that is not a record, as topics carry it: JSON text, complete with log and seq. */
export interface NoticeMessage {
  readonly kind: 'alarm' | 'event';
  /** The rule of an alarm; the word of an event. */
  readonly key: string;
  readonly seq: number;
  readonly json: string;
  /** The log takes nothing now: the number is not one of the log. */
  readonly unnumbered?: true;
}

/**
 * A destination without a cursor: latest values, the embedded broker. Calls come in the order of the log, at once,
 * and must return at once; a slow destination conflates or drops, and counts it.
 */
export interface LiveSink {
  /**
   * Every sample of every device.
   * @param record what the log took of it; undefined where it took nothing: `report:` kept it out, or there was no number
   * @param more further records of it: points of a class of their own
   */
  sample(sample: Sample, record: LogRecord | undefined, more?: readonly LogRecord[]): void;
  notice(notice: NoticeMessage): void;
  inventory(inventory: Inventory): void;
}

/** Since the start. */
export interface ForwarderCounters {
  /** Times a connection was established. */
  readonly connects: number;
  /** Batches handed to the far side; those acknowledged; those refused for good; those sent again. */
  readonly published: number;
  readonly acked: number;
  readonly refused: number;
  readonly retries: number;
  /** Acknowledged readings, and payload bytes of their batches. */
  readonly readings: number;
  readonly bytes: number;
  /** Connections closed because the far side broke the protocol or a limit. */
  readonly violations: number;
  /** Acknowledged messages of readings for which the far side said that it has no subscriber. */
  readonly unheard: number;
}

/** Bytes of a forwarder's connections in one month, as a metered link counts them. */
export interface WireUse {
  /** `2026-11`, of the gateway's time zone; undefined: the clock was never known. */
  readonly month: string | undefined;
  /** Bytes of sockets, TLS included: exact. */
  readonly sent: number;
  readonly received: number;
  /** Bytes of headers of TCP and IP, both ways: an estimate. */
  readonly headers: number;
  /** Bytes of all kinds today, in the gateway's time zone. */
  readonly today: number;
  /** Bytes that its budget allows in a day; absent: it has none. */
  readonly perDay?: number | undefined;
}

/** The report of a forwarder about itself. Times are monotonic milliseconds. */
export interface ForwarderReport {
  readonly name: string;
  /** The word under `type`. */
  readonly type: string;
  /** Where it delivers, without secrets. */
  readonly url: string;
  readonly state: 'stopped' | 'connecting' | 'connected' | 'waiting';
  /** Words for people, while something is wrong. */
  readonly fault: string | undefined;
  /** When it connects again, while it waits. */
  readonly nextTry: number | undefined;
  /** `live`: records go to `data` as they come; `history`: a backlog or lag sends them to `history`. */
  readonly mode: 'live' | 'history';
  readonly lastAck: number | undefined;
  /** First number of each lane that is not acknowledged. */
  readonly waiting: { readonly data: number | undefined; readonly history: number | undefined };
  /** When the oldest live reading in memory was taken that is not acknowledged. */
  readonly oldestLive: number | undefined;
  /** Readings in memory that are not acknowledged. */
  readonly liveReadings: number;
  /** Bytes that a batch may have now, by what the link carried. Absent: it is not measured. */
  readonly batchLimit?: number | undefined;
  readonly counters: ForwarderCounters;
  /** This month. Absent: it has no connections. */
  readonly wire?: WireUse | undefined;
}

/**
 * A destination that is configured. `log`: it has a cursor in the log, and what it delivered is kept under its name.
 * `live`: it takes what is new from its sink, and keeps nothing. It goes on for ever, whatever its far side does.
 * test/contract/forwarder-suite.ts is what every kind has to do.
 */
export interface Forwarder {
  readonly name: string;
  /** For a `live` one: gets every sample from the start to the stop. */
  readonly sink?: LiveSink | undefined;
  readonly connected: boolean;
  /** From now on the log keeps for it what comes. `start` does that too. */
  attach(): void;
  /** Returns at once; the far side is looked for (and looked for again) in the background. */
  start(): void;
  /** Sends what is live, lets it be acknowledged and ends, all within `within` ms. What is not acknowledged stays owed. */
  stop(within: number): Promise<void>;
  /** The retained messages at the far side are outdated: the inventory, alarms of rules that are gone. */
  republish(goneRules: readonly string[]): void;
  /** Sends one message beside everything else; resolves when the far side has it. Absent where nothing can be sent. */
  say?(topic: string, payload: string): Promise<void>;
  /** Sends a message of a rule, after alarms and before history, as soon as there is a connection. Absent: it takes none. Never rejects. */
  deliver?(message: RuleMessage): Promise<MessageOutcome>;
  /** What it does by itself, whatever its far side and the disk do. Absent: nobody watches it. */
  duties?(): Duty[];
  status(): ForwarderReport;
}
