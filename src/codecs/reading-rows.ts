/** Readings one by one, for tables: a row for each reading of a record. */
import { plainValue } from '../core/point.ts';
import { ABSENT, qualityOf, reasonCode, reasonName } from '../core/reasons.ts';
import type { Batch } from './format.ts';

const NOT_A_NUMBER = reasonCode('not-a-number');

export interface ReadingRow {
  readonly seq: number;
  readonly device: string;
  readonly point: string;
  /** UTC ms. */
  readonly time: number;
  /** null when the reading is bad; 64-bit integers as texts. */
  readonly value: string | number | boolean | null;
  readonly unit: string | undefined;
  readonly quality: 'good' | 'uncertain' | 'bad';
  /** undefined when it is good. */
  readonly reason: string | undefined;
}

export function* readingRows({ records, offset }: Batch): Generator<ReadingRow> {
  for (const { seq, sample } of records) {
    const { shape, values, reasons, at } = sample;
    for (let i = 0; i < shape.points.length; i++) {
      const point = shape.points[i];
      const value = values[i];
      if (point === undefined || value === undefined) continue;
      const given = reasons?.[i] ?? 0;
      if (given === ABSENT) continue;
      const reason = given === 0 && typeof value === 'number' && !Number.isFinite(value) ? NOT_A_NUMBER : given;
      const quality = qualityOf(reason);
      yield {
        ...{ seq, device: shape.device, point: point.name, time: at + offset, unit: point.unit, quality },
        value: quality === 'bad' ? null : plainValue(value, point.type),
        reason: reason === 0 ? undefined : reasonName(reason),
      };
    }
  }
}
