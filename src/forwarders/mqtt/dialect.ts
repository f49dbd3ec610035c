/**
 * What a dialect is: which topics and payloads a platform understands. Upstream = connection x dialect. The connection,
 * the loop around it and the drain loop know no dialect; a dialect opens nothing and waits for nothing. Dialects are listed
 * in gateway/registry.ts.
 *
 * - Messages are made lazily, each just before it leaves, in the order in which they leave. A dialect that numbers its
 *   messages can therefore number them while it makes them.
 * - What is expensive belongs into the payload format, which runs in the keeper thread for everything that comes from the
 *   files. What depends on the moment (a number, an alias) is added here, in the main thread.
 */
import type * as z from 'zod';
import type { Compression } from '../../codecs/compress.ts';
import type { FormatOptions, Payload, PayloadFormat } from '../../codecs/format.ts';
import type { Clock } from '../../core/clock.ts';
import type { SluiceError } from '../../core/errors.ts';
import type { LatestValue, LatestValues, NoticeMessage } from '../../core/ports.ts';
import type { SiteFacts } from '../../core/site-facts.ts';
import type { OutBatch, OutNotice } from '../../store/delivery/out.ts';
import type { Outcome } from '../drain-sides.ts';
import type { PlatformRules } from './platform.ts';

export interface OutMessage {
  readonly topic: string;
  readonly payload: Payload;
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** Called once the broker has it (QoS 1), or once it is written (QoS 0). */
  readonly taken?: () => void;
  /** Called before `taken`, where the broker says that it has no subscriber for it (MQTT 5). */
  readonly unheard?: () => void;
  /** Called where the broker does not take it now, or cannot take it for its size. */
  readonly kept?: (error: SluiceError) => void;
  /** What a connection begins with lacks it where it is too large for the broker. Otherwise the connection ends. */
  readonly mayLack?: true;
}

/** State that outlives a restart of the gateway. Plain data, small: the next commit writes it as a whole. */
export interface DialectMemory {
  load(): unknown;
  /** @throws SluiceError internal: the state has more than MAX_FORWARDER_STATE letters as JSON; what was kept before stays */
  save(state: unknown): void;
}

/** A dialect that changes it gives answers that differ from the contract. */
export const PROBE = '{}';

export interface DialectContext {
  /** Ids of the gateway and of the forwarder. */
  readonly gateway: string;
  readonly forwarder: string;
  /** As the settings have it, or the one that is made without them. */
  readonly clientId: string;
  /** Output of `Dialect.options`; undefined when nothing was written. */
  readonly options: unknown;
  /** How payloads of batches are compressed. */
  readonly compress: Compression | 'none';
  readonly clock: Clock;
  /** UTC ms as the gateway knows it, and whether that is known to be right. */
  readonly now: () => number;
  readonly clockKnown: () => boolean;
  readonly memory: DialectMemory;
  /** JSON of `…/status` and `…/inventory`. */
  readonly status: () => string;
  readonly inventory: () => string;
  /** Rules that there were once, and whether there is such a rule now. */
  readonly goneRules: readonly string[];
  readonly hasRule: (rule: string) => boolean;
  readonly latest: LatestValues;
  readonly site: SiteFacts;
  /** Whether the configuration lets the platform write that point, where it can be written. */
  readonly mayWrite: (device: string, point: string) => boolean;
  /** Reports an event to operators. */
  readonly event: (event: string, message: string, data: Record<string, string | number>) => void;
  /**
   * Takes a command; absent where the configuration grants none. Returns at once.
   * @param topicOf the topic of an answer; it is given the payload as well
   * @param payloadOf the answer as the platform has it; absent: the JSON of the contract. Nothing is sent where it gives nothing.
   *   It is asked about PROBE as well, which is no answer.
   */
  readonly command?:
    | ((
        payload: Uint8Array,
        retained: boolean,
        topicOf: (kind: AnswerKind, id: string, payload: string) => string,
        payloadOf?: (json: string) => string | undefined,
      ) => void)
    | undefined;
}

/** What a dialect asks of its forwarder whose messages have no acknowledgement of their own. */
export interface Delivery {
  /** `greet` follows, alone. Without a connection the next one does it anyway. */
  greet(): void;
  /** Sends messages beside everything else, each made as it leaves. @throws SluiceError when there is no connection, or it ended meanwhile */
  say(messages: Iterable<OutMessage>): Promise<void>;
  /** Resolves when the broker has read everything that was sent before. @throws SluiceError when the connection is over */
  proven(): Promise<void>;
  /** Records that were accepted are owed again, as history. */
  again(spans: readonly Pick<OutBatch, 'log' | 'first' | 'last'>[]): void;
  /** Ends this connection in order. The next broker of the list is tried. @param why words for the status */
  leave(why: string): void;
  /** As `leave`, where the list has another broker. */
  next(why: string): void;
}

export interface LogDialectContext extends DialectContext {
  readonly delivery: Delivery;
}

/** `result`: the outcome of a command. `resend`: records that it asked for. */
export type AnswerKind = 'result' | 'resend';

/** A dialect at work for one forwarder; its state lives as long as the forwarder. */
export interface Speaker extends PlatformRules {
  /** The will of the next connection. Called once, right before its CONNECT. */
  will(): OutMessage | undefined;
  /** Filters that each connection subscribes to (QoS 1) before `greet`. */
  readonly subscriptions?: readonly string[];
  /** What a connection begins with. It is sent whole before anything else; also when `received` or `changed` ask for it. */
  greet(): Iterable<OutMessage>;
  /** The inventory is another one, rules went: `greet` follows. */
  changed?(goneRules: readonly string[]): void;
  /** A message of a subscription. @param retained the broker kept it from an earlier time @returns `greet` to have the connection greeted again */
  received?(topic: string, payload: Uint8Array, retained: boolean): 'greet' | undefined;
  /** A connection broke; without it `will` or the end is next. */
  lost?(): void;
  /** What a clean end leaves with the broker, which then drops the will. */
  farewell(): Iterable<OutMessage>;
  /** With MQTT 5 the broker publishes the will at a clean end as well. */
  readonly willAtEnd?: boolean;
}

/** The speaker of a forwarder with a cursor. */
export interface LogSpeaker extends Speaker {
  /** What the payload format is given, in both threads. */
  readonly formatOptions?: FormatOptions;
  /** Data and history wait while it says so. */
  holds?(): boolean;
  batch(batch: OutBatch): Iterable<OutMessage>;
  /** Once all messages of a batch are taken. Absent: `accept`. A dialect without acknowledgements decides by its state. */
  outcome?(batch: OutBatch): Outcome | Promise<Outcome>;
  /** The topic of an alarm or event, on which order is kept; undefined: the platform has no place for it. */
  channel(notice: OutNotice): string | undefined;
  notice(notice: OutNotice): Iterable<OutMessage>;
  /** As `outcome`, for a notice. */
  noticed?(notice: OutNotice): Outcome | Promise<Outcome>;
}

/** The speaker of a forwarder without a cursor: latest values, and the newest transition of each rule. Nothing is repeated. */
export interface LiveSpeaker extends Speaker {
  /** Points of a device that changed since they were sent. */
  values(device: string, changed: readonly LatestValue[]): Iterable<OutMessage>;
  alarm(alarm: NoticeMessage): Iterable<OutMessage>;
}

/** What is wrong with a key, and what to write instead. */
export interface SettingsFault {
  readonly path: string[];
  readonly message: string;
}

/** Absent: as MQTT has it. */
export interface TopicLimits {
  readonly levels?: number;
  readonly bytes?: number;
}

interface DialectBase {
  /** The word under `format`. */
  readonly name: string;
  /** A sentence for the reference page. */
  readonly doc: string;
  /** Where it writes on a broker. Two forwarders to one broker and root are refused. */
  readonly root: string | ((options: unknown) => string);
  /** What a person writes under a key of the dialect's name, beside `format`. Absent: nothing. */
  readonly options?: z.ZodType;
  /**
   * Whether rules may send messages of their own (`sluice/<gateway>/action/…`), and what the platform takes as a topic. A text: why they
   * may not, as half a sentence.
   */
  readonly ruleMessages: TopicLimits | string;
  /** Keys of the forwarder that the platform cannot do with, or without. */
  readonly faults?: (settings: Readonly<Record<string, unknown>>) => Iterable<SettingsFault>;
}

/** `log`: every record, once in effect. */
export interface LogDialect extends DialectBase {
  readonly kind: 'log';
  /** How batches are encoded: one of the table in codecs/formats.ts, since the keeper thread looks there. */
  readonly format: PayloadFormat;
  /** How its payloads may be compressed (`compress` of a forwarder). Absent: not at all. */
  readonly compress?: readonly Compression[];
  /** A connection may be a short visit: what a session begins with is retained, and nothing follows from its end. */
  readonly visits?: true;
  /** The most readings of a batch that a person may ask for. Absent: MOST_READINGS. */
  readonly maxReadings?: number;
  /** The platform forbids a session that outlives its connection. */
  readonly cleanSession?: boolean;
  /** Why a value has the type of its point, as half a sentence: then means are refused. Absent: it may have another one. */
  readonly typed?: string;
  create(context: LogDialectContext): LogSpeaker;
}

/** `live`: no cursor. */
export interface LiveDialect extends DialectBase {
  readonly kind: 'live';
  create(context: DialectContext): LiveSpeaker;
}

export type Dialect = LogDialect | LiveDialect;
