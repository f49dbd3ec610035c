/** A salvage of a large log.db takes the memory that docs/decisions/salvage.md states, in a process of its own with the heap of the daemon. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import type { Shape } from '../../../src/core/point.ts';
import type { Repair } from '../../../src/store/files/repair-report.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';

const CHILD = path.join(import.meta.dirname, '..', '..', 'harness', 'salvage-child.ts');
const MB = 1024 * 1024;
/** As the page says: what a process that salvages may have at its peak beyond one that opens an empty log. */
const MOST = 128 * MB;
const RECORDS = 14_000;
const OF_COMMIT = 20;
/** Letters of a text that deflate can do little with. */
const LETTERS = 6000;
const note: Shape = { device: 'note', points: [{ name: 'text', type: 'string', storage: 'string' }] };

/** A log.db with all of its records, and a header that is noise. @returns bytes of the file */
async function damaged(stateDir: string, runtimeDir: string): Promise<number> {
  const clock = new ManualClock();
  const log = await Log.open({ stateDir, runtimeDir, clock, maxSize: 256e6, maxAge: 1e13, commitEvery: 1e9 });
  log.setClock(clock.wall() - clock.monotonic(), false);
  log.setInventory('{}');
  for (let i = 1; i <= RECORDS; i++) {
    const values = [randomBytes((LETTERS * 3) / 4).toString('base64')];
    log.append({ shape: note, at: clock.monotonic(), values, reasons: null });
    if (i % OF_COMMIT !== 0) continue;
    await log.flush();
    // Less than the five seconds after which the keeper would begin to move blocks to history.db.
    await clock.advance(5);
  }
  await log.abandon();
  const file = path.join(stateDir, 'log.db');
  const db = new Database(file);
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
  const fd = openSync(file, 'r+');
  writeSync(fd, Buffer.alloc(100, 0xa5), 0, 100, 0);
  closeSync(fd);
  return statSync(file).size;
}

async function opened(t: TestContext, stateDir: string, runtimeDir: string) {
  const flags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1', '--max-old-space-size=96'];
  const child = startChild(t, process.execPath, [...flags, CHILD, stateDir, runtimeDir]);
  assert.equal(await child.ended, 0, child.stderr.join('\n'));
  return JSON.parse(child.stdout.join('')) as { peak: number; repairs: Repair[] };
}

test('a salvage of some 60 MB stays below its stated memory', { timeout: 600_000 }, async (t) => {
  const folder = scratch(t, 'salvage-memory', existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
  const at = (name: string) => [path.join(folder, name, 'state'), path.join(folder, name, 'run')] as const;
  const size = await damaged(...at('damaged'));
  // The keeper may have moved the oldest blocks to history.db meanwhile.
  assert.ok(size > 40 * MB, `${size} bytes`);
  const idle = await opened(t, ...at('empty'));
  assert.deepEqual(idle.repairs, []);
  const { peak, repairs } = await opened(t, ...at('damaged'));
  const [repair] = repairs;
  assert.ok(repair?.salvaged !== undefined, JSON.stringify(repairs));
  assert.ok(repair.salvaged.blocks > RECORDS / OF_COMMIT / 2, `${repair.salvaged.blocks} blocks came back`);
  const more = peak - idle.peak;
  t.diagnostic(
    `${(size / MB).toFixed(0)} MB of log.db: ${(more / MB).toFixed(0)} MB more than ${(idle.peak / MB).toFixed(0)} MB`,
  );
  assert.ok(more > 0 && more < MOST, `${(more / MB).toFixed(1)} MB more`);
});
