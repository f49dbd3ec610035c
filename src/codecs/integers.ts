/**
 * Whole numbers one after the other (below 2^53) as their differences, in one of two ways. Plain: zigzag LEB128, in which
 * deflate finds what repeats. Noisy, where nothing repeats: length and sign of each as one symbol for deflate, the bits
 * below its highest one as they are, outside of deflate.
 */
import type { BitReader, BitWriter, ByteReader, ByteWriter } from './bytes.ts';

/** From this size on a difference has bits that may be noise. */
const LARGE = 64;

/** Numbers that are made when they are asked for: a long column is never held twice. */
export interface Integers {
  readonly length: number;
  at(i: number): number;
}

/** @param start the first of them; its difference is taken from the number before it, else from 0 */
export function isNoisy(numbers: Integers, start: number): boolean {
  let last = before(numbers, start);
  let large = false;
  const enough = (numbers.length - start) / 3;
  const seen = new Set<number>();
  for (let i = start; i < numbers.length; i++) {
    const x = numbers.at(i);
    const d = x - last;
    last = x;
    if (Math.abs(d) >= LARGE) large = true;
    // Behind that many nothing new is learnt from them.
    if (seen.size <= enough) seen.add(d);
    if (large && seen.size > enough) return true;
  }
  return false;
}

/** @param start as for `isNoisy` */
export function writeIntegers(out: ByteWriter, bits: BitWriter, numbers: Integers, start: number, noisy: boolean): void {
  let last = before(numbers, start);
  for (let i = start; i < numbers.length; i++) {
    const x = numbers.at(i);
    const d = x - last;
    last = x;
    if (!noisy) {
      out.signed(d);
      continue;
    }
    const size = Math.abs(d);
    const length = bitLength(size);
    out.byte(2 * length + (d < 0 ? 1 : 0));
    if (length > 1) bits.write(size - 2 ** (length - 1), length - 1);
  }
}

function before(numbers: Integers, start: number): number {
  return start === 0 || start > numbers.length ? 0 : numbers.at(start - 1);
}

export function readIntegers(input: ByteReader, bits: BitReader, n: number, from: number, noisy: boolean): number[] {
  const numbers = new Array<number>(n);
  let x = from;
  for (let i = 0; i < n; i++) {
    if (!noisy) x += input.signed();
    else {
      const symbol = input.byte();
      const length = symbol >> 1;
      const size = length < 2 ? length : 2 ** (length - 1) + bits.read(length - 1);
      x += (symbol & 1) === 0 ? size : -size;
    }
    numbers[i] = x;
  }
  return numbers;
}

/** Passes over what `readIntegers` would read. */
export function skipIntegers(input: ByteReader, bits: BitReader, n: number, noisy: boolean): void {
  if (noisy) bits.skip(input.skipBytes(n, BITS_OF));
  else input.skipIntegers(n);
}

/** Bits that follow a symbol of the noisy way. */
const BITS_OF = Uint8Array.from({ length: 256 }, (_, symbol) => Math.max(0, (symbol >> 1) - 1));

function bitLength(size: number): number {
  return size < 2 ** 32 ? 32 - Math.clz32(size) : 64 - Math.clz32(Math.floor(size / 2 ** 32));
}
