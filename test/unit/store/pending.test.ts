import assert from 'node:assert/strict';
import test from 'node:test';
import { contentOf, readEntries } from '../../../src/codecs/rows.ts';
import type { Shape } from '../../../src/core/point.ts';
import { CHUNK_BYTES, type Chunk, PENDING_MOST, Pending } from '../../../src/store/tail/pending.ts';

const shape: Shape = { device: 'plant', points: [{ name: 'text', type: 'string', storage: 'string' }] };
const text = 'x'.repeat(64 * 1024);

/** A disk that takes nothing: what it is asked to keep comes back. */
function filled(): { pending: Pending; put(): number; seqs(chunks: readonly Chunk[]): number[] } {
  const pending = new Pending();
  let seq = 0;
  return {
    pending,
    put() {
      const record = { seq: ++seq, sample: { shape, at: seq, values: [text], reasons: null } };
      pending.record(record, 1, contentOf(shape));
      return pending.givenUp().readings;
    },
    seqs: (chunks) =>
      chunks.flatMap(({ entries }) =>
        [...readEntries(entries, new Map())].flatMap((entry) => (entry.kind === 'record' ? [entry.record.seq] : [])),
      ),
  };
}

test('every reading is kept for the disk or reported as given up, whatever the disk refuses', () => {
  const { pending, put, seqs } = filled();
  let given = 0;
  let lost = 0;
  for (let round = 0; round < 40; round++) {
    // A chunk and a half: at the bound a commit begins with a chunk that is not full.
    for (let bytes = 0; bytes < 1.5 * CHUNK_BYTES; bytes += text.length) {
      given++;
      lost += put();
    }
    const chunks = pending.take();
    assert.ok(pending.bytes <= PENDING_MOST);
    assert.equal(seqs(chunks).length + lost, given, `after ${round} refused commits`);
    pending.putBack(chunks);
    lost += pending.givenUp().readings;
    assert.equal(pending.readings + lost, given, `after ${round + 1} refused commits`);
  }
  assert.ok(lost > 0, 'the bound was met');
});

test('a change of the inventory tells what had to be given up for it', () => {
  const { pending, put } = filled();
  let given = 0;
  let lost = 0;
  for (let revision = 1; revision <= 100; revision++) {
    given++;
    lost += put();
    pending.setInventory(revision);
    lost += pending.givenUp().readings;
    assert.equal(pending.readings + lost, given);
  }
  assert.ok(lost > 0, 'the bound was met');
});

test('alarms and events that had to be given up are counted too', () => {
  const pending = new Pending();
  const json = 'x'.repeat(64 * 1024);
  let given = 0;
  let lost = 0;
  for (let round = 0; round < 40; round++) {
    for (let bytes = 0; bytes < CHUNK_BYTES; bytes += json.length)
      pending.notice({ ...{ seq: ++given, at: given, kind: 'alarm', key: 'fridge-warm' }, json });
    pending.setInventory(round);
    const { readings, notices } = pending.givenUp();
    assert.equal(readings, 0);
    lost += notices;
  }
  const kept = pending
    .take()
    .flatMap(({ entries }) => [...readEntries(entries, new Map())].filter(({ kind }) => kind === 'notice'));
  assert.equal(kept.length + lost, given);
  assert.ok(lost > 0, 'the bound was met');
});
