/** Columns that have no smaller form: doubles and 64-bit integers of eight bytes each, as the changes from value to value. */
import type { ByteReader, ByteWriter } from './bytes.ts';

export const WIDTH = 8;

/** The changes from value to value, bytes of equal weight side by side. */
export function encodeDoubles(out: ByteWriter, column: ArrayLike<number>): void {
  const doubles = new Float64Array(column);
  const words = new Uint32Array(doubles.buffer);
  for (let i = words.length - 1; i >= 2; i--) words[i] = (words[i] as number) ^ (words[i - 2] as number);
  planes(out, new Uint8Array(words.buffer));
}
export function decodeDoubles(input: ByteReader, n: number): Float64Array {
  const bytes = unplanes(input, n);
  const words = new Uint32Array(bytes.buffer);
  for (let i = 2; i < words.length; i++) words[i] = (words[i] as number) ^ (words[i - 2] as number);
  return new Float64Array(bytes.buffer);
}

export function encodeBigints(out: ByteWriter, column: ArrayLike<bigint>): void {
  const words = new BigInt64Array(column.length);
  let last = 0n;
  for (let k = 0; k < column.length; k++) {
    const v = column[k] as bigint;
    words[k] = BigInt.asIntN(64, v - last);
    last = v;
  }
  planes(out, new Uint8Array(words.buffer));
}
export function decodeBigints(input: ByteReader, n: number, unsigned: boolean): bigint[] {
  const words = new BigInt64Array(unplanes(input, n).buffer);
  const wrap = unsigned ? BigInt.asUintN : BigInt.asIntN;
  let last = 0n;
  return Array.from(words, (word) => {
    last = wrap(64, last + word);
    return last;
  });
}

function planes(out: ByteWriter, bytes: Uint8Array): void {
  const n = bytes.length / WIDTH;
  for (let b = 0; b < WIDTH; b++) for (let i = 0; i < n; i++) out.byte(bytes[i * WIDTH + b] as number);
}
function unplanes(input: ByteReader, n: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(n * WIDTH);
  for (let b = 0; b < WIDTH; b++) {
    const plane = input.raw(n);
    for (let i = 0; i < n; i++) out[i * WIDTH + b] = plane[i] as number;
  }
  return out;
}
