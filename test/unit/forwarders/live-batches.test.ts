import assert from 'node:assert/strict';
import test from 'node:test';
import type { LogRecord } from '../../../src/core/point.ts';
import { LiveBatches } from '../../../src/forwarders/broker/live-batches.ts';

const shape = { device: 'd', points: [{ name: 'n', type: 'uint16', storage: 'number' }] } as const;
const record = (seq: number): LogRecord => ({ seq, sample: { shape, at: seq * 10, values: [seq], reasons: null } });

/** A gateway of which only what the batches ask for is there. */
function view(over: { known?: boolean; now?: number; wait?: boolean } = {}) {
  const clocks = [
    { from: 1, mapping: { fromSeq: 0, offset: 1000, estimated: false } },
    { from: 5, mapping: { fromSeq: 5, offset: 5000, estimated: false } },
  ];
  const handed: number[][] = [];
  const log = {
    id: 'l1',
    clock: { of: (seq: number) => (seq >= 9 ? undefined : clocks.findLast((c) => c.from <= seq)?.mapping) },
    inventoryOf: (seq: number) => (seq < 3 ? 1 : 2),
    live: { handOver: (first: number, last: number) => over.wait !== true && handed.push([first, last]) > 0 },
  };
  const gateway = {
    config: { gateway: { id: 'g1', clockHold: 300_000 } },
    clock: { monotonic: () => over.now ?? 0, wall: () => 77 },
    startedAt: 0,
    boot: 'b1',
    watch: { known: over.known ?? true, offset: 4000 },
    log,
  };
  return { batches: new LiveBatches(gateway as unknown as ConstructorParameters<typeof LiveBatches>[0]), handed };
}

test('a batch of the embedded broker spans neither two inventories nor two clock mappings', () => {
  const { batches, handed } = view();
  const payloads = batches.encode([1, 2, 3, 4, 5, 6].map(record))?.map((p) => JSON.parse(p));
  assert.deepEqual(
    payloads?.map((p) => [p.inventory, p.first, p.last, p.records[0].time, p.sent]),
    [
      [1, 1, 2, 1010, 4000],
      [2, 3, 4, 1030, 4000],
      [2, 5, 6, 5050, 4000],
    ],
  );
  assert.deepEqual(handed, [[1, 6]], 'what left is not dated anew');
});

test('a batch waits for an unknown clock, up to clockHold, and for an uncommitted mapping', () => {
  assert.equal(view({ known: false, now: 299_999 }).batches.encode([record(1)]), undefined);
  assert.equal(view({ known: false, now: 300_000 }).batches.encode([record(1)])?.length, 1);
  const { batches, handed } = view();
  assert.equal(batches.encode([record(8), record(9)]), undefined);
  assert.deepEqual(handed, []);
  assert.equal(view({ wait: true }).batches.encode([record(1)]), undefined, 'the log is not ready for it');
});
