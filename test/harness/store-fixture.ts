/**
 * Makes the files of a log as this version writes them: `node test/harness/store-fixture.ts test/cases/store/<version>`.
 * To be run once for each layout, before the first release that has it; the folder then stays as it is for ever.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Sample, Shape } from '../../src/core/point.ts';
import { HISTORY_FILE, HISTORY_VERSION } from '../../src/store/files/history-layout.ts';
import { LOG_FILE, SCHEMA_VERSION } from '../../src/store/files/layout.ts';
import { Log } from '../../src/store/log.ts';
import { ManualClock } from '../fakes/manual-clock.ts';

/** Every storage that a value has, and values that a codec could get wrong. */
const mixed: Shape = {
  device: 'meter',
  points: [
    { name: 'decimal', type: 'int16', storage: 'number', unit: 'Cel' },
    { name: 'noise', type: 'float32', storage: 'number', unit: 'V' },
    { name: 'exact', type: 'float64', storage: 'number' },
    { name: 'count', type: 'uint64', storage: 'integer64' },
    { name: 'on', type: 'bool', storage: 'boolean' },
    { name: 'text', type: 'string', storage: 'string' },
  ],
};
const pump: Shape = { device: 'pump', points: [{ name: 'speed', type: 'uint16', storage: 'number', unit: 'Hz' }] };
const EXACT = [0.1, -0, 1e-300, Number.MAX_VALUE, 5e-324, 1 / 3];

function meter(i: number, at: number): Sample {
  const values = [
    (2100 + ((i * 7) % 40)) / 100,
    Math.fround(230 + Math.sin(i * 12.9898) * 3),
    EXACT[i % EXACT.length] as number,
    2n ** 63n + BigInt(i * i),
    i % 5 < 2,
    i % 7 === 0 ? 'störung ✓' : `state ${i % 3}`,
  ];
  // Absent, timed out, out of range.
  const reasons = i % 10 === 3 ? Uint8Array.of(255, 1, 0, 128, 0, 0) : null;
  return { shape: mixed, at, values, reasons };
}

/** Two boots: the first compacted and its end left in blocks, the second with a clock that was only estimated. */
async function make(folder: string): Promise<void> {
  const work = mkdtempSync(path.join(tmpdir(), 'sluice-fixture-'));
  const state = path.join(work, 'state');
  const start = Date.UTC(2026, 10, 25, 12);
  for (const boot of [1, 2]) {
    const clock = new ManualClock(start);
    const log = await Log.open({
      ...{ stateDir: state, runtimeDir: path.join(work, `run${boot}`), clock },
      ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 10_000 },
    });
    log.outlet('cloud', 'oldest', 'g1', 'json');
    log.setClock(start + boot * 3_600_000, boot === 2);
    log.setInventory(JSON.stringify({ meter: { boot } }));
    for (let i = 0; i < 240; i++) {
      await clock.advance(1000);
      log.append(meter(i, clock.monotonic()));
      if (i % 4 === 0) log.append({ shape: pump, at: clock.monotonic(), values: [i % 50], reasons: null });
      if (i % 60 === 0)
        log.notice('alarm', 'warm', clock.monotonic(), {
          rule: 'warm',
          state: i % 120 === 0 ? 'normal' : 'active-unacknowledged',
        });
      if (i % 20 === 0) await log.flush();
      if (boot === 1 && i === 180) await log.compact();
    }
    await log.close(60_000);
  }
  const again = await Log.open({
    ...{ stateDir: state, runtimeDir: path.join(work, 'run3'), clock: new ManualClock(start) },
    ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 10_000 },
  });
  const exported = await exportAll(again);
  await again.close(60_000);
  mkdirSync(folder, { recursive: true });
  for (const file of [LOG_FILE, HISTORY_FILE]) copyFileSync(path.join(state, file), path.join(folder, file));
  writeFileSync(path.join(folder, 'expected.jsonl'), exported);
  writeFileSync(path.join(folder, 'versions.json'), `${JSON.stringify({ log: SCHEMA_VERSION, history: HISTORY_VERSION })}\n`);
  rmSync(work, { recursive: true, force: true });
}

/** Every record that the log holds, as `sluice export` writes it. */
export async function exportAll(log: Log): Promise<string> {
  let text = '';
  for (let after: number | undefined = 0; after !== undefined; ) {
    const slice: { text: string; next: number | undefined } = await log.keeper.export({
      ...{ after, from: -1e15, to: Number.MAX_SAFE_INTEGER, format: 'jsonl' },
    });
    text += slice.text;
    after = slice.next;
  }
  return text;
}

const [, script, folder] = process.argv;
if (script === import.meta.filename && folder !== undefined) await make(folder);
