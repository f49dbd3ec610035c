/** Files of every version that was released stay readable: each folder of test/cases/store was written by one of them. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import Database from 'better-sqlite3';
import { ABSENT } from '../../../src/core/reasons.ts';
import { History } from '../../../src/store/archive/history-file.ts';
import { nothingTaken, takeFrom } from '../../../src/store/archive/thin.ts';
import { HISTORY_FILE, HISTORY_VERSION, HOUR_STATE, THIN } from '../../../src/store/files/history-layout.ts';
import { LOG_FILE, SCHEMA_VERSION } from '../../../src/store/files/layout.ts';
import { birthOf } from '../../../src/store/hot/log-file.ts';
import { Log } from '../../../src/store/log.ts';
import { ClockTable } from '../../../src/store/time/clock-table.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { payloadText } from '../../harness/payload-text.ts';
import { scratch } from '../../harness/scratch.ts';
import { exportAll } from '../../harness/store-fixture.ts';

/** An upgrade finds the very file that the old version wrote; a copy that was put back begins a new log. */
function notACopy(file: string): void {
  const db = new Database(file);
  db.prepare("update meta set value = ? where name = 'birth'").run(birthOf(file));
  db.close();
}

const cases = path.join(import.meta.dirname, '../../cases/store');
const versions = readdirSync(cases);

for (const version of versions)
  test(`the log of version ${version} is read value by value, delivered, and goes on`, async (t) => {
    const dir = scratch(t, 'versions');
    const state = path.join(dir, 'state');
    mkdirSync(state);
    for (const file of [LOG_FILE, HISTORY_FILE]) copyFileSync(path.join(cases, version, file), path.join(state, file));
    notACopy(path.join(state, LOG_FILE));
    const expected = readFileSync(path.join(cases, version, 'expected.jsonl'), 'utf8');
    const clock = new ManualClock(Date.UTC(2026, 11, 1));
    const log = await Log.open({
      ...{ stateDir: state, runtimeDir: path.join(dir, 'run'), clock },
      ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 10_000 },
    });
    t.after(() => log.abandon());
    const repairs: unknown[] = [];
    log.on('repaired', (repair) => repairs.push(repair));
    assert.deepEqual(log.opened.repairs, []);
    assert.equal(await exportAll(log), expected);
    assert.deepEqual(repairs, []);
    // A forwarder that the old version knew has all of it still to deliver, as readings under their old numbers.
    const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
    log.setClock(clock.wall() - clock.monotonic(), false);
    log.setInventory('{}');
    await outlet.ready();
    await log.flush();
    const delivered: number[] = [];
    for (const lane of ['history', 'data'] as const)
      for (let idle = 0; idle < 3; ) {
        const batch = await outlet.next(lane, 500);
        if (batch === undefined || !outlet.handOver(batch)) {
          // A clock mapping or a promise is on its way to the file.
          idle++;
          await log.flush();
          continue;
        }
        idle = 0;
        const body = JSON.parse(payloadText(batch)) as { records: { seq: number }[] };
        delivered.push(...body.records.map((r) => r.seq));
        outlet.done(batch);
      }
    const wanted = expected
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { seq: number }).seq);
    assert.deepEqual(
      delivered.sort((a, b) => a - b),
      wanted,
    );
  });

for (const version of versions)
  test(`a unit of version ${version} is thinned to every eighth record; the rest is counted`, (t) => {
    const file = path.join(scratch(t, 'versions'), HISTORY_FILE);
    copyFileSync(path.join(cases, version, HISTORY_FILE), file);
    const history = History.open(file);
    t.after(() => history.close());
    const unit = history.oldest(HOUR_STATE.whole);
    assert.ok(unit !== undefined);
    const before = history.hours.records(unit).records;
    const taken = nothingTaken();
    takeFrom(history, new ClockTable(history.db), unit, 'thinned', [], taken);
    const thinned = history.oldest(HOUR_STATE.thinned);
    assert.ok(thinned !== undefined);
    const left = history.hours.records(thinned).records;
    const byDevice = Map.groupBy(before, (r) => r.sample.shape.device);
    const wanted = [...byDevice.values()].flatMap((records) => records.filter((_, i) => i % THIN === 0));
    assert.ok(wanted.length > 0 && wanted.length < before.length);
    assert.deepEqual(
      left,
      wanted.sort((a, b) => a.seq - b.seq),
    );
    const gone = before.filter((r) => !left.some((l) => l.seq === r.seq));
    assert.equal(
      [...taken.thinned.values()].reduce((a, b) => a + b, 0),
      gone.reduce((sum, r) => sum + r.sample.values.filter((_, i) => r.sample.reasons?.[i] !== ABSENT).length, 0),
    );
    assert.equal(thinned.records, left.length);
  });

test('the layout of this version has its folder', () => {
  const known = versions.map((v) => JSON.parse(readFileSync(path.join(cases, v, 'versions.json'), 'utf8')) as unknown);
  const now = { log: SCHEMA_VERSION, history: HISTORY_VERSION };
  assert.ok(
    known.some((k) => JSON.stringify(k) === JSON.stringify(now)),
    'run: node test/harness/store-fixture.ts test/cases/store/<version>',
  );
});
