/**
 * Whole numbers one after the other (below 2^53) as their differences, in one of two ways. Plain: zigzag LEB128, in which
 * deflate finds what repeats. Noisy, where nothing repeats: length and sign of each as one symbol for deflate, the bits
 * below its highest one as they are, outside of deflate.
 */
import type { BitReader, BitWriter, ByteReader, ByteWriter } from './bytes.ts';

/** A difference of this size or more has bits that may be noise. */
const LARGE = 64;

/** Numbers that are made when they are asked for: a long column is never held twice. */
export interface Integers {
  readonly length: number;
  at(i: number): number;
}

/** @param start the first of them; its difference is taken from the number before it, else from 0 */
export function isNoisy(numbers: Integers, start: number): boolean {
  if (!anyLarge(numbers, start)) return false;
  const enough = Math.floor((numbers.length - start) / 3);
  distinct.clear(enough + 1);
  let last = before(numbers, start);
  for (let i = start; i < numbers.length; i++) {
    const x = numbers.at(i);
    distinct.add(x - last);
    if (distinct.size > enough) return true;
    last = x;
  }
  return false;
}
function anyLarge(numbers: Integers, start: number): boolean {
  let last = before(numbers, start);
  for (let i = start; i < numbers.length; i++) {
    const x = numbers.at(i);
    if (Math.abs(x - last) >= LARGE) return true;
    last = x;
  }
  return false;
}

/** Counts different numbers. A `Set` for each column of a unit would be 100 MB of garbage; this one's memory is used again. */
class Distinct {
  #keys = new Float64Array(0);
  /** Which of the keys belong to the column of now. */
  #rounds = new Uint32Array(0);
  #round = 0;
  size = 0;

  /** @param most numbers that are added at most */
  clear(most: number): void {
    this.size = 0;
    if (2 * most > this.#keys.length) {
      // A power of two, less than half full.
      const slots = 2 ** Math.ceil(Math.log2(2 * most + 1));
      this.#keys = new Float64Array(slots);
      this.#rounds = new Uint32Array(slots);
      this.#round = 0;
    }
    if (++this.#round < 2 ** 32) return;
    this.#rounds.fill(0);
    this.#round = 1;
  }
  add(v: number): void {
    const mask = this.#keys.length - 1;
    const mixed = Math.imul((v | 0) ^ Math.floor(v / 2 ** 32), 0x9e3779b1);
    let slot = (mixed ^ (mixed >>> 15)) & mask;
    for (; this.#rounds[slot] === this.#round; slot = (slot + 1) & mask) if (this.#keys[slot] === v) return;
    this.#keys[slot] = v;
    this.#rounds[slot] = this.#round;
    this.size++;
  }
}
const distinct = new Distinct();

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

/** Reads what `writeIntegers` wrote. @param numbers filled from `start` to `end` */
export function readIntegers(
  input: ByteReader,
  bits: BitReader,
  numbers: Float64Array,
  start: number,
  end: number,
  noisy: boolean,
): void {
  let x = start === 0 ? 0 : (numbers[start - 1] as number);
  for (let i = start; i < end; i++) {
    if (!noisy) x += input.signed();
    else {
      const symbol = input.byte();
      const length = symbol >> 1;
      const size = length < 2 ? length : 2 ** (length - 1) + bits.read(length - 1);
      x += (symbol & 1) === 0 ? size : -size;
    }
    numbers[i] = x;
  }
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
