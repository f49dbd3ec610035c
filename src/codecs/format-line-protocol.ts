/**
 * Format `line-protocol`: a line for each record, as InfluxDB and Telegraf read it. Golden files:
 * test/cases/formats/line-protocol; the page is docs/reference/formats/line-protocol.md.
 *
 * - Measurement, tags and timestamp are the key of a record: a repeat has the same key and overwrites itself.
 * - A timestamp is the millisecond of the record, then six digits of its number: two records of one millisecond stay apart.
 * - The type of a field is that of its point, for ever.
 */
import { hasValue, type LogRecord, type PointInfo, type Shape, type Value } from '../core/point.ts';
import { ABSENT, GOOD, qualityOf, reasonCode, reasonName } from '../core/reasons.ts';
import type { Batch, FormatOptions, PayloadFormat } from './format.ts';

const NOT_A_NUMBER = reasonCode('not-a-number');
/** The last six digits of nanoseconds. */
const NUMBERS = 1_000_000;
/** A database keeps this word for its own column. */
const RESERVED = 'time';

/** Measurements and tags know no line break; a backslash before a separator would hide it. */
function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be in it
  return text.replace(/[\u0000-\u001f\u007f\\]/g, '_');
}
export function escapedMeasurement(text: string): string {
  return plain(text).replace(/[, ]/g, '\\$&');
}
/** Keys and values of tags, and keys of fields. */
export function escapedKey(text: string): string {
  return plain(text).replace(/[,= ]/g, '\\$&');
}
/** The text of a field. Line breaks and other control characters stand as JSON writes them. */
function quoted(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be in it
  const oneLine = text.replace(/[\u0000-\u001f\u007f]/g, (c) => JSON.stringify(c).slice(1, -1));
  return `"${oneLine.replace(/[\\"]/g, '\\$&')}"`;
}

interface Line {
  /** Measurement and tags. */
  readonly head: string;
  /** Key of each point, escaped. */
  readonly keys: readonly string[];
}

/** The lines of the shapes of one batch. */
class Lines {
  readonly #known = new Map<Shape, Line>();
  readonly #measurement: string;
  readonly #tags: readonly (readonly [string, string])[];

  constructor({ gateway, log }: Batch, { measurement, tags }: FormatOptions) {
    this.#measurement = escapedMeasurement(String(measurement ?? DEFAULT_MEASUREMENT));
    const own = typeof tags === 'string' ? (JSON.parse(tags) as Record<string, string>) : {};
    this.#tags = [...Object.entries(own), ['gateway', gateway], ['log', log]];
  }

  of(shape: Shape): Line {
    let line = this.#known.get(shape);
    if (line === undefined) {
      // Sorted, which spares the database the work.
      const tags = [...this.#tags, ['device', shape.device] as const].sort(([a], [b]) => (a < b ? -1 : 1));
      const head = [this.#measurement, ...tags.map(([key, value]) => `${escapedKey(key)}=${escapedKey(value)}`)].join(',');
      line = { head, keys: shape.points.map(({ name }) => escapedKey(name === RESERVED ? `${RESERVED}.value` : name)) };
      this.#known.set(shape, line);
    }
    return line;
  }
}

export const DEFAULT_MEASUREMENT = 'sluice';
/** Tags that every line has. */
export const OWN_TAGS = ['gateway', 'device', 'log'] as const;

/** UTC nanoseconds. @param time whole milliseconds */
function timestamp(time: number, seq: number): string {
  const digits = seq % NUMBERS;
  return time >= 1 ? `${time}${String(digits).padStart(6, '0')}` : `${BigInt(time) * BigInt(NUMBERS) + BigInt(digits)}`;
}

function fieldText(value: Value, { storage, type }: PointInfo): string {
  switch (storage) {
    case 'boolean':
      return value ? 'true' : 'false';
    case 'string':
      return quoted(String(value));
    case 'integer64':
      return `${value}${type === 'uint64' ? 'u' : 'i'}`;
    default:
      return Object.is(value, -0) ? '-0' : `${value}`;
  }
}

function encodeRecord({ seq, sample }: LogRecord, { head, keys }: Line, offset: number, estimated: boolean): string {
  const { shape, values, reasons, at } = sample;
  let fields = estimated ? `record.clock="estimated",record.seq=${seq}i` : `record.seq=${seq}i`;
  for (let i = 0; i < keys.length; i++) {
    let reason = reasons === null ? GOOD : (reasons[i] as number);
    if (reason === ABSENT) continue;
    const value = values[i] as Value;
    // The database refuses the line of a NaN, and with it the others of the batch.
    if (hasValue(reason) && typeof value === 'number' && !Number.isFinite(value)) reason = NOT_A_NUMBER;
    const quality = qualityOf(reason);
    if (quality !== 'bad') fields += `,${keys[i]}=${fieldText(value, shape.points[i] as PointInfo)}`;
    if (quality !== 'good') fields += `,${keys[i]}.${quality}=${quoted(reasonName(reason))}`;
  }
  return `${head} ${fields} ${timestamp(Math.round(at + offset), seq)}`;
}

/** The only message of a batch: lines, each with its end. */
export function lineProtocolBatch(batch: Batch, options: FormatOptions): string {
  const lines = new Lines(batch, options);
  let text = '';
  for (const record of batch.records)
    text += `${encodeRecord(record, lines.of(record.sample.shape), batch.offset, batch.estimated)}\n`;
  return text;
}

export const lineProtocol: PayloadFormat = {
  name: 'line-protocol',
  encode: (batch, options) => [{ to: '', payload: lineProtocolBatch(batch, options) }],
};
