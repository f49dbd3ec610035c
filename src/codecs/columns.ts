/**
 * The values of a shape's points, a column each, in the form that gets smallest. Lossless: doubles bit for bit, 64-bit
 * integers, texts, booleans. First the forms of all columns, then booleans as bits, then the first numbers of all columns
 * (a commit of one second has no others), then what follows in each.
 */
import type { PointInfo, Value } from '../core/point.ts';
import { BitReader, BitWriter, type ByteReader, type ByteWriter } from './bytes.ts';
import { decodeBigints, decodeDoubles, encodeBigints, encodeDoubles, WIDTH } from './eight-bytes.ts';
import { float32Bits, float32FromBits, shortestFloat32 } from './float32.ts';
import { type Integers, isNoisy, readIntegers, skipIntegers, writeIntegers } from './integers.ts';

/** Forms 0..6: value × 10^form is a whole number. Where its rest is noisy (codecs/integers), NOISY is added. */
const FORM = { float32: 16, float64: 17, boolean: 18, integer64: 19, string: 20, empty: 21 } as const;
const NOISY = 64;
export const POWERS: readonly number[] = [1, 10, 100, 1e3, 1e4, 1e5, 1e6];
const MAX_DECIMAL = 2 ** 51;
/** The bits of a float32 that is infinite. */
const INFINITE = 0x7f800000;
/** A column of float32 with this many decimals or more is tried as such: its own steps are larger than the decimals. */
const TRY_FLOAT32 = 4;

/**
 * @param noise gets bits that deflate cannot make smaller
 * @param columns one a point, arrays or typed arrays; booleans may be 1 and 0
 */
export function encodeColumns(
  out: ByteWriter,
  noise: ByteWriter,
  points: readonly PointInfo[],
  columns: readonly ArrayLike<Value>[],
): void {
  const bits = new BitWriter(noise);
  const forms: number[] = [];
  columns.forEach((column, i) => {
    const point = points[i] as PointInfo;
    const alike = i > 0 && points[i - 1]?.type === point.type;
    forms.push(formOf(point.storage, column, alike ? (forms[i - 1] as number) : 0));
  });
  const numbers = columns.map((column, i) => new ColumnIntegers(forms[i] as number, column));
  const noisy = numbers.map((column) => isNoisy(column, 1));
  for (const [i, form] of forms.entries()) out.byte(form + (noisy[i] ? NOISY : 0));
  const flags = new BitWriter(out);
  for (const [i, form] of forms.entries()) {
    const column = columns[i] as ArrayLike<Value>;
    if (form === FORM.boolean) for (let k = 0; k < column.length; k++) flags.write(column[k] ? 1 : 0, 1);
  }
  flags.align();
  for (const kind of [isDecimal, isFloat32]) {
    const firsts = new Firsts(numbers.filter(({ form }) => kind(form)));
    const mixed = isNoisy(firsts, 0);
    out.byte(mixed ? 1 : 0);
    writeIntegers(out, bits, firsts, 0, mixed);
  }
  forms.forEach((form, i) => {
    const column = columns[i] as ArrayLike<Value>;
    if (isDecimal(form) || isFloat32(form)) writeIntegers(out, bits, numbers[i] as Integers, 1, noisy[i] as boolean);
    else if (form === FORM.float64) encodeDoubles(out, column as ArrayLike<number>);
    else if (form === FORM.integer64) encodeBigints(out, column as ArrayLike<bigint>);
    else if (form === FORM.string)
      for (let k = 0; k < column.length; k++) {
        const text = Buffer.from(column[k] as string);
        out.unsigned(text.length);
        out.raw(text);
      }
  });
  bits.align();
}

/** Where a column lies in the bytes. */
interface Place {
  /** With its mark. */
  readonly form: number;
  readonly count: number;
  /** The size of the numbers behind the first one, or of all other values; of a boolean in bits. */
  byte: number;
  bit: number;
  first: number;
}

/**
 * Columns as they lie in the bytes. All are passed over at once, which costs little; each is made when it is asked for.
 */
export class StoredColumns {
  readonly #input: ByteReader;
  readonly #bits: BitReader;
  /** Go to the column that is made. One each for all columns: a reader of its own for each is more garbage than the column. */
  readonly #cursor: ByteReader;
  readonly #flagCursor: BitReader;
  readonly #bitCursor: BitReader;
  readonly #points: readonly PointInfo[];
  readonly #places: readonly Place[];
  #made = 0;
  #texts = 0;

  /** Both readers stand behind the columns then. @param counts how many values each column has */
  constructor(input: ByteReader, noise: ByteReader, points: readonly PointInfo[], counts: readonly number[]) {
    this.#input = input;
    this.#bits = new BitReader(noise);
    this.#cursor = input.at(0);
    this.#flagCursor = new BitReader(input.at(0));
    this.#bitCursor = new BitReader(noise.at(0));
    this.#points = points;
    this.#places = counts.map((count) => ({ form: input.byte(), count, byte: 0, bit: 0, first: 0 }));
    this.#passFlags();
    for (const kind of [isDecimal, isFloat32]) this.#readFirsts(kind);
    for (const place of this.#places) this.#pass(place);
  }

  /** Columns that were made, for those who count. */
  get made(): number {
    return this.#made;
  }
  /** Bytes of all texts. */
  get texts(): number {
    return this.#texts;
  }

  #passFlags(): void {
    const start = 8 * this.#input.position;
    let bits = 0;
    for (const place of this.#places)
      if (place.form === FORM.boolean) {
        place.bit = start + bits;
        bits += place.count;
      }
    this.#input.skip(Math.ceil(bits / 8));
  }
  #readFirsts(kind: (form: number) => boolean): void {
    const mixed = this.#input.byte() === 1;
    const which = this.#places.filter(({ form }) => kind(form & ~NOISY));
    const firsts = new Float64Array(which.length);
    readIntegers(this.#input, this.#bits, firsts, 0, firsts.length, mixed);
    firsts.forEach((first, k) => {
      (which[k] as Place).first = first;
    });
  }
  #pass(place: Place): void {
    const { count } = place;
    const form = place.form & ~NOISY;
    if (form === FORM.empty && count > 0) throw new Error('a column has fewer values than records');
    if (form === FORM.boolean || form === FORM.empty) return;
    place.byte = this.#input.position;
    if (isDecimal(form) || isFloat32(form)) {
      place.bit = this.#bits.position;
      skipIntegers(this.#input, this.#bits, count - 1, form !== place.form);
    } else if (form === FORM.float64 || form === FORM.integer64) this.#input.skip(WIDTH * count);
    else if (form === FORM.string) {
      for (let k = 0; k < count; k++) this.#input.skip(this.#input.unsigned());
      this.#texts += this.#input.position - place.byte;
    } else throw new Error(`column form ${form} is not known`);
  }

  /** The values of one column; made anew whenever it is asked for. */
  column(i: number): Value[] {
    this.#made++;
    const place = this.#places[i] as Place;
    const { count } = place;
    const form = place.form & ~NOISY;
    if (isDecimal(form) || isFloat32(form)) {
      const numbers = this.#integers(place, scratchOf(count));
      toValues(form, numbers, count);
      const values = new Array<number>(count);
      for (let k = 0; k < count; k++) values[k] = numbers[k] as number;
      return values;
    }
    if (form === FORM.boolean) {
      const flags = this.#flagCursor.seek(place.bit);
      return Array.from({ length: count }, () => flags.read(1) === 1);
    }
    const input = this.#cursor.seek(place.byte);
    if (form === FORM.float64) return [...decodeDoubles(input, count)];
    if (form === FORM.integer64) return decodeBigints(input, count, (this.#points[i] as PointInfo).type === 'uint64');
    return Array.from({ length: form === FORM.string ? count : 0 }, () => Buffer.from(input.raw(input.unsigned())).toString());
  }

  /**
   * A column of numbers or booleans (1 and 0) as doubles, with no object for it.
   * @param to at least as many as the column has @returns how many those are
   */
  doubles(i: number, to: Float64Array): number {
    this.#made++;
    const place = this.#places[i] as Place;
    const { count } = place;
    const form = place.form & ~NOISY;
    if (isDecimal(form) || isFloat32(form)) toValues(form, this.#integers(place, to), count);
    else if (form === FORM.boolean) {
      const flags = this.#flagCursor.seek(place.bit);
      for (let k = 0; k < count; k++) to[k] = flags.read(1);
    } else if (form === FORM.float64) to.set(decodeDoubles(this.#cursor.seek(place.byte), count));
    else if (form === FORM.empty) return 0;
    else throw new Error(`column form ${form} is not one of numbers`);
    return count;
  }

  /** How many values of the numeric column `high` are larger than those of `low` beside them; none is smaller. */
  risen(low: number, high: number): number {
    const [a, b] = [this.#places[low] as Place, this.#places[high] as Place];
    const form = a.form & ~NOISY;
    const alike = form === (b.form & ~NOISY) && (isDecimal(form) || isFloat32(form));
    const integers = (place: Place) => this.#integers(place, new Float64Array(place.count));
    const lows = alike ? integers(a) : (this.column(low) as number[]);
    const highs = alike ? integers(b) : (this.column(high) as number[]);
    let n = 0;
    for (let k = 0; k < lows.length; k++) {
      const [x, y] = [lows[k] as number, highs[k] as number];
      // -0 stands before 0 among the float32, and is none the less.
      if (x < y && !(isFloat32(form) && alike && x === -1 && y === 0)) n++;
    }
    return n;
  }

  /** No number of the column is infinite or none (NaN). What is no number is finite. */
  finite(i: number): boolean {
    const place = this.#places[i] as Place;
    const form = place.form & ~NOISY;
    if (isFloat32(form)) {
      const orders = this.#integers(place, scratchOf(place.count));
      for (let k = 0; k < place.count; k++) if (!isFiniteOrder(orders[k] as number)) return false;
    } else if (form === FORM.float64) return decodeDoubles(this.#cursor.seek(place.byte), place.count).every(Number.isFinite);
    return true;
  }

  /** @param numbers at least as many as the column has; filled and given back */
  #integers({ form, count, byte, bit, first }: Place, numbers: Float64Array): Float64Array {
    numbers[0] = first;
    readIntegers(this.#cursor.seek(byte), this.#bitCursor.seek(bit), numbers, 1, count, form >= NOISY);
    return numbers;
  }
}

/** Numbers of a column on their way; larger ones get memory of their own. */
const scratch = new Float64Array(8192);
function scratchOf(count: number): Float64Array {
  return count <= scratch.length ? scratch : new Float64Array(count);
}

const isDecimal = (form: number): boolean => form < POWERS.length;
const isFloat32 = (form: number): boolean => form === FORM.float32;

/**
 * @param neighbour form of a point of the same type: 23.4 and 23.5 among values of two decimals are 23.40 and 23.50, and
 * forms that are alike cost nothing
 */
function formOf(storage: PointInfo['storage'], column: ArrayLike<Value>, neighbour: number): number {
  if (column.length === 0) return FORM.empty;
  if (storage === 'boolean') return FORM.boolean;
  if (storage === 'string') return FORM.string;
  if (storage === 'integer64') return FORM.integer64;
  const numbers = column as ArrayLike<number>;
  const decimals = decimalsOf(numbers);
  if (decimals !== undefined && decimals < TRY_FLOAT32)
    return neighbour > decimals && neighbour < TRY_FLOAT32 && allHaveDecimals(numbers, neighbour) ? neighbour : decimals;
  if (areFloat32(numbers)) return FORM.float32;
  return decimals ?? FORM.float64;
}

/** A column as whole numbers; none where its form has no such. */
class ColumnIntegers implements Integers {
  readonly form: number;
  readonly length: number;
  readonly #column: ArrayLike<number>;
  readonly #power: number | undefined;

  constructor(form: number, column: ArrayLike<Value>) {
    this.form = form;
    this.length = isDecimal(form) || isFloat32(form) ? column.length : 0;
    this.#column = column as ArrayLike<number>;
    this.#power = POWERS[form];
  }
  at(i: number): number {
    const v = this.#column[i] as number;
    return this.#power === undefined ? orderOf(float32Bits(v)) : Math.round(v * this.#power);
  }
}

/** The first numbers of some columns. */
class Firsts implements Integers {
  readonly #columns: readonly Integers[];
  constructor(columns: readonly Integers[]) {
    this.#columns = columns;
  }
  get length(): number {
    return this.#columns.length;
  }
  at(i: number): number {
    return (this.#columns[i] as Integers).at(0);
  }
}

/** Turns the whole numbers of a column into its values, in place. */
function toValues(form: number, numbers: Float64Array, count: number): void {
  const p = POWERS[form];
  for (let k = 0; k < count; k++) {
    const x = numbers[k] as number;
    numbers[k] = p === undefined ? shortestFloat32(float32FromBits(x < 0 ? 0x7fffffff - x : x)) : x / p;
  }
}
/** The place of a float32 among all of them: neighbours are one apart, -0 stands before 0. */
function orderOf(bits: number): number {
  return bits >= 0x80000000 ? 0x7fffffff - bits : bits;
}

/** The places of the infinities lie outside of those of all finite ones. */
function isFiniteOrder(order: number): boolean {
  return order < INFINITE && order > -INFINITE - 1;
}

/** The fewest decimals with which every value of the column comes back bit for bit; undefined when there are none. */
export function decimalsOf(column: ArrayLike<number>): number | undefined {
  let digits = 0;
  for (let k = 0; k < column.length; k++) {
    const v = column[k] as number;
    // A whole number has no sign of its own at zero.
    if (Object.is(v, -0)) return undefined;
    while (!hasDecimals(v, digits)) if (++digits >= POWERS.length) return undefined;
  }
  // A step up for a later value must still hold for the earlier ones.
  return allHaveDecimals(column, digits) ? digits : undefined;
}
function allHaveDecimals(column: ArrayLike<number>, digits: number): boolean {
  for (let k = 0; k < column.length; k++) if (!hasDecimals(column[k] as number, digits)) return false;
  return true;
}
function areFloat32(column: ArrayLike<number>): boolean {
  for (let k = 0; k < column.length; k++) {
    const v = column[k] as number;
    if (shortestFloat32(Math.fround(v)) !== v) return false;
  }
  return true;
}
/** Whether the value × 10^digits is a whole number from which it comes back bit for bit. */
export function hasDecimals(v: number, digits: number): boolean {
  const p = POWERS[digits] as number;
  const x = Math.round(v * p);
  return Math.abs(x) <= MAX_DECIMAL && Object.is(x / p, v);
}
