/** A unit made of columns equals one made of its records one by one. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { decodeBlock, decodeShapes, encodeBlock, encodeShape, rowsOf } from '../../../src/codecs/blocks.ts';
import { encodeRollups } from '../../../src/codecs/rollup-encode.ts';
import type { LogRecord, Shape } from '../../../src/core/point.ts';
import { Scratch, ShapeTable } from '../../../src/store/archive/shape-table.ts';
import { blocks } from '../../oracles/random-records.ts';

const LEVEL = 6;

/** Commit blocks of some records each, and what is read from them one by one. */
function commits(all: readonly Shape[], records: readonly LogRecord[], each: number) {
  const blobs: Buffer[] = [];
  for (let i = 0; i < records.length; i += each) blobs.push(encodeBlock(records.slice(i, i + each), (s) => all.indexOf(s)));
  return { blobs, rows: blobs.flatMap((blob) => decodeBlock(blob, (id) => all[id])) };
}

test('columns of many commits become the bytes that their records would become', () => {
  // Times are sorted as those of a log are, and lie near each other, so that buckets have several records.
  const part = fc.tuple(blocks, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 5 }));
  fc.assert(
    fc.property(part, ([{ shapes: all, records }, each, thin, copies]) => {
      const many = Array.from({ length: copies }, (_, c) =>
        records.map((r, i) => ({ seq: r.seq + c * 2 ** 46, sample: { ...r.sample, at: 1000 * (c * records.length + i) } })),
      ).flat();
      const { blobs, rows } = commits(all, many, each);
      const tables = new Map<Shape, ShapeTable>();
      for (const blob of blobs)
        for (const columns of decodeShapes(blob, (id) => all[id])) {
          const table = tables.get(columns.shape) ?? new ShapeTable(columns.shape);
          tables.set(columns.shape, table);
          table.stage(columns);
          table.commit();
        }
      const scratch = new Scratch();
      for (const [shape, table] of tables) {
        const own = rows.filter((r) => r.sample.shape === shape);
        assert.equal(table.length, own.length);
        for (const picked of [() => true, (m: number) => m % thin === 0, (m: number) => m % thin !== 0]) {
          const some = own.filter((_, m) => picked(m));
          const expected = encodeBlock(some, () => 7, LEVEL);
          if (some.length > 0) assert.deepEqual(encodeShape(table.rows(scratch, picked), 7, LEVEL), expected);
          const rollup = encodeRollups(rowsOf(shape, some), 10_000, 1.7e12);
          assert.deepEqual(encodeRollups(table.rows(scratch, picked), 10_000, 1.7e12), rollup);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('records of one shape that stand in two groups of a block are put in order', () => {
  fc.assert(
    fc.property(blocks, fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }), ({ shapes: [shape], records }, twin) => {
      const first = shape as Shape;
      const again = { ...first };
      const mine = records.filter((r) => r.sample.shape === first);
      const mixed = mine.map((r, i) => (twin[i] ? { ...r, sample: { ...r.sample, shape: again } } : r));
      const blob = encodeBlock(mixed, (s) => (s === again ? 2 : 1));
      const table = new ShapeTable(first);
      for (const columns of decodeShapes(blob, () => first)) table.stage(columns);
      table.commit();
      const rows = decodeBlock(blob, () => first);
      if (rows.length > 0)
        assert.deepEqual(
          encodeShape(
            table.rows(new Scratch(), () => true),
            7,
            LEVEL,
          ),
          encodeBlock(rows, () => 7, LEVEL),
        );
      assert.equal(table.length, mine.length);
    }),
  );
});

test('a block that fails half way leaves nothing in a table', () => {
  const shape: Shape = {
    device: 'd',
    points: [
      { name: 'n', type: 'float64', storage: 'number' },
      { name: 's', type: 'string', storage: 'string' },
    ],
  };
  const record = (seq: number, n: number, s: string, reasons: number[] | null): LogRecord => ({
    seq,
    sample: { shape, at: seq * 1000, values: [n, s], reasons: reasons && Uint8Array.from(reasons) },
  });
  const columns = (records: LogRecord[]) => rowsOf(shape, records);
  const staged = (records: LogRecord[]) => {
    const { seqs, ats, reasons, column } = columns(records);
    return {
      seqs: Array.from(seqs),
      ats: Array.from(ats),
      reasons,
      once: (i: number) => Array.from(column(i)),
      doubles: (i: number, to: Float64Array) => to.set(column(i) as number[]),
    };
  };
  const table = new ShapeTable(shape);
  table.stage(staged([record(1, 1.5, 'a', null)]));
  table.commit();
  const half = staged([record(2, 9, 'b', [1, 0]), record(3, 9, 'c', [1, 1])]);
  const fail = (): never => {
    throw new RangeError('it ends too early');
  };
  assert.throws(() => table.stage({ ...half, once: fail }), RangeError);
  table.forget();
  const good = [record(4, 2.5, 'd', null), record(5, 3.5, 'e', null)];
  table.stage(staged(good));
  table.commit();
  const expected = encodeBlock([record(1, 1.5, 'a', null), ...good], () => 7, LEVEL);
  assert.deepEqual(
    encodeShape(
      table.rows(new Scratch(), () => true),
      7,
      LEVEL,
    ),
    expected,
  );
});
