/** How a serial talker is described: framing, decoding, points. drivers/serial/schema.ts is where people's YAML becomes these. */
import type { Report } from '../../core/point.ts';
import type { CounterSettings } from '../totals.ts';
import type { ChecksumKind } from './checksum.ts';

/** No frame is longer than this, whatever the configuration says, so no stream can make a framer's memory grow. */
export const MAX_FRAME = 4096;
/** Text that regular expressions see is cut off at this length (characters); longer lines are not understood. */
export const MAX_REGEX_LINE = 1024;

/** Lines of text. The frame is what stands between two terminators. */
export interface LineFrame {
  readonly type: 'line';
  /** Default: newline, with an optional carriage return before it. */
  readonly terminator?: string | undefined;
  /** A frame begins at the last occurrence of this text in the line, for example `$` of NMEA. */
  readonly start?: string | undefined;
  /** Bytes, without the terminator; 1..MAX_FRAME. Longer lines are skipped up to the next terminator. */
  readonly maxLength: number;
}

/** Blocks of one length, told apart by a pause on the line, or by a pattern that each starts with. One of the two is needed. */
export interface FixedFrame {
  readonly type: 'length';
  /** Bytes, 1..MAX_FRAME. */
  readonly length: number;
  /** Hexadecimal bytes. */
  readonly start?: string | undefined;
  /** Milliseconds of silence that end a block. */
  readonly gap?: number | undefined;
}

export interface LengthField {
  /** Where the field begins in the frame, from 0. */
  readonly offset: number;
  readonly type: 'uint8' | 'uint16';
  readonly endian: 'big' | 'little';
  /** Whole frame = value of the field + this. */
  readonly add: number;
}

export interface ChecksumRange {
  readonly type: ChecksumKind;
  /** First and last byte that it covers; negative counts from the end of the frame (-1 is the last byte). */
  readonly from: number;
  /** Default: the byte before the checksum. */
  readonly to?: number | undefined;
  /** Where it stands. Default: just before the stop bytes. */
  readonly at?: number | undefined;
}

/** Binary frames between start and stop bytes. */
export interface BytesFrame {
  readonly type: 'bytes';
  readonly start: string;
  readonly stop?: string | undefined;
  /** The length of the whole frame, start and stop included. */
  readonly length: number | LengthField;
  readonly maxLength: number;
  readonly checksum?: ChecksumRange | undefined;
  /** A half frame followed by so many milliseconds of silence is given up. */
  readonly gap: number;
}

export type FrameConfig = LineFrame | FixedFrame | BytesFrame;

export interface RegexDecode {
  readonly type: 'regex';
  readonly pattern: string;
  /** The line that `sluice simulate` sends, with `{name}` for each group: `W={weight} kg`. */
  readonly template?: string | undefined;
}
export interface CsvDecode {
  readonly type: 'csv';
  readonly separator: string;
  /** Names of the columns, where the device does not send them. */
  readonly columns?: readonly string[] | undefined;
  /** The device sends a line of column names now and then (at its start); records before the first are not understood. */
  readonly header: boolean;
}
export interface JsonDecode {
  readonly type: 'json';
}
/** The frame is the value: `21.5`, `ON`. */
export interface TextDecode {
  readonly type: 'text';
}
export interface KeyValueDecode {
  readonly type: 'key-value';
  /** Between pairs. Default: any of white space, comma and semicolon. */
  readonly separator?: string | undefined;
  /** Between key and value. */
  readonly assign: string;
}
export interface NmeaDecode {
  readonly type: 'nmea';
}
export const FIELD_TYPES = [
  'bool',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'uint32',
  'int32',
  'uint64',
  'int64',
  'float32',
  'float64',
  'string',
] as const;
export interface BinaryField {
  /** In the frame, start bytes included, from 0. */
  readonly offset: number;
  readonly type: (typeof FIELD_TYPES)[number];
  readonly endian?: 'big' | 'little' | undefined;
  /** For a `bool`: which bit of the byte, 0 is the least significant. */
  readonly bit?: number | undefined;
  /** The length of a `string`, in bytes. */
  readonly length?: number | undefined;
}
export interface BinaryDecode {
  readonly type: 'binary';
  readonly endian: 'big' | 'little';
  readonly fields: Readonly<Record<string, BinaryField>>;
  /** While these bytes stand at this place the device has nothing to say yet: no field of the frame counts. */
  readonly notReady?: { readonly offset: number; readonly bytes: string } | undefined;
}
export type DecodeConfig = RegexDecode | CsvDecode | JsonDecode | TextDecode | KeyValueDecode | NmeaDecode | BinaryDecode;

export interface PointConfig {
  /** Which field of the frame; default: the point's name. */
  readonly from?: string | number | undefined;
  readonly type: 'float64' | 'int64' | 'bool' | 'string';
  readonly scale?: number | undefined;
  readonly offset?: number | undefined;
  readonly unit?: string | undefined;
  readonly range?: { readonly min?: number | undefined; readonly max?: number | undefined } | undefined;
  /** Labels of what the device says; the value is the label. */
  readonly enum?: Readonly<Record<string, string>> | undefined;
  /** What the device says where it has no value. */
  readonly invalid?: readonly (string | number)[] | undefined;
  readonly writable?: boolean | undefined;
  /** A counter that starts again at 0; its cumulative value is another point of the device. */
  readonly counter?: CounterSettings | undefined;
  readonly report?: Report | undefined;
}

export interface TalkerConfig {
  readonly device: string;
  readonly frame: FrameConfig;
  readonly decode: DecodeConfig;
  readonly points: ReadonlyMap<string, PointConfig>;
}

/** One frame, with the monotonic time at which its last byte arrived. */
export interface Frame {
  readonly bytes: Uint8Array;
  /** Without start, length, checksum and stop: what decoders of text see. */
  readonly payload: Uint8Array;
  readonly at: number;
}

/** Turns a stream into frames. Half frames wait for the rest; what belongs to no frame is skipped and counted. */
export interface Framer {
  /** @param at monotonic milliseconds at which the chunk arrived; must not decrease. */
  push(chunk: Uint8Array, at: number): Frame[];
  /** The stream was interrupted (the port opened again at `at`): a half frame is skipped. */
  reset(at: number): void;
  /**
   * The device was asked: a half frame from before is skipped, and what comes next is the beginning of a frame. Bytes that follow a half
   * line or block without a pause are the rest of that. @param at as `push`
   */
  restart(at: number): void;
  /**
   * Milliseconds after which a half line or block gets no more bytes; 0: it got none for so long. undefined: there is none.
   * @param at as `push`
   */
  quietIn(at: number): number | undefined;
  /** The bytes that belonged to no frame. */
  readonly skipped: { readonly bytes: number; readonly stretches: number; readonly halves: number };
  /** Candidates dropped because their checksum was wrong. */
  readonly crcErrors: number;
}

/** A field as a decoder found it; undefined: the frame has no such field; null: the device says it has no value now. */
export type Raw = number | bigint | boolean | string | null | undefined;
/** A field that is there but can be no value; the words of core/reasons.ts. */
export const UNPARSABLE = Symbol('unparsable');
export const INVALID = Symbol('invalid');
export const NOT_READY = Symbol('not-ready');
export type Field = Raw | typeof UNPARSABLE | typeof INVALID | typeof NOT_READY;

export type Decoded =
  /** `group` chooses the shape: the sentence of NMEA, else ''. */
  | { readonly kind: 'fields'; readonly group: string; get(from: string): Field }
  /** Understood, but it carries no readings: a header line, or a sentence that no point reads. */
  | { readonly kind: 'other' }
  | { readonly kind: 'refused'; readonly cause: 'crc' | 'bad-reply' };

/** Accepts all bytes and does not throw. */
export interface Decoder {
  decode(frame: Uint8Array): Decoded;
}
export const REFUSED: Decoded = { kind: 'refused', cause: 'bad-reply' };
