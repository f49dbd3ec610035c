import type { DataSet } from '../data/data-set.ts';
import { decimal } from '../data/decimal.ts';
import { float32 } from '../data/float32.ts';

/** `words`: 16-bit walks alone, as many as registers: what a request of 125 registers can carry at most. */
function words(size: number): DataSet {
  const all = decimal(Math.ceil(size / 0.7));
  return { ...all, name: 'words', points: all.points.slice(0, size), registers: size };
}

export function dataSetNamed(name: string, points: number): DataSet {
  switch (name) {
    case 'decimal':
      return decimal(points);
    case 'float32':
      return float32(points);
    case 'words':
      return words(points);
    default:
      throw new Error(`there is no data set ${name}: decimal, float32, words`);
  }
}
