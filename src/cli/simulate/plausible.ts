/** Values that move as a real instrument's would: a pure function of seed, name and time. */
import type { Value } from '../../core/point.ts';
import { hash01 } from './hash.ts';
import { countOf, waveOf, within } from './quantities.ts';

export interface Bounds {
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

/** The part of a point's settings that says what it may look like. */
export interface PointLook {
  readonly type: string;
  readonly unit?: string | undefined;
  readonly scale?: number | undefined;
  readonly offset?: number | undefined;
  readonly range?: Bounds | undefined;
  readonly write?: Bounds | undefined;
  readonly counter?: { readonly modulus: number | string } | undefined;
  readonly enum?: Readonly<Record<string, string>> | undefined;
  readonly table?: unknown;
  readonly bit?: number | undefined;
  readonly bits?: { readonly count: number } | undefined;
}

/** The phases of one instrument move together: `power-l1`, `voltage-l1-l2`. */
const PHASE = /(^|[-_])l[123](?![a-z0-9])/g;
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
 * The value of a point at a time, as where nothing is wrong. A point that can be written rests until somebody writes it.
 * @param seconds since the simulation began
 * @param now wall time in milliseconds, for points of type datetime
 */
export function plausibleValue(look: PointLook, device: string, name: string, seed: number, seconds: number, now: number): Value {
  const own = hash01(seed, device, name.replaceAll(PHASE, ''));
  const rests = look.write !== undefined;
  if (look.enum !== undefined) {
    const labels = Object.values(look.enum);
    return labels[rests ? 0 : Math.floor(seconds / 20 + own * labels.length) % labels.length] ?? '';
  }
  if (look.type === 'bool' || look.bit !== undefined || look.table === 'coil' || look.table === 'discrete')
    return !rests && Math.floor(seconds / (15 + 45 * own) + own * 2) % 2 === 1;
  if (look.type === 'string') return 'SIM';
  if (look.type === 'datetime') return new Date(Math.floor(now / 1000) * 1000).toISOString().replace('.000', '');
  const number = numberOf(look, device, name, own, hash01(seed, device, name), seconds);
  if ((look.type === 'int64' || look.type === 'uint64') && (look.scale ?? 1) === 1 && (look.offset ?? 0) === 0)
    return BigInt(Math.round(number));
  return number;
}

/** @param own of the instrument @param ofPhase differs between its phases, 0..1 */
function numberOf(look: PointLook, device: string, name: string, own: number, ofPhase: number, seconds: number): number {
  const count = countOf(device, name, look.unit, look.counter !== undefined);
  if (count !== undefined) return fit(look, rollOver(look, count.start * (0.5 + own) + count.rate * seconds));
  const wanted = bounds(look.range, look.write);
  const { middle, swing: usual } = within(waveOf(device, name, look.unit), wanted.low, wanted.high);
  if (look.write !== undefined) return fit(look, middle);
  const swing = Math.max(usual, visible(look, middle));
  // A slow wave that a person sees moving, and a small quick one, out of step with those of other points.
  const slow = Math.sin((seconds / (120 + 120 * own)) * 2 * Math.PI + own * 40);
  const quick = Math.sin((seconds / (7 + 6 * own)) * 2 * Math.PI + own * 90);
  const apart = ofPhase === own ? 0 : 0.2 * (2 * ofPhase - 1);
  return fit(look, middle + swing * (0.85 * slow + 0.15 * quick + apart));
}

/** A swing that whole steps show: 50 Hz in steps of 1 would never move by 0.05. Never a large one. */
function visible({ type, scale }: PointLook, middle: number): number {
  if (RAW[type] === undefined || type === 'float16') return 0;
  return Math.min(2 * Math.abs(scale ?? 1), 0.1 * Math.abs(middle));
}

/** A counter that is full begins again at 0. It counts whole steps of its register. */
function rollOver({ counter, range, scale = 1, ...look }: PointLook, value: number): number {
  const raw = rawBounds(look);
  const step = raw === undefined ? undefined : Math.abs(scale);
  const highest = (range?.max ?? Number.POSITIVE_INFINITY) / (step ?? 1);
  const modulus = Math.min(Number(counter?.modulus ?? (raw?.[1] ?? Number.POSITIVE_INFINITY) + 1), highest);
  const steps = step === undefined ? value : Math.floor(value / step);
  return (modulus > 0 ? steps % modulus : steps) * (step ?? 1);
}

/** The part that all of them have in common. */
function bounds(...all: readonly (Bounds | undefined)[]): { readonly low: number; readonly high: number } {
  return {
    low: Math.max(...all.map((one) => one?.min ?? Number.NEGATIVE_INFINITY)),
    high: Math.min(...all.map((one) => one?.max ?? Number.POSITIVE_INFINITY)),
  };
}

function rawBounds({ type, bits }: PointLook): readonly [number, number] | undefined {
  if (bits === undefined) return RAW[type];
  return type.startsWith('u') ? [0, 2 ** bits.count - 1] : [-(2 ** (bits.count - 1)), 2 ** (bits.count - 1) - 1];
}

/** Inside the plausible range and inside what the type can hold, with as many digits as an instrument would show. */
function fit(look: PointLook, value: number): number {
  let { low, high } = bounds(look.range, look.write);
  const raw = rawBounds(look);
  if (raw !== undefined) {
    const ends = raw.map((end) => end * (look.scale ?? 1) + (look.offset ?? 0));
    low = Math.max(low, Math.min(...ends));
    high = Math.min(high, Math.max(...ends));
  }
  return Math.min(high, Math.max(low, Number(value.toFixed(look.unit?.startsWith('deg') ? 6 : 3))));
}
