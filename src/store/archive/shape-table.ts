/**
 * The records of one shape while an hour is made, as columns outside of the JavaScript heap: eight bytes a reading, and no
 * object for a record or a reading. What is put in once is written out in several selections.
 */
import type { ShapeColumns, ShapeRows } from '../../codecs/blocks.ts';
import type { PointInfo, Shape, Value } from '../../core/point.ts';

/** Records of a slice. Slices are never copied or thrown away while the hour is made. */
const SLICE = 64;
const WIDTH = 8;

/** A column that was made last is overwritten by the next selection. One for all tables of an hour. */
export class Scratch {
  #bytes = new ArrayBuffer(0);

  /** @returns at least so many bytes; what they hold does not matter */
  take(bytes: number): ArrayBuffer {
    if (this.#bytes.byteLength < bytes) this.#bytes = new ArrayBuffer(bytes);
    return this.#bytes;
  }
}

/** Values by point, then by record. */
class Slice {
  readonly seqs = new Float64Array(SLICE);
  readonly ats = new Float64Array(SLICE);
  readonly numbers: Float64Array;
  /** The same memory. */
  readonly integers: BigInt64Array;
  readonly texts = new Map<number, string[]>();
  reasons: Uint8Array | undefined;

  constructor(points: number) {
    this.numbers = new Float64Array(SLICE * points);
    this.integers = new BigInt64Array(this.numbers.buffer);
  }

  /** @param at of the column's value @param m of the record @param i of the point */
  put(at: number, i: number, m: number, { storage }: PointInfo, value: Value): void {
    if (storage === 'integer64') this.integers[at] = typeof value === 'bigint' ? BigInt.asIntN(64, value) : 0n;
    else if (typeof value === 'string') {
      const column = this.texts.get(i) ?? [];
      this.texts.set(i, column);
      column[m] = value;
    }
  }
}

/** A column of a commit block on its way into the slices. */
let passing = new Float64Array(SLICE);

export class ShapeTable {
  readonly shape: Shape;
  readonly #slices: Slice[] = [];
  #length = 0;
  #staged = 0;
  #order: Uint32Array | undefined;

  constructor(shape: Shape) {
    this.shape = shape;
  }

  get length(): number {
    return this.#length;
  }

  /** Behind what there is; it counts when `commit` was called. @throws RangeError or Error when the bytes are damaged */
  stage(columns: Pick<ShapeColumns, 'seqs' | 'ats' | 'reasons' | 'once' | 'doubles'>): void {
    const { seqs, ats, reasons } = columns;
    const start = this.#length + this.#staged;
    const { points } = this.shape;
    while (this.#slices.length * SLICE < start + seqs.length) this.#slices.push(new Slice(points.length));
    let anyReasons = false;
    for (let m = 0; m < seqs.length; m++) {
      const slice = this.#slice(start + m);
      slice.seqs[(start + m) % SLICE] = seqs[m] as number;
      slice.ats[(start + m) % SLICE] = ats[m] as number;
      if (reasons !== undefined) slice.reasons ??= new Uint8Array(SLICE * points.length);
      anyReasons ||= slice.reasons !== undefined;
    }
    if (passing.length < seqs.length) passing = new Float64Array(2 * seqs.length);
    for (const [i, point] of points.entries()) {
      if (point.storage === 'number' || point.storage === 'boolean') {
        columns.doubles(i, passing);
        this.#pass(i, start, seqs.length);
      } else {
        const column = columns.once(i);
        for (let m = 0; m < column.length; m++) {
          const place = (start + m) % SLICE;
          this.#slice(start + m).put(i * SLICE + place, i, place, point, column[m] as Value);
        }
      }
      if (anyReasons) this.#why(i, start, seqs.length, reasons?.[i]);
    }
    this.#staged += seqs.length;
  }
  #pass(i: number, start: number, n: number): void {
    for (let m = 0; m < n; ) {
      const { numbers } = this.#slice(start + m);
      const place = (start + m) % SLICE;
      const end = Math.min(n, m + SLICE - place);
      for (let to = i * SLICE + place; m < end; m++) numbers[to++] = passing[m] as number;
    }
  }
  #why(i: number, start: number, n: number, why: Uint8Array | undefined): void {
    for (let m = 0; m < n; m++) {
      const { reasons } = this.#slice(start + m);
      if (reasons !== undefined) reasons[i * SLICE + ((start + m) % SLICE)] = why?.[m] ?? 0;
    }
  }

  /** The staged shapes are in the table. */
  commit(): void {
    this.#length += this.#staged;
    this.#staged = 0;
    this.#order = undefined;
  }
  /** The staged shapes are not in the table. */
  forget(): void {
    this.#staged = 0;
  }

  /** Places of all records, ascending in seq. */
  #ordered(): Uint32Array {
    const order = Uint32Array.from({ length: this.#length }, (_, m) => m);
    const seqOf = (m: number) => this.#slice(m).seqs[m % SLICE] as number;
    const ascends = order.every((m) => m === 0 || seqOf(m - 1) < seqOf(m));
    return ascends ? order : order.sort((a, b) => seqOf(a) - seqOf(b));
  }

  /** Time of the record at a place among all. */
  at(m: number): number {
    this.#order ??= this.#ordered();
    const place = this.#order[m] as number;
    return this.#slice(place).ats[place % SLICE] as number;
  }

  /** @param picked which records, by their place in the order of seq; columns are valid until the scratch is used again */
  rows(scratch: Scratch, picked: (m: number) => boolean): ShapeRows {
    this.#order ??= this.#ordered();
    const chosen = this.#order.filter((_, m) => picked(m));
    const n = chosen.length;
    const { points } = this.shape;
    const memory = scratch.take(WIDTH * n * (points.length + 2));
    const doubles = (k: number) => new Float64Array(memory, WIDTH * n * k, n);
    const seqs = this.#fill(doubles(points.length), chosen, ({ seqs }, place) => seqs[place] as number);
    const ats = this.#fill(doubles(points.length + 1), chosen, ({ ats }, place) => ats[place] as number);
    const columns = points.map((point, i): ArrayLike<Value> => {
      const at = i * SLICE;
      if (point.storage === 'string') return Array.from(chosen, (m) => this.#slice(m).texts.get(i)?.[m % SLICE] ?? '');
      if (point.storage !== 'integer64')
        return this.#fill(doubles(i), chosen, ({ numbers }, place) => numbers[at + place] as number);
      const words = new BigInt64Array(memory, WIDTH * n * i, n);
      this.#fill(words, chosen, ({ integers }, place) => integers[at + place] as bigint);
      return point.type === 'uint64' ? new BigUint64Array(memory, WIDTH * n * i, n) : words;
    });
    return { shape: this.shape, seqs, ats, reasons: this.#reasons(chosen), column: (i) => columns[i] as ArrayLike<Value> };
  }

  #reasons(chosen: Uint32Array): Uint8Array[] | undefined {
    if (this.#slices.every(({ reasons }) => reasons === undefined)) return undefined;
    const columns = this.shape.points.map((_, i) =>
      this.#fill(new Uint8Array(chosen.length), chosen, ({ reasons }, place) => reasons?.[i * SLICE + place] ?? 0),
    );
    return columns.some((column) => column.some((reason) => reason !== 0)) ? columns : undefined;
  }

  #fill<V, A extends { [k: number]: V }>(to: A, chosen: Uint32Array, from: (slice: Slice, place: number) => V): A {
    for (let k = 0; k < chosen.length; k++) {
      const m = chosen[k] as number;
      (to as { [k: number]: V })[k] = from(this.#slice(m), m % SLICE);
    }
    return to;
  }

  #slice(m: number): Slice {
    return this.#slices[Math.floor(m / SLICE)] as Slice;
  }
}
