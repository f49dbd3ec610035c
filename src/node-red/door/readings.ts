/** Readings as lines have them. */
import { type PointInfo, type PointType, plainValue, reasonAt, type Sample, type Value } from '../../core/point.ts';
import type { LatestValue } from '../../core/ports.ts';
import { qualityOf, reasonName } from '../../core/reasons.ts';

export interface LineReading {
  readonly point: string;
  readonly device: string;
  readonly value: number | boolean | string | null;
  readonly unit?: string | undefined;
  readonly quality: string;
  readonly reason?: string | undefined;
  /** UTC ms. */
  readonly time: number;
  readonly clock?: 'estimated' | undefined;
  readonly initial?: true | undefined;
}

/** @param offset UTC ms minus monotonic ms */
export function readingOf(sample: Sample, i: number, offset: number, known: boolean): LineReading {
  const { device, points } = sample.shape;
  const { name, type, unit } = points[i] as PointInfo;
  const reason = reasonAt(sample, i);
  const quality = qualityOf(reason);
  return {
    ...{ point: `${device}.${name}`, device },
    value: quality === 'bad' ? null : plainValue(sample.values[i] as Value, type),
    ...(unit === undefined ? {} : { unit }),
    quality,
    ...(reason === 0 ? {} : { reason: reasonName(reason) }),
    time: Math.round(sample.at) + offset,
    ...(known ? {} : { clock: 'estimated' as const }),
  };
}

export function latestReading({ device, point, type, time, value, unit, reason }: LatestValue, known: boolean): LineReading {
  return {
    ...{ point: `${device}.${point}`, device },
    value: value === null ? null : plainValue(value, type as PointType),
    ...(unit === undefined ? {} : { unit }),
    quality: qualityOf(reason),
    ...(reason === 0 ? {} : { reason: reasonName(reason) }),
    time,
    ...(known ? {} : { clock: 'estimated' as const }),
  };
}
