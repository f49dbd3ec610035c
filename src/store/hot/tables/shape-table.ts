/** Which points a record has, in which order: each content once, under a number that it keeps for ever. */
import type Database from 'better-sqlite3';
import { contentOf } from '../../../codecs/rows.ts';
import type { Shape } from '../../../core/point.ts';
import { shapeReader } from '../../files/layout.ts';
import { rowSum } from '../../files/sealed-rows.ts';

export class ShapeTable {
  readonly #db: Database.Database;
  /** All of them, by their content. */
  readonly #ids = new Map<string, number>();
  /** The same by the object, whose content need not be written out again. */
  #known = new WeakMap<Shape, number>();
  readonly of: (id: number) => Shape | undefined;

  constructor(db: Database.Database) {
    this.#db = db;
    this.of = shapeReader(db);
    for (const { id, body } of db.prepare<[], { id: number; body: string }>('select id, body from shape').all())
      this.#ids.set(body, id);
  }

  all(): { id: number; body: string }[] {
    return [...this.#ids].map(([body, id]) => ({ id, body }));
  }

  /** Puts it in when it is new. */
  idOf(shape: Shape): number {
    const known = this.#known.get(shape);
    if (known !== undefined) return known;
    const body = contentOf(shape);
    let id = this.#ids.get(body);
    if (id === undefined) {
      id = this.#db.prepare('select coalesce(max(id), 0) + 1 from shape').pluck().get() as number;
      this.#db.prepare('insert into shape (id, body, sum) values (?, ?, ?)').run(id, body, rowSum('shape', id, body));
      this.#ids.set(body, id);
    }
    this.#known.set(shape, id);
    return id;
  }

  /** @returns to be called when the transaction that begins now is rolled back: numbers given in it went with it */
  begin(): () => void {
    const known = new Set(this.#ids.keys());
    return () => {
      this.#known = new WeakMap();
      for (const body of [...this.#ids.keys()]) if (!known.has(body)) this.#ids.delete(body);
    };
  }
}
