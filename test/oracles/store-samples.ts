/** What the model of the store appends: shapes, samples of every kind of value, and their content as the contract writes it. */
import type { LogRecord, Sample, Shape } from '../../src/core/point.ts';
import { ABSENT, reasonCode } from '../../src/core/reasons.ts';
import { seeded } from '../../src/core/seeded.ts';

export interface Random {
  (below: number): number;
  pick<T>(of: readonly T[]): T;
}
/** A small generator with a seed: the operations are the same for the same seed, the threads are not. */
export function random(seed: number): Random {
  const of01 = seeded(seed);
  const next = (below: number): number => Math.floor(of01() * below);
  return Object.assign(next, { pick: <T>(of: readonly T[]): T => of[next(of.length)] as T });
}

/** New objects for the same content: what a reload makes. */
export function makeShapes(): Shape[] {
  return [
    {
      device: 'pump',
      points: [
        { name: 'pressure', type: 'float32', storage: 'number', unit: 'bar' },
        { name: 'flow', type: 'float64', storage: 'number' },
        { name: 'speed', type: 'uint16', storage: 'number', unit: 'Hz' },
      ],
    },
    {
      device: 'meter',
      points: [
        { name: 'on', type: 'bool', storage: 'boolean' },
        { name: 'energy', type: 'uint64', storage: 'integer64', unit: 'kW.h' },
        { name: 'net', type: 'int64', storage: 'integer64' },
        { name: 'serial', type: 'string', storage: 'string' },
      ],
    },
    { device: 'dust', points: [{ name: 'pm', type: 'float64', storage: 'number' }] },
  ];
}
const FLOATS = [0, 4.2, -1e-7, 1e300, 5e-324, 23.399999618530273, 0.1 + 0.2, 2 ** 53, -12.5, 1e21];
const TEXTS = ['', 'ok', 'é\n"\\', '\u{feff}mark', '😀', '\ud800 half', 'x'.repeat(50)];
const REASONS = [reasonCode('timeout'), reasonCode('crc'), reasonCode('out-of-range'), ABSENT, 0];

export function makeSample(rnd: Random, shapes: readonly Shape[], at: number): Sample {
  const shape = rnd.pick(shapes);
  const reasons = rnd(3) === 0 ? Uint8Array.from(shape.points, () => rnd.pick(REASONS)) : null;
  const values = shape.points.map((p, i) => {
    const reason = reasons?.[i] ?? 0;
    if (reason !== 0 && reason < 128) return 0;
    if (reason === ABSENT) return 0;
    if (p.storage === 'boolean') return rnd(2) === 0;
    if (p.storage === 'string') return rnd.pick(TEXTS);
    if (p.storage === 'integer64')
      return p.type === 'uint64'
        ? rnd.pick([0n, 2n ** 64n - 1n, BigInt(rnd(1000))])
        : rnd.pick([-(2n ** 63n), 2n ** 63n - 1n, -1n]);
    return rnd(2) === 0 ? rnd.pick(FLOATS) : rnd(100_000) / 100;
  });
  return { shape, at, values, reasons };
}

/** Written from the contract, not from the format. */
export function contentOf(record: LogRecord): unknown {
  const values: Record<string, unknown> = {};
  const bad: Record<string, string> = {};
  const uncertain: Record<string, string> = {};
  record.sample.shape.points.forEach((p, i) => {
    const reason = record.sample.reasons?.[i] ?? 0;
    if (reason === reasonCode('timeout')) bad[p.name] = 'timeout';
    else if (reason === reasonCode('crc')) bad[p.name] = 'crc';
    else if (reason !== ABSENT) {
      const value = record.sample.values[i];
      values[p.name] = typeof value === 'bigint' ? value.toString() : value;
      if (reason === reasonCode('out-of-range')) uncertain[p.name] = 'out-of-range';
    }
  });
  return { values, bad, uncertain };
}
