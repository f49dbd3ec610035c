/** The decoder of the log for queries and exports, as columns; the parts decoded last are kept for the next slice. */
import { decodeShapes, type ShapeColumns } from '../../codecs/blocks.ts';
import { Rollups } from '../../codecs/rollups.ts';
import type { Shape } from '../../core/point.ts';
import { HOUR_STATE, type HourRow } from '../files/history-layout.ts';
import { seqOf } from '../files/layout.ts';
import type { DamagedBlock } from '../files/repair-report.ts';
import { ShapeBook, type Stretch, type Stretches } from './stretches.ts';

/** By the numbers of shapes; hours and blocks have each their own. What comes while an answer is made is in it as well. */
export interface WantedShapes {
  readonly hours: ReadonlyMap<number, Shape>;
  readonly blocks: ReadonlyMap<number, Shape>;
}

/** Bounds the memory of what is kept, whose thread has a small heap; an hour of the longest texts still fits. */
const CACHED_BYTES = 20 * 1024 * 1024;
/** A number takes 8 bytes; a text that many, and its characters. */
const READING_BYTES = 24;

export class Decoder {
  readonly #cached = new Map<string, { bytes: number; columns: readonly ShapeColumns[] }>();
  readonly #damaged: (block: DamagedBlock) => void;
  #log: ShapeBook | undefined;
  #history: { book: ShapeBook; of: Stretches['history'] } | undefined;

  constructor(damaged: (block: DamagedBlock) => void) {
    this.#damaged = damaged;
  }

  /** The numbers of shapes that `wanted` is true for. Hours and blocks have each their own. */
  shapes(stretches: Stretches, wanted: (shape: Shape) => boolean): WantedShapes {
    const hours = new Picked(() => this.#historyBook(stretches), wanted);
    const blocks = new Picked(() => this.#logBook(stretches), wanted);
    return {
      get hours() {
        return hours.now;
      },
      get blocks() {
        return blocks.now;
      },
    };
  }

  /** One shape of an hour, ascending each; nothing when no records are left, or they cannot be read. */
  part(stretches: Stretches, stretch: Stretch, hour: HourRow, shape: number): readonly ShapeColumns[] {
    // Parts of a class go without another state of the hour.
    return this.#cache(`${stretch.id}/${hour.state}/${hour.records}/${shape}`, () => {
      const rows = stretches.history?.hours.partsOf(hour, shape) ?? [];
      return rows.flatMap((row) =>
        this.#decode(stretch, row.body, row.readings, (id) => this.#historyBook(stretches)?.of(id), undefined),
      );
    });
  }

  rollup(stretches: Stretches, stretch: Stretch, hour: HourRow, id: number, shape: Shape): Rollups | undefined {
    const row = stretches.history?.hours.rollup(hour, id);
    if (row === undefined) return undefined;
    try {
      return new Rollups(shape, row.body);
    } catch {
      // A chart can still be drawn from the records.
      if (hour.state === HOUR_STATE.summary) this.#tell(stretch, 0);
      return undefined;
    }
  }

  block(stretches: Stretches, stretch: Stretch, only: ReadonlyMap<number, Shape>): readonly ShapeColumns[] {
    const body = stretches.body(stretch);
    return body === undefined ? [] : this.#decode(stretch, body, stretch.readings, (id) => this.#logBook(stretches).of(id), only);
  }

  /** The columns of the wanted shapes in a stretch, one after the other. It looks at an hour anew for each: the hour may be thinned, or go. */
  *columns(stretches: Stretches, stretch: Stretch, shapes: WantedShapes): Generator<ShapeColumns, void> {
    if (stretch.hour === undefined) {
      yield* this.block(stretches, stretch, shapes.blocks);
      return;
    }
    for (const id of shapes.hours.keys()) {
      const hour = stretches.again(stretch.hour);
      if (hour === undefined) return;
      yield* this.part(stretches, stretch, hour, id);
    }
  }

  #decode(
    stretch: Stretch,
    body: Uint8Array,
    readings: number,
    shapeOf: (id: number) => Shape | undefined,
    only: ReadonlyMap<number, Shape> | undefined,
  ): ShapeColumns[] {
    try {
      return decodeShapes(body, shapeOf, only);
    } catch {
      this.#tell(stretch, readings);
      return [];
    }
  }
  #tell(stretch: Stretch, readings: number): void {
    this.#damaged({ log: stretch.log, first: seqOf(stretch.id), last: stretch.last, readings });
  }

  #cache(key: string, decode: () => ShapeColumns[]): readonly ShapeColumns[] {
    const known = this.#cached.get(key);
    if (known !== undefined) return known.columns;
    const columns = decode();
    const bytes = columns.reduce((sum, c) => sum + READING_BYTES * c.seqs.length * c.shape.points.length + c.texts, 0);
    this.#cached.set(key, { bytes, columns });
    let total = [...this.#cached.values()].reduce((sum, c) => sum + c.bytes, 0);
    for (const [old, { bytes: n }] of this.#cached) {
      if (total <= CACHED_BYTES || old === key) break;
      this.#cached.delete(old);
      total -= n;
    }
    return columns;
  }

  #logBook(stretches: Stretches): ShapeBook {
    this.#log ??= new ShapeBook(stretches.db);
    return this.#log;
  }
  #historyBook(stretches: Stretches): ShapeBook | undefined {
    const { history } = stretches;
    if (history === undefined) return undefined;
    if (this.#history?.of !== history) this.#history = { book: new ShapeBook(history.db), of: history };
    return this.#history.book;
  }
}

/** Those of a file's shapes that are wanted. */
class Picked {
  readonly #book: () => ShapeBook | undefined;
  readonly #wanted: (shape: Shape) => boolean;
  readonly #picked = new Map<number, Shape>();
  #looked = 0;

  constructor(book: () => ShapeBook | undefined, wanted: (shape: Shape) => boolean) {
    this.#book = book;
    this.#wanted = wanted;
  }

  get now(): ReadonlyMap<number, Shape> {
    const all = this.#book()?.all();
    if (all === undefined || all.size === this.#looked) return this.#picked;
    this.#looked = all.size;
    for (const [id, shape] of all) if (!this.#picked.has(id) && this.#wanted(shape)) this.#picked.set(id, shape);
    return this.#picked;
  }
}
