/**
 * `float32`: raw meters. Each point is a float32 that drifts slowly and is noisy in its last bits, as an energy meter's
 * voltages and powers are: the worst case for every compression.
 */

import { seeded } from '../../src/core/seeded.ts';
import type { DataPoint, DataSet } from './data-set.ts';
import { noise } from './random.ts';

export function float32(size = 100): DataSet {
  const points: DataPoint[] = [];
  for (let i = 0; i < size; i++) points.push({ name: `v${i}`, address: 2 * i, type: 'float32', unit: 'V' });
  return {
    name: 'float32',
    points,
    registers: size * 2,
    device(seed) {
      const random = seeded(seed);
      const registers = Buffer.alloc(size * 4);
      const mean = Array.from({ length: size }, () => 20 + random() * 380);
      const step = (): void => {
        for (let i = 0; i < size; i++) {
          mean[i] = (mean[i] as number) + noise(random) * 0.01;
          registers.writeFloatBE((mean[i] as number) + noise(random) * 0.3, i * 4);
        }
      };
      step();
      return { registers, step };
    },
  };
}
