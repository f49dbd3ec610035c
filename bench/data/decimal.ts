/**
 * `decimal`: what most field instruments send. It has 100 points: 70 are random walks at 0.01 resolution that stand still in
 * two polls of three, 10 are counters that grow by a few a second, 20 are booleans (bits of two registers) that flip
 * about once in 200 polls.
 */

import { seeded } from '../../src/core/seeded.ts';
import type { DataPoint, DataSet } from './data-set.ts';
import { noise } from './random.ts';

export function decimal(size = 100): DataSet {
  const walks = Math.round(size * 0.7);
  const counters = Math.round(size * 0.1);
  const booleans = size - walks - counters;
  const flags = walks + counters * 2;
  const points: DataPoint[] = [];
  for (let i = 0; i < walks; i++) points.push({ name: `t${i}`, address: i, type: 'int16', scale: 0.01, unit: 'Cel' });
  for (let i = 0; i < counters; i++) points.push({ name: `n${i}`, address: walks + 2 * i, type: 'uint32', unit: '1' });
  for (let i = 0; i < booleans; i++) points.push({ name: `b${i}`, address: flags + (i >> 4), type: 'uint16', bit: i & 15 });
  return {
    name: 'decimal',
    points,
    registers: flags + Math.ceil(booleans / 16),
    device(seed) {
      const random = seeded(seed);
      const registers = Buffer.alloc((flags + Math.ceil(booleans / 16)) * 2);
      const walk = Array.from({ length: walks }, () => 1500 + Math.floor(random() * 3000));
      const count = Array.from({ length: counters }, () => Math.floor(random() * 1e6));
      const bits = Array.from({ length: booleans }, () => random() < 0.5);
      const step = (): void => {
        for (let i = 0; i < walks; i++) {
          if (random() < 1 / 3) walk[i] = (walk[i] as number) + Math.round(noise(random) * 2);
          registers.writeInt16BE(walk[i] as number, i * 2);
        }
        for (let i = 0; i < counters; i++) {
          count[i] = (count[i] as number) + Math.floor(random() * 5);
          registers.writeUInt32BE(count[i] as number, (walks + 2 * i) * 2);
        }
        registers.fill(0, flags * 2);
        for (let i = 0; i < booleans; i++) {
          if (random() < 1 / 200) bits[i] = !bits[i];
          if (!bits[i]) continue;
          const at = (flags + (i >> 4)) * 2;
          registers.writeUInt16BE(registers.readUInt16BE(at) | (1 << (i & 15)), at);
        }
      };
      step();
      return { registers, step };
    },
  };
}
