/** Values that move as a real instrument's would, by unit: a pure function of seed, name and time. */
import type { Value } from '../../core/point.ts';
import { hash01 } from './hash.ts';

/** The part of a point's settings that says what it may look like. */
export interface PointLook {
  readonly type: string;
  readonly unit?: string | undefined;
  readonly scale?: number | undefined;
  readonly offset?: number | undefined;
  readonly range?: { readonly min?: number | undefined; readonly max?: number | undefined } | undefined;
  readonly enum?: Readonly<Record<string, string>> | undefined;
  readonly table?: unknown;
  readonly bit?: number | undefined;
  readonly bits?: { readonly count: number } | undefined;
}

/** Middle and half of the swing, in the unit (UCUM). */
const SWING: Readonly<Record<string, readonly [middle: number, swing: number]>> = {
  Cel: [5, 2.5],
  '[degF]': [41, 4],
  K: [278, 2.5],
  '%': [50, 10],
  V: [230, 4],
  mV: [3700, 150],
  kV: [11, 0.2],
  A: [4, 2],
  mA: [12, 4],
  W: [900, 350],
  kW: [0.9, 0.35],
  'V.A': [980, 350],
  Hz: [50, 0.05],
  bar: [3, 0.4],
  mbar: [1012, 6],
  hPa: [1012, 6],
  kPa: [101.2, 0.6],
  Pa: [101_200, 600],
  '[ppm]': [620, 150],
  ppm: [620, 150],
  'uS/cm': [650, 180],
  'mg/L': [330, 90],
  'ug/m3': [22, 12],
  m: [2.4, 0.5],
  cm: [240, 50],
  mm: [2400, 500],
  kg: [12.5, 0.4],
  'L/min': [32, 8],
  'm3/h': [4.2, 1.2],
  'm/s': [3.1, 1.6],
  '[kn_i]': [6, 2],
  lx: [420, 250],
  dB: [46, 8],
  '1': [0.95, 0.04],
};
/** Counted quantities: they only grow. Per second. */
const COUNTERS: Readonly<Record<string, readonly [start: number, rate: number]>> = {
  'W.h': [1_200_000, 0.25],
  'kW.h': [1234, 0.000_25],
  'kV.A.h': [210, 0.000_05],
  m3: [512, 0.0012],
  L: [51_200, 1.2],
};
const NAMED: readonly (readonly [RegExp, readonly [number, number]])[] = [
  [/^lat(itude)?$/, [23.8103, 0.000_1]],
  [/^(lon|lng|longitude)$/, [90.4125, 0.000_1]],
  [/satellites/, [9, 2]],
  [/(^|[-_])rpm|speed$/, [1450, 30]],
];
/** What turns at the frequency of its inverter, not of the mains. */
const DRIVES = /speed|drive|rpm/;
const COUNTER_NAME = /(^|[-_])(count(er)?|total|pulses|starts)([-_]|$)/;
/** Raw bounds of the types that have narrow ones. */
const RAW: Readonly<Record<string, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32_768, 32_767],
  uint16: [0, 65_535],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  int64: [-(2 ** 53), 2 ** 53],
  uint64: [0, 2 ** 53],
  bcd16: [0, 9999],
  bcd32: [0, 99_999_999],
  float16: [-65_504, 65_504],
};

/**
 * The value of a point at a time.
 * @param seconds since the simulation began
 * @param now wall time in milliseconds, for points of type datetime
 */
export function plausibleValue(look: PointLook, device: string, name: string, seed: number, seconds: number, now: number): Value {
  const own = hash01(seed, device, name);
  if (look.enum !== undefined) {
    const labels = Object.values(look.enum);
    return labels[Math.floor(seconds / 20 + own * labels.length) % labels.length] ?? '';
  }
  if (look.type === 'bool' || look.bit !== undefined || look.table === 'coil' || look.table === 'discrete')
    return Math.floor(seconds / (15 + 45 * own) + own * 2) % 2 === 1;
  if (look.type === 'string') return 'SIM';
  if (look.type === 'datetime') return new Date(Math.floor(now / 1000) * 1000).toISOString().replace('.000', '');
  const number = fit(look, wave(look, name, own, seconds));
  if ((look.type === 'int64' || look.type === 'uint64') && (look.scale ?? 1) === 1 && (look.offset ?? 0) === 0)
    return BigInt(Math.round(number));
  return number;
}

function wave(look: PointLook, name: string, own: number, seconds: number): number {
  const plain = look.unit?.replaceAll(/\{[^}]*\}/g, '') ?? '';
  const counter = COUNTERS[plain] ?? (COUNTER_NAME.test(name) ? ([1000, 0.5] as const) : undefined);
  if (counter !== undefined) return counter[0] * (0.5 + own) + counter[1] * seconds;
  const named = NAMED.find(([pattern]) => pattern.test(name))?.[1];
  const [middle, usual] =
    DRIVES.test(name) && plain === 'Hz'
      ? ([38, 9] as const)
      : ((look.unit === undefined ? named : (SWING[plain] ?? named)) ?? [50, 20]);
  const swing = Math.max(usual, visible(look, middle));
  // A slow wave that a person sees moving, and a small quick one, out of step with those of other points.
  const slow = Math.sin((seconds / (120 + 120 * own)) * 2 * Math.PI + own * 40);
  const quick = Math.sin((seconds / (7 + 6 * own)) * 2 * Math.PI + own * 90);
  return middle + swing * (0.85 * slow + 0.15 * quick);
}

/** A swing that whole steps show: 50 Hz in steps of 1 would never move by 0.05. Never a large one. */
function visible({ type, scale }: PointLook, middle: number): number {
  if (RAW[type] === undefined || type === 'float16') return 0;
  return Math.min(2 * Math.abs(scale ?? 1), 0.1 * Math.abs(middle));
}

function rawBounds({ type, bits }: PointLook): readonly [number, number] | undefined {
  if (bits === undefined) return RAW[type];
  return type.startsWith('u') ? [0, 2 ** bits.count - 1] : [-(2 ** (bits.count - 1)), 2 ** (bits.count - 1) - 1];
}

/** Inside the plausible range and inside what the type can hold, with as many digits as an instrument would show. */
function fit(look: PointLook, value: number): number {
  let low = look.range?.min ?? Number.NEGATIVE_INFINITY;
  let high = look.range?.max ?? Number.POSITIVE_INFINITY;
  const raw = rawBounds(look);
  if (raw !== undefined) {
    const ends = raw.map((end) => end * (look.scale ?? 1) + (look.offset ?? 0));
    low = Math.max(low, Math.min(...ends));
    high = Math.min(high, Math.max(...ends));
  }
  return Math.min(high, Math.max(low, Number(value.toFixed(look.unit?.startsWith('deg') ? 6 : 3))));
}
