/** An export in buckets against the simplest model there is, and what it costs: slices are made only where something is. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { LogRecord, Shape } from '../../src/core/point.ts';
import { startOf } from '../../src/store/buckets.ts';
import { LogDatabase } from '../../src/store/database.ts';
import { Decoder } from '../../src/store/decoder.ts';
import { exportSlice } from '../../src/store/export.ts';
import { type ClockSegment, LOG_FILE } from '../../src/store/layout.ts';
import { openLogFile } from '../../src/store/log-file.ts';
import type { ExportRequest } from '../../src/store/messages.ts';
import { LogReader } from '../../src/store/reading.ts';
import { modelReadings, RandomHistory } from '../fakes/random-history.ts';
import { scratch } from '../fakes/scratch.ts';
import { random } from '../fakes/store-world.ts';

interface Line {
  readonly time: number;
  readonly point: string;
  readonly count: number;
  readonly bad: number;
}

function exported(
  reader: LogReader,
  decoder: Decoder,
  wanted: Pick<ExportRequest, 'every'> & Partial<ExportRequest>,
): { lines: Line[]; slices: number } {
  const lines: Line[] = [];
  let slices = 0;
  for (let after: number | undefined = 0; after !== undefined; slices++) {
    assert.ok(slices < 10_000, 'an export that does not end');
    const request = { id: 1, after, from: 0, to: Number.MAX_SAFE_INTEGER, format: 'jsonl' as const, ...wanted };
    const steps = exportSlice(reader, decoder, request);
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    for (const line of step.value.text.split('\n').filter((l) => l !== '')) lines.push(JSON.parse(line) as Line);
    after = step.value.next;
  }
  return { lines, slices };
}

test('buckets of any width and range are what the model counts, in the order of time', (t) => {
  for (let seed = 1; seed <= 25; seed++) {
    const pick = random(seed);
    const made = new RandomHistory(scratch(t, 'export'), pick);
    made.make();
    const { reader, decoder } = made.reader();
    for (const every of [pick.pick([1000, 2000, 7000]), pick.pick([60_000, 600_000]), 86_400_000]) {
      const model = modelReadings(made, reader, every);
      const times = model.map((r) => r.exact).sort((a, b) => a - b);
      const whole = pick(2) === 0;
      const from = whole ? 0 : (times[pick(times.length)] as number);
      const to = whole ? Number.MAX_SAFE_INTEGER : from + pick(600_000);
      const { lines } = exported(reader, decoder, { every, from, to });
      const counts = new Map<string, number>();
      for (const { time, device, point } of model) {
        const start = startOf(time, every);
        if (start < startOf(from, every) || start > to) continue;
        const name = `${start} ${device}.${point.name}`;
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
      const got = new Map(lines.map(({ time, point, count, bad }) => [`${time} ${point}`, count + bad]));
      assert.equal(got.size, lines.length, 'no bucket twice');
      assert.deepEqual([...got].sort(), [...counts].sort(), `seed ${seed}, every ${every}, ${from}..${to}`);
      assert.deepEqual(
        lines.map((l) => l.time),
        lines.map((l) => l.time).sort((a, b) => a - b),
      );
    }
    reader.close();
  }
});

const SHAPE: Shape = { device: 'pump', points: [{ name: 'pressure', type: 'int16', storage: 'number' }] };
const TODAY = Date.UTC(2027, 0, 1);

/** One boot, `seconds` of readings in blocks of ten. */
function youngLog(t: TestContext, seconds: number, began: number, segments: readonly ClockSegment[]): LogReader {
  const stateDir = path.join(scratch(t, 'young'), 'state');
  mkdirSync(stateDir, { recursive: true });
  const database = new LogDatabase(openLogFile(path.join(stateDir, LOG_FILE)), 1e9);
  const log = database.addLog('0123456789');
  database.addBoot(1, log, 1);
  database.clock.set({ boot: 1, version: 1, segments });
  for (let seq = 1; seq <= seconds; ) {
    const records: LogRecord[] = [];
    for (let n = 0; n < 10; n++, seq++)
      records.push({ seq, sample: { shape: SHAPE, at: began + seq * 1000, values: [seq], reasons: null } });
    database.addRecords(log, 1, 1, records);
  }
  database.db.close();
  return new LogReader(path.join(stateDir, LOG_FILE));
}

test('without a beginning a young log is not walked from 1970 on', (t) => {
  // A gateway that has run for a year before the first block that is left.
  const reader = youngLog(t, 240, 365 * 86_400_000, [{ fromSeq: 0, offset: TODAY, estimated: false }]);
  const { lines, slices } = exported(reader, new Decoder(() => assert.fail()), { every: 1000 });
  assert.equal(lines.length, 240);
  assert.ok(slices <= 2, `${slices} slices`);
  reader.close();
});

test('a board that began in 1970 and learnt the time has nothing in between', (t) => {
  const reader = youngLog(t, 240, 0, [
    { fromSeq: 0, offset: 1000, estimated: true },
    { fromSeq: 121, offset: TODAY, estimated: false },
  ]);
  const { lines, slices } = exported(reader, new Decoder(() => assert.fail()), { every: 1000 });
  assert.equal(lines.length, 240);
  assert.ok(slices <= 3, `${slices} slices`);
  reader.close();
});
