/** Format `json` of the contract ("Batch, format `json`"). Golden files: test/cases/formats/json. */
import { hasValue, type LogRecord, type PointInfo, plainValue, type Shape, type Value } from '../core/point.ts';
import { ABSENT, GOOD, qualityOf, reasonCode, reasonName } from '../core/reasons.ts';
import { type Batch, type PayloadFormat, rangeOf } from './format.ts';

const NOT_A_NUMBER = reasonCode('not-a-number');

interface Keys {
  readonly device: string;
  /** `"name":` of each point, ready to be pasted. */
  readonly points: readonly string[];
  /** Points whose number is always written as a text (int64, uint64). */
  readonly quoted: readonly boolean[];
  /** Nothing but plain numbers and booleans: the short way. */
  readonly plain: boolean;
}
const cache = new WeakMap<Shape, Keys>();

function keysOf(shape: Shape): Keys {
  let keys = cache.get(shape);
  if (keys === undefined) {
    const quoted = shape.points.map((p) => p.type === 'int64' || p.type === 'uint64');
    keys = {
      device: JSON.stringify(shape.device),
      points: shape.points.map((p) => `${JSON.stringify(p.name)}:`),
      quoted,
      plain: shape.points.every((p, i) => p.storage === 'boolean' || (p.storage === 'number' && !quoted[i])),
    };
    cache.set(shape, keys);
  }
  return keys;
}

/** A value as JSON text. */
export function valueText(value: Value, type: PointInfo['type']): string {
  const plain = plainValue(value, type);
  return typeof plain === 'string' ? JSON.stringify(plain) : `${plain}`;
}

function encodeRecord(record: LogRecord, offset: number): string {
  const { shape, values, reasons, at } = record.sample;
  const keys = keysOf(shape);
  let text = `{"seq":${record.seq},"device":${keys.device},"time":${at + offset},"values":{`;
  const n = values.length;
  if (keys.plain && reasons === null) {
    const head = text;
    let i = 0;
    for (; i < n && (typeof values[i] === 'boolean' || Number.isFinite(values[i])); i++)
      text += (i === 0 ? '' : ',') + keys.points[i] + values[i];
    if (i === n) return `${text}}}`;
    text = head;
  }
  let comma = '';
  let bad = '';
  let uncertain = '';
  for (let i = 0; i < n; i++) {
    let reason = reasons === null ? GOOD : (reasons[i] as number);
    if (reason === ABSENT) continue;
    // JSON has no NaN: one that a decoder let through must not spoil the whole batch, for ever.
    if (hasValue(reason) && typeof values[i] === 'number' && !Number.isFinite(values[i])) reason = NOT_A_NUMBER;
    const quality = qualityOf(reason);
    if (quality === 'bad') {
      bad += `${bad === '' ? '' : ','}${keys.points[i]}"${reasonName(reason)}"`;
      continue;
    }
    text += comma + keys.points[i] + valueText(values[i] as Value, (shape.points[i] as PointInfo).type);
    comma = ',';
    if (quality === 'uncertain') uncertain += `${uncertain === '' ? '' : ','}${keys.points[i]}"${reasonName(reason)}"`;
  }
  text += '}';
  if (bad !== '') text += `,"bad":{${bad}}`;
  if (uncertain !== '') text += `,"uncertain":{${uncertain}}`;
  return `${text}}`;
}

/** The only message of a batch. */
export function jsonBatch(batch: Batch): string {
  const { records, filtered, thinning } = batch;
  const { first, last } = rangeOf(batch);
  let text = `{"v":1,"gateway":${JSON.stringify(batch.gateway)},"log":"${batch.log}","boot":"${batch.boot}","inventory":${batch.inventory},"first":${first},"last":${last},"sent":${batch.sent},`;
  if (batch.estimated) text += '"clock":"estimated",';
  if (filtered === true) text += '"filtered":true,';
  if (thinning !== undefined) text += `"every":${thinning.every},"as":"${thinning.as}",`;
  text += '"records":[';
  for (let i = 0; i < records.length; i++) text += (i === 0 ? '' : ',') + encodeRecord(records[i] as LogRecord, batch.offset);
  return `${text}]}`;
}

export const json: PayloadFormat = { name: 'json', encode: (batch) => [{ to: '', payload: jsonBatch(batch) }] };

/** The same, for platforms where a message has a mark of its own: `to` is `<log>.<lane>.<first>-<last>`. */
export const markedJson: PayloadFormat = {
  name: 'marked-json',
  encode: (batch) => {
    const { first, last } = rangeOf(batch);
    return [{ to: `${batch.log}.${batch.lane}.${first}-${last}`, payload: jsonBatch(batch) }];
  },
};
