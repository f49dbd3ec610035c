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
import type { FormatOptions, Payload, PayloadFormat } from '../../codecs/format.ts';
import type { Clock } from '../../core/clock.ts';
import type { LatestValue, NoticeMessage } from '../../core/ports.ts';
import type { OutBatch, OutNotice } from '../../store/delivery/out.ts';
import type { Outcome } from '../drain.ts';

export interface OutMessage {
  readonly topic: string;
  readonly payload: Payload;
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** Called once the broker has it (QoS 1), or once it is written (QoS 0). */
  readonly taken?: () => void;
}

/** State that outlives a restart of the gateway. Plain data, small: the next commit writes it as a whole. */
export interface DialectMemory {
  load(): unknown;
  /** @throws SluiceError internal: the state has more than MAX_FORWARDER_STATE letters as JSON; what was kept before stays */
  save(state: unknown): void;
}

export interface DialectContext {
  /** Ids of the gateway and of the forwarder. */
  readonly gateway: string;
  readonly forwarder: string;
  /** Output of `Dialect.options`; undefined when nothing was written. */
  readonly options: unknown;
  readonly clock: Clock;
  readonly memory: DialectMemory;
  /** JSON of `…/status` and `…/inventory`. */
  readonly status: () => string;
  readonly inventory: () => string;
  /** Rules that there were once, and whether there is such a rule now. */
  readonly goneRules: readonly string[];
  readonly hasRule: (rule: string) => boolean;
  /**
   * Takes a command; absent where the configuration grants none. Returns at once.
   * @param topicOf the topic of an answer
   */
  readonly command?:
    | ((payload: Uint8Array, retained: boolean, topicOf: (kind: AnswerKind, id: string) => string) => void)
    | undefined;
}

/** `result`: the outcome of a command. `resend`: records that it asked for. */
export type AnswerKind = 'result' | 'resend';

/** A dialect at work for one forwarder; its state lives as long as the forwarder. */
export interface Speaker {
  /** The will of the next connection. Called once before each CONNECT. */
  will(): OutMessage | undefined;
  /** Filters that each connection subscribes to (QoS 1) before `greet`. */
  readonly subscriptions?: readonly string[];
  /** What a connection begins with. It is sent whole before anything else; also when `received` or `changed` ask for it. */
  greet(): Iterable<OutMessage>;
  /** The inventory is another one, rules went: `greet` follows. */
  changed?(goneRules: readonly string[]): void;
  /** A message of a subscription. @param retained the broker kept it from an earlier time @returns `greet` to have the connection greeted again */
  received?(topic: string, payload: Uint8Array, retained: boolean): 'greet' | undefined;
  /** What a clean end leaves with the broker, which then drops the will. */
  farewell(): Iterable<OutMessage>;
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
}

/** The speaker of a forwarder without a cursor: latest values, and the newest transition of each rule. Nothing is repeated. */
export interface LiveSpeaker extends Speaker {
  value(value: LatestValue): Iterable<OutMessage>;
  alarm(alarm: NoticeMessage): Iterable<OutMessage>;
}

interface DialectBase {
  /** The word under `format`. */
  readonly name: string;
  /** A sentence for the reference page. */
  readonly doc: string;
  /** Where it writes on a broker. Two forwarders to one broker and root are refused. */
  readonly root: string;
  /** What a person writes under a key of the dialect's name, beside `format`. Absent: nothing. */
  readonly options?: z.ZodType;
}

/** `log`: every record, once in effect. */
export interface LogDialect extends DialectBase {
  readonly kind: 'log';
  /** How batches are encoded: one of the table in codecs/formats.ts, since the keeper thread looks there. */
  readonly format: PayloadFormat;
  create(context: DialectContext): LogSpeaker;
}

/** `live`: no cursor. */
export interface LiveDialect extends DialectBase {
  readonly kind: 'live';
  create(context: DialectContext): LiveSpeaker;
}

export type Dialect = LogDialect | LiveDialect;
