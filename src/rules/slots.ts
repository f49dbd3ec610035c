/**
 * A window that slides over time in steps. It is cut into parts of equal length, so its size does not depend on how often a point is
 * read: at most `parts` parts, each with `fields` numbers. It holds the part of now and the parts before it, so never a reading
 * that is older than the window, and one that is younger than the window less a part for certain.
 */
import * as z from 'zod';

export interface SlotsOptions {
  /** Milliseconds. */
  readonly over: number;
  readonly parts: number;
  readonly fields: number;
}

export interface Part {
  /** Monotonic ms at which the part begins. */
  readonly from: number;
  readonly data: number[];
}

/** A phase is less than a part, also where it was rounded, ms. */
const PHASE = 1e-6;

export class Slots {
  /** Milliseconds of a part. Whole, so that a restart finds the same borders. */
  readonly width: number;
  readonly #options: SlotsOptions;
  readonly #count: number;
  readonly #schema: z.ZodType<SavedSlots>;
  /** The beginning of part 0. */
  #origin: number | undefined;
  /** Ascending; the borders of a part are its index times the width. */
  #parts: { readonly index: number; readonly data: number[] }[] = [];
  /** The window of an earlier run, while nobody knows how long ago that was. */
  #aside: SavedSlots | undefined;
  /** The start of this run. */
  #start = 0;

  constructor(options: SlotsOptions) {
    const { over, parts, fields } = options;
    this.#options = options;
    this.width = Math.max(1, Math.ceil(over / parts));
    this.#count = Math.max(1, Math.ceil(over / this.width));
    const part = z
      .tuple(
        [
          z
            .int()
            .min(0)
            .max(this.#count - 1),
        ],
        z.number(),
      )
      .refine(({ length }) => length === fields + 1);
    this.#schema = z.object({
      phase: z.number().min(0).lt(this.width),
      parts: z.array(part).max(this.#count).refine(isDescending),
    });
  }

  /** @param at the start of this run @param off ms between the saving and `at`; undefined: `offKnown` may bring it */
  restore(saved: unknown, at: number, off: number | undefined): void {
    this.#start = at;
    const known = this.#schema.safeParse(saved).data;
    if (known === undefined) return;
    if (off === undefined) this.#aside = known;
    else this.#take(known, at - off);
  }

  /** The time off is known: what an earlier run saw stands before what this one saw. @param off undefined: it never will be */
  offKnown(off: number | undefined, now: number): void {
    const aside = this.#aside;
    this.#aside = undefined;
    if (aside === undefined || off === undefined) return;
    if (this.#origin === undefined) this.#take(aside, this.#start - off);
    else {
      // The borders of this run stand, so those of the earlier one move by a part, or by two where both have one part.
      const [last] = aside.parts.at(-1) ?? [0];
      const first = this.#parts[0]?.index ?? Number.POSITIVE_INFINITY;
      const then = Math.min(Math.floor((this.#start - off - this.#origin) / this.width), first - 1 + last);
      this.#parts.unshift(...aside.parts.map(([age, ...data]) => ({ index: then - age, data })));
    }
    this.slide(now);
  }

  /** The same window, to go on with apart from this one. */
  copy(): Slots {
    const copy = new Slots(this.#options);
    copy.#origin = this.#origin;
    copy.#parts = this.#parts.map(({ index, data }) => ({ index, data: [...data] }));
    copy.#aside = this.#aside;
    copy.#start = this.#start;
    return copy;
  }

  /** The part that holds `at`, filled with zeros when it is new. Parts that are too old by then are gone. */
  part(at: number): number[] | undefined {
    return this.#parts.at(-1)?.index === this.slide(at) ? this.#parts.at(-1)?.data : undefined;
  }

  /** The part that holds `at`, which may lie before others; new ones are zero. undefined: a window at `now` does not hold it. */
  into(at: number, now: number): number[] | undefined {
    const newest = this.slide(now);
    const index = this.#index(at);
    if (index <= newest - this.#count) return undefined;
    const place = this.#parts.findLastIndex((part) => part.index <= index);
    const there = this.#parts[place];
    if (there?.index === index) return there.data;
    const data = new Array<number>(this.#options.fields).fill(0);
    this.#parts.splice(place + 1, 0, { index, data });
    return data;
  }

  add(at: number, data: number[]): void {
    this.#parts.push({ index: this.slide(at), data });
  }

  /** Forgets what is too old at `at`. @returns the index of the part that holds `at` */
  slide(at: number): number {
    this.#origin ??= at;
    const index = this.#index(at);
    while ((this.#parts[0]?.index ?? Number.POSITIVE_INFINITY) <= index - this.#count) this.#parts.shift();
    return index;
  }

  /** In the order of their times. */
  *parts(): Iterable<Part> {
    for (const { index, data } of this.#parts) yield { from: (this.#origin as number) + index * this.width, data };
  }

  /** How far back the oldest part begins, ms; 0 when there is none. */
  reach(at: number): number {
    const first = this.#parts[0];
    return first === undefined ? 0 : at - ((this.#origin as number) + first.index * this.width);
  }

  /** The next border after `at`; Infinity before the first reading. */
  border(at: number): number {
    if (this.#origin === undefined) return Number.POSITIVE_INFINITY;
    return this.#origin + (this.#index(at) + 1) * this.width;
  }

  /** The beginning of the oldest part that a window at `at` holds. */
  earliest(at: number): number {
    return this.border(at) - this.#count * this.width;
  }

  /** While the time off is not known, as if it were 0. */
  save(at: number): SavedSlots | undefined {
    if (this.#aside !== undefined) {
      const all = this.copy();
      all.offKnown(0, at);
      return all.save(at);
    }
    if (this.#origin === undefined) return undefined;
    const now = this.#index(at);
    const parts = this.#parts.filter(({ index }) => index > now - this.#count);
    return {
      phase: Math.min(Math.max(0, at - (this.#origin + now * this.width)), this.width - PHASE),
      parts: parts.map(({ index, data }) => [now - index, ...data] as [number, ...number[]]),
    };
  }

  /** A border that is rounded down begins the part behind it all the same: the next border is always later than `at`. */
  #index(at: number): number {
    const origin = this.#origin as number;
    const index = Math.floor((at - origin) / this.width);
    return origin + (index + 1) * this.width <= at ? index + 1 : index;
  }

  #take({ phase, parts }: SavedSlots, then: number): void {
    this.#origin = then - phase;
    this.#parts = parts.map(([age, ...data]) => ({ index: -age, data }));
  }
}

export interface SavedSlots {
  /** How long the part of the saving had lasted, ms. */
  readonly phase: number;
  /** Ages in parts, descending, each with its numbers. */
  readonly parts: [number, ...number[]][];
}

function isDescending(parts: readonly (readonly [number, ...number[]])[]): boolean {
  return parts.every(([age], i) => i === 0 || age < (parts[i - 1]?.[0] as number));
}
