/**
 * One column: the values of one point, one after the other, in the form that deflate makes the smallest. Lossless:
 * doubles bit for bit, 64-bit integers, texts, booleans. A mode byte tells the form.
 */
import type { PointInfo, Value } from '../core/point.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';
import { float32Bits, float32FromBits, shortestFloat32 } from './float32.ts';

/** decimal0..decimal6 are modes 0..6: value × 10^mode is a whole number. */
const MODE = { float32: 16, float64: 17, boolean: 18, integer64: 19, string: 20 } as const;
export const POWERS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6];
const MAX_DECIMAL = 2 ** 51;

export function encodeColumn(out: ByteWriter, point: PointInfo, column: readonly Value[]): void {
  if (point.storage === 'boolean') {
    out.byte(MODE.boolean);
    for (const v of column) out.byte(v ? 1 : 0);
  } else if (point.storage === 'string') {
    out.byte(MODE.string);
    for (const v of column) {
      const text = Buffer.from(v as string);
      out.unsigned(text.length);
      out.raw(text);
    }
  } else if (point.storage === 'integer64') {
    out.byte(MODE.integer64);
    const words = new BigInt64Array(column.length);
    let last = 0n;
    column.forEach((v, i) => {
      words[i] = BigInt.asIntN(64, (v as bigint) - last);
      last = v as bigint;
    });
    planes(out, new Uint8Array(words.buffer), 8);
  } else encodeNumbers(out, column as readonly number[]);
}

export function encodeNumbers(out: ByteWriter, column: readonly number[]): void {
  const digits = decimalsOf(column);
  if (digits !== undefined) {
    const p = POWERS[digits] as number;
    out.byte(digits);
    let last = 0;
    for (const v of column) {
      const x = Math.round(v * p);
      out.signed(x - last);
      last = x;
    }
    return;
  }
  if (column.every((v) => shortestFloat32(Math.fround(v)) === v)) {
    out.byte(MODE.float32);
    const words = new Uint32Array(column.length);
    let last = 0;
    column.forEach((v, i) => {
      const bits = float32Bits(v);
      words[i] = bits ^ last;
      last = bits;
    });
    planes(out, new Uint8Array(words.buffer), 4);
    return;
  }
  out.byte(MODE.float64);
  const doubles = new Float64Array(column);
  const words = new Uint32Array(doubles.buffer);
  for (let i = words.length - 1; i >= 2; i--) words[i] = (words[i] as number) ^ (words[i - 2] as number);
  planes(out, new Uint8Array(words.buffer), 8);
}

/** The fewest decimals with which every value of the column comes back bit for bit; undefined when there are none. */
export function decimalsOf(column: readonly number[]): number | undefined {
  let digits = 0;
  for (const v of column) {
    // A whole number has no sign of its own at zero.
    if (Object.is(v, -0)) return undefined;
    for (;;) {
      const p = POWERS[digits] as number;
      const x = Math.round(v * p);
      if (Math.abs(x) <= MAX_DECIMAL && Object.is(x / p, v)) break;
      if (++digits >= POWERS.length) return undefined;
    }
  }
  // A step up for a later value must still hold for the earlier ones.
  const p = POWERS[digits] as number;
  return column.every((v) => Math.abs(v * p) <= MAX_DECIMAL && Object.is(Math.round(v * p) / p, v)) ? digits : undefined;
}

/** Bytes of equal weight side by side: that is what deflate can use. */
function planes(out: ByteWriter, bytes: Uint8Array, width: number): void {
  const n = bytes.length / width;
  for (let b = 0; b < width; b++) for (let i = 0; i < n; i++) out.byte(bytes[i * width + b] as number);
}
function unplanes(input: ByteReader, n: number, width: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(n * width);
  for (let b = 0; b < width; b++) {
    const plane = input.raw(n);
    for (let i = 0; i < n; i++) out[i * width + b] = plane[i] as number;
  }
  return out;
}

export function decodeColumn(input: ByteReader, point: PointInfo, n: number): Value[] {
  const mode = input.byte();
  const out = new Array<Value>(n);
  switch (mode) {
    case MODE.boolean:
      for (let i = 0; i < n; i++) out[i] = input.byte() !== 0;
      return out;
    case MODE.string:
      for (let i = 0; i < n; i++) out[i] = Buffer.from(input.raw(input.unsigned())).toString();
      return out;
    case MODE.integer64: {
      const words = new BigInt64Array(unplanes(input, n, 8).buffer);
      const wrap = point.type === 'uint64' ? BigInt.asUintN : BigInt.asIntN;
      let last = 0n;
      for (let i = 0; i < n; i++) {
        last = wrap(64, last + (words[i] as bigint));
        out[i] = last;
      }
      return out;
    }
    default:
      return numbersOf(input, mode, n);
  }
}

export function decodeNumbers(input: ByteReader, n: number): number[] {
  return numbersOf(input, input.byte(), n);
}

function numbersOf(input: ByteReader, mode: number, n: number): number[] {
  const out = new Array<number>(n);
  switch (mode) {
    case MODE.float32: {
      const words = new Uint32Array(unplanes(input, n, 4).buffer);
      let last = 0;
      for (let i = 0; i < n; i++) {
        last = ((words[i] as number) ^ last) >>> 0;
        out[i] = shortestFloat32(float32FromBits(last));
      }
      return out;
    }
    case MODE.float64: {
      const bytes = unplanes(input, n, 8);
      const words = new Uint32Array(bytes.buffer);
      for (let i = 2; i < words.length; i++) words[i] = (words[i] as number) ^ (words[i - 2] as number);
      return [...new Float64Array(bytes.buffer)];
    }
    default: {
      const p = POWERS[mode];
      if (p === undefined) throw new Error(`column mode ${mode} is not known`);
      for (let i = 0, x = 0; i < n; i++) {
        x += input.signed();
        out[i] = x / p;
      }
      return out;
    }
  }
}
