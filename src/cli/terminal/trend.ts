/** The latest minutes of one point, in memory of a fixed size. */
import type { TailReading } from '../../admin/target.ts';
import type { Cell } from './spark.ts';

/** Gaps between readings that are remembered: their middle is the interval of the point. */
const GAPS = 5;

export class Trend {
  readonly #span: number;
  readonly #width: number;
  /** Which piece of time a slot holds. */
  readonly #pieces: Float64Array;
  readonly #sums: Float64Array;
  readonly #counts: Uint32Array;
  readonly #bads: Uint32Array;
  readonly #gaps: number[] = [];
  #last: number | undefined;
  #isSwitch = false;

  /** @param span milliseconds that are kept @param slots pieces that they are kept in */
  constructor(span: number, slots: number) {
    this.#span = span;
    this.#width = span / slots;
    this.#pieces = new Float64Array(slots).fill(Number.NaN);
    this.#sums = new Float64Array(slots);
    this.#counts = new Uint32Array(slots);
    this.#bads = new Uint32Array(slots);
  }

  /** Whether it is on or off, and nothing between. */
  get isSwitch(): boolean {
    return this.#isSwitch;
  }

  /** Texts have no course, and leave it as it is. */
  take({ time, value, quality }: Pick<TailReading, 'time' | 'value' | 'quality'>): void {
    if (quality === 'bad') this.add(time, undefined);
    else if (typeof value === 'boolean') {
      this.#isSwitch = true;
      this.add(time, value ? 1 : 0);
    } else if (typeof value === 'number') this.add(time, value);
  }

  /** @param time UTC ms @param value undefined: a bad reading */
  add(time: number, value: number | undefined): void {
    if (!Number.isFinite(time) || time < 0) return;
    const piece = Math.floor(time / this.#width);
    const slot = piece % this.#pieces.length;
    // A clock that is set back brings earlier times: the slot is theirs from then on.
    if (this.#pieces[slot] !== piece) {
      this.#pieces[slot] = piece;
      this.#sums[slot] = 0;
      this.#counts[slot] = 0;
      this.#bads[slot] = 0;
    }
    if (value === undefined || !Number.isFinite(value)) this.#bads[slot] = (this.#bads[slot] ?? 0) + 1;
    else {
      this.#sums[slot] = (this.#sums[slot] ?? 0) + value;
      this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
    }
    if (this.#last !== undefined && time > this.#last) {
      this.#gaps.push(time - this.#last);
      if (this.#gaps.length > GAPS) this.#gaps.shift();
    }
    this.#last = time;
  }

  /**
   * Equal pieces of the time until now, oldest first. A value holds until the next reading is overdue.
   * @param isOver whether a value is outside of what is allowed
   */
  cells(now: number, count: number, isOver: (value: number) => boolean = () => false): Cell[] {
    const width = this.#span / Math.max(1, count);
    const newest = Math.floor(now / width);
    const sums = Array.from({ length: count }, () => ({ sum: 0, count: 0, bad: 0 }));
    this.#pieces.forEach((piece, slot) => {
      const cell = sums[count - 1 - (newest - Math.floor((piece * this.#width) / width))];
      if (cell === undefined) return;
      cell.sum += this.#sums[slot] ?? 0;
      cell.count += this.#counts[slot] ?? 0;
      cell.bad += this.#bads[slot] ?? 0;
    });
    const holds = Math.ceil((2 * this.#interval()) / width);
    let before: Cell = {};
    let age = 0;
    return sums.map(({ sum, count: readings, bad }) => {
      if (readings === 0 && bad === 0) return ++age <= holds ? before : {};
      age = 0;
      const value = readings === 0 ? undefined : sum / readings;
      before = value === undefined ? { bad: true } : { value, over: isOver(value) };
      return before;
    });
  }

  #interval(): number {
    return this.#gaps.toSorted((a, b) => a - b)[Math.floor(this.#gaps.length / 2)] ?? 0;
  }
}
