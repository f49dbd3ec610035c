/** A million readings of a log: what the Python decoder makes of the payloads of `columns` is what the export says. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { SiteRecords } from '../../../bench/lib/site-records.ts';
import type { Sample, Shape } from '../../../src/core/point.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';
import { pythonPeer } from '../../peers/peers.ts';

const READINGS = 1_000_000;
const START = Date.UTC(2026, 10, 26, 12);
const DECODER = path.join(import.meta.dirname, '../../../examples/decode-columns');

/** Every storage, and values that a codec could get wrong. */
const mixed: Shape = {
  device: 'meter',
  points: [
    { name: 'exact', type: 'float64', storage: 'number' },
    { name: 'count', type: 'uint64', storage: 'integer64' },
    { name: 'net', type: 'int64', storage: 'integer64' },
    { name: 'on', type: 'bool', storage: 'boolean' },
    { name: 'text', type: 'string', storage: 'string' },
    { name: 'time', type: 'datetime', storage: 'string' },
  ],
};
const EXACT = [0.1, -0, 1e-300, Number.MAX_VALUE, 5e-324, 1 / 3];
function meter(i: number, at: number): Sample {
  const values = [
    EXACT[i % 6] as number,
    2n ** 63n + BigInt(i * i),
    -(2n ** 63n) + BigInt(i),
    i % 5 < 2,
    `störung ${i % 9} ✓`,
    '',
  ];
  return { shape: mixed, at, values, reasons: i % 10 === 3 ? Uint8Array.of(255, 1, 0, 128, 0, 6) : null };
}

/** Compares each record; what is a text in the export and a number in the decoder is a scaled 64-bit integer. */
const COMPARE = `
import json, sys
sys.path.insert(0, sys.argv[1])
from decode import decode
def records():
    for name in sys.argv[3:]:
        yield from decode(open(name, "rb").read())[1]
readings = count = 0
found = records()
with open(sys.argv[2], encoding="utf-8") as export:
    for line in export:
        expected, record = json.loads(line), next(found, None)
        if expected != record:
            sys.exit("export %r\\ncolumns %r" % (expected, record))
        count += 1
        readings += len(record["values"]) + len(record.get("bad", {}))
print(json.dumps({"records": count, "readings": readings, "more": next(found, None)}))
`;

test('columns of a million readings, decoded by Python, equal the export', async (t) => {
  const python = pythonPeer(t, 'zlib', 'apt-get install -y python3');
  if (python === undefined) return;
  const folder = scratch(t, 'columns-export');
  const clock = new ManualClock(START);
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock },
    ...{ maxSize: 256e6, maxAge: 1e13, commitEvery: 60_000 },
  });
  const outlet = log.outlet('cloud', 'oldest', 'g1', 'columns');
  log.setClock(START, false);
  log.setInventory('{}');
  await outlet.ready();
  /** Some of the mixed readings are absent. */
  const sites = [new SiteRecords('decimal', 2, 60), new SiteRecords('float32', 1, 60)];
  let appended = 0;
  for (let i = 0; appended < 1.01 * READINGS; i++) {
    await clock.advance(1000);
    const at = clock.monotonic();
    for (const { sample } of sites.flatMap((site) => site.poll(at))) {
      log.append({ ...sample, at, values: sample.values, reasons: sample.reasons });
      appended += sample.shape.points.length;
    }
    log.append(meter(i, at));
    appended += mixed.points.length;
    if (i % 60 === 59) await log.flush();
    // An hour is compacted, the rest stays in commit blocks.
    if (i === 3700) await log.compact();
  }
  await log.flush();

  const files: string[] = [];
  let [bytes, largest] = [0, 0];
  for (const lane of ['history', 'data'] as const)
    for (let batch = await outlet.next(lane, 360_000); batch !== undefined; batch = await outlet.next(lane, 360_000)) {
      for (const { payload } of batch.messages) {
        const file = path.join(folder, `${files.length}.bin`);
        writeFileSync(file, payload);
        files.push(file);
        bytes += payload.length;
      }
      largest = Math.max(largest, batch.readings);
      assert.ok(outlet.handOver(batch));
      outlet.done(batch);
    }
  assert.ok(largest > 300_000, `a batch of ${largest} readings`);
  assert.ok(files.length < 10, `${files.length} payloads`);

  const exported = path.join(folder, 'export.jsonl');
  const to = openSync(exported, 'w');
  for (let after: number | undefined = 0; after !== undefined; ) {
    const slice: { text: string; next: number | undefined } = await log.keeper.export({
      ...{ after, from: 0, to: Number.MAX_SAFE_INTEGER, format: 'jsonl' },
    });
    writeSync(to, slice.text);
    after = slice.next;
  }
  closeSync(to);
  await log.close(60_000);

  const run = spawnSync(python, ['-c', COMPARE, DECODER, exported, ...files], { encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  const result = JSON.parse(run.stdout) as { records: number; readings: number; more: unknown };
  assert.equal(result.more, null);
  assert.ok(result.readings >= READINGS, `${result.readings} readings`);
  t.diagnostic(`${result.readings} readings in ${files.length} payloads, ${(bytes / result.readings).toFixed(3)} B each`);
});
