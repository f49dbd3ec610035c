/** Golden files and properties of the payload format `thingsboard`. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { thingsboardBatch } from '../../../src/codecs/format-thingsboard.ts';
import { formatCases } from '../../harness/format-case.ts';
import { batches, type Found, readingsOf } from '../../oracles/random-batch.ts';

for (const { name, batch, read } of formatCases('thingsboard'))
  test(`format thingsboard: ${name}`, () => {
    const lines = thingsboardBatch(batch).map(({ to, payload }) => `${to}\t${payload}`);
    assert.deepEqual(lines, read('expected.txt').trimEnd().split('\n'));
  });

test('thingsboard: every reading is in the telemetry of its device, once', () => {
  fc.assert(
    fc.property(batches, (batch) => {
      const seqs = new Map(batch.records.map(({ seq, sample }) => [sample.at + batch.offset, seq]));
      // The platform keeps one value of a key and millisecond; so does this comparison.
      fc.pre(seqs.size === batch.records.length);
      const found = new Map<string, Found>();
      const messages = thingsboardBatch(batch);
      assert.ok(messages.length <= batch.records.length);
      for (const { to, payload } of messages) {
        const [[device = '', entries = []] = [], ...others] = Object.entries(
          JSON.parse(payload as string) as Record<string, { ts: number; values: Record<string, unknown> }[]>,
        );
        assert.deepEqual([to.split(' ')[1], others], [device, []]);
        for (const { ts, values } of entries)
          for (const [key, value] of Object.entries(values)) {
            const [name = '', kind] = key.split('.');
            if (key === 'record.clock') continue;
            const at = `${seqs.get(ts)} ${device} ${name}`;
            const before = found.get(at);
            found.set(at, kind === undefined ? { ...before, value: value as string } : { ...before, [kind]: String(value) });
          }
      }
      const expected = [...readingsOf(batch)].map(([key, f]): [string, Found] => [
        key,
        typeof f.value === 'bigint' ? { ...f, value: `${f.value}` } : f,
      ]);
      assert.deepEqual(found, new Map(expected));
    }),
  );
});

test('thingsboard: the type of a key does not depend on its value', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const shape = { device: 'd', points: [{ name: 'n', type: 'float64', storage: 'number' }] } as const;
      const head = {
        lane: 'data',
        gateway: 'g',
        log: 'l',
        boot: 'b',
        inventory: 1,
        sent: 0,
        offset: 5,
        estimated: false,
      } as const;
      const records = [{ seq: 1, sample: { shape, at: 5, values: [value], reasons: null } }];
      const [message] = thingsboardBatch({ ...head, records });
      assert.match(message?.payload as string, /"n":-?\d+(\.\d+(e[+-]?\d+)?|e[+-]?\d+)\}/);
    }),
  );
});
