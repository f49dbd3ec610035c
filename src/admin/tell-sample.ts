/** A sample as those see it who watch: one reading for each point. */
import { plainValue, reasonAt, type Sample, type Value } from '../core/point.ts';
import { ABSENT, qualityOf, reasonName } from '../core/reasons.ts';
import type { TailItem } from './target.ts';

export function tellSample(sample: Sample, offset: number, tell: (item: TailItem) => void): void {
  const time = Math.round(sample.at) + offset;
  sample.shape.points.forEach((point, i) => {
    const reason = reasonAt(sample, i);
    if (reason === ABSENT) return;
    const quality = qualityOf(reason);
    tell({
      type: 'reading',
      time,
      device: sample.shape.device,
      point: point.name,
      value: quality === 'bad' ? null : plainValue(sample.values[i] as Value, point.type),
      unit: point.unit,
      quality,
      ...(reason === 0 ? {} : { reason: reasonName(reason) }),
      ...(sample.unasked === true ? { asked: false } : {}),
    });
  });
}
