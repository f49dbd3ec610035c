/**
 * A disk that fails for a moment, at any read or sync of an opening and of the work after it: what it did not give is
 * asked for again, and no file that is whole is taken for damaged.
 */
import assert from 'node:assert/strict';
import { cpSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import type { Shape } from '../../../src/core/point.ts';
import type { GatewayEvent } from '../../../src/core/ports.ts';
import { LogWatch } from '../../../src/reports/log-watch.ts';
import { HISTORY_FILE } from '../../../src/store/files/history-layout.ts';
import { LOG_FILE } from '../../../src/store/files/layout.ts';
import { Log } from '../../../src/store/log.ts';
import { Child } from '../../harness/child.ts';
import { inject } from '../../harness/injected-fault.ts';
import type { Met } from '../../harness/opens-log.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

const OPENS = path.join(import.meta.dirname, '../../harness/opens-log.ts');
const wide: Shape = {
  device: 'plant',
  points: Array.from({ length: 60 }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' })),
};
/** Records of a life, and of the process that goes on with it. */
const HELD = 1005;
/** More than that many calls of one kind on one file are not looked at. */
const MOST = 40;

interface Made {
  readonly state: string;
  readonly run: string;
  readonly id: string;
}

/** As a kill leaves it: units, commit blocks, a write-ahead file, a tail. */
async function life(dir: string): Promise<Made> {
  const [state, run] = [path.join(dir, 'state'), path.join(dir, 'run')];
  const log = await Log.open({
    ...{ stateDir: state, runtimeDir: run, clock: systemClock, maxSize: 8e6, maxAge: 1e13, commitEvery: 3_600_000 },
  });
  log.outlet('cloud', 'oldest', 'g1', 'json');
  log.setClock(Math.round(Date.now() - performance.now()), false);
  log.setInventory('{}');
  let n = 0;
  const append = (records: number): void => {
    for (let i = 0; i < records; i++, n++)
      log.append({
        ...{ shape: wide, at: systemClock.monotonic(), reasons: null },
        values: wide.points.map((_, p) => Math.sin(n * 7919 + p) * 1e6),
      });
  };
  for (let commit = 0; commit < 10; commit++) {
    append(50);
    await log.flush();
  }
  await log.compact();
  await log.flush();
  for (let commit = 0; commit < 10; commit++) {
    append(50);
    await log.flush();
  }
  // Its copies are to be taken for the file itself.
  const db = new Database(path.join(state, LOG_FILE));
  db.prepare("delete from meta where name = 'birth'").run();
  db.close();
  append(7);
  const made = { state: path.join(dir, 'killed'), run: path.join(dir, 'killed-run'), id: log.id };
  cpSync(state, made.state, { recursive: true });
  cpSync(run, made.run, { recursive: true });
  await log.abandon();
  assert.ok(statSync(path.join(made.state, `${LOG_FILE}-wal`)).size > 0);
  return made;
}

/** @param tail false: the power was cut, the runtime directory is empty @returns what a process met that opened a copy; undefined after the test was marked as skipped */
async function opened(
  t: TestContext,
  made: Made,
  dir: string,
  file: string,
  calls: string,
  tail: boolean,
): Promise<Met | undefined> {
  const [state, run] = [path.join(dir, 'copy'), path.join(dir, 'copy-run')];
  for (const [from, to] of [
    [made.state, state],
    [made.run, run],
  ] as const) {
    rmSync(to, { recursive: true, force: true });
    if (tail || from !== made.run) cpSync(from, to, { recursive: true });
  }
  rmSync(path.join(run, 'owner'), { force: true });
  const child = new Child(process.execPath, [OPENS, state, run], { stdin: true });
  t.after(() => child.stop('SIGKILL'));
  await child.line(/^ready$/);
  const fault = await inject(t, child.pid ?? 0, calls, path.join(state, file));
  if (fault === undefined) return undefined;
  child.write('go');
  // It lasts until somebody has met it.
  await waitFor('the fault to be met, or all to be done', () =>
    child.stdout.some((line) => line === 'again' || line.startsWith('{')),
  );
  await fault.end();
  const line = await child.line(/^\{/);
  assert.deepEqual(
    readdirSync(state).filter((name) => name.includes('.damaged')),
    [],
    `${calls} of ${file}: ${line}`,
  );
  return JSON.parse(line) as Met;
}

for (const [call, file] of [
  ['pread64', LOG_FILE],
  ['pread64', `${LOG_FILE}-wal`],
  ['pread64', HISTORY_FILE],
  ['fdatasync', `${LOG_FILE}-wal`],
  ['fsync,fdatasync', HISTORY_FILE],
] as const)
  test(`${call} of ${file} fails once: it is tried again, nothing counts as damaged`, {
    timeout: 300_000,
  }, async (t) => {
    const dir = scratch(t, 'short-faults');
    const made = await life(dir);
    let met = 0;
    // The first ones one by one; then some of those that are left.
    for (let n = 1; n <= MOST; n += n < 10 ? 1 : 9) {
      const result = await opened(t, made, dir, file, `${call}:error=EIO:when=${n}`, n % 2 === 0);
      if (result === undefined) return;
      const what = `${call} ${n} of ${file}: ${JSON.stringify(result)}`;
      assert.deepEqual([result.refused, result.repairs, result.log], [undefined, [], made.id], what);
      // The boot of a try that came as far as its first sync is not used again; then the tail is in the log already.
      const begun = (result.boot ?? 0) - 2;
      assert.ok(begun === 0 || begun === result.retried.length, what);
      assert.equal(result.recovered, n % 2 === 0 && begun === 0 ? 7 : 0, what);
      assert.equal(result.held, HELD + (n % 2 === 0 ? 7 : 0), what);
      met += result.retried.length;
    }
    if (file !== HISTORY_FILE) assert.ok(met > 0, 'no opening met it: this shows nothing');
  });

test('a tail that cannot be read once is read again, and nothing of it is lost', async (t) => {
  const dir = scratch(t, 'short-faults');
  const made = await life(dir);
  const tail = readdirSync(made.run).find((name) => name.startsWith('tail-')) ?? '';
  const result = await opened(t, made, dir, path.join('..', 'copy-run', tail), 'read:error=EIO:when=1', true);
  if (result === undefined) return;
  assert.deepEqual([result.retried, result.recovered, result.held], [['EIO: i/o error, read'], 7, HELD + 7]);
});

test('a start that the disk let through only after some tries is told by one event', async (t) => {
  const dir = scratch(t, 'short-faults');
  const events: GatewayEvent[] = [];
  const log = await Log.open({
    ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock: systemClock },
    ...{ maxSize: 8e6, maxAge: 1e13, commitEvery: 3_600_000 },
  });
  t.after(() => log.abandon());
  const told = (openFaults: readonly string[]): GatewayEvent[] => {
    events.length = 0;
    const watch = new LogWatch({
      ...{ log, openFaults, clock: systemClock, logger: silentLogger, event: (e) => events.push(e), onFatal: () => {} },
    });
    watch.tellStart();
    watch.stop();
    return events.filter((e) => e.event === 'log');
  };
  assert.deepEqual(told([]), []);
  const [event, ...more] = told(['EIO: i/o error, read', 'disk I/O error']);
  assert.deepEqual(more, []);
  assert.deepEqual(
    [event?.severity, event?.data],
    ['warning', { part: 'log', writable: true, failures: 2, fault: 'disk I/O error' }],
  );
  assert.match(event?.message ?? '', /^The log could be opened only after 2 tries that failed: disk I\/O error\. /);
});

test('a repair that ends while the gateway is put together is told when the start is over', async (t) => {
  const dir = scratch(t, 'short-faults');
  const log = await Log.open({
    ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock: systemClock },
    ...{ maxSize: 8e6, maxAge: 1e13, commitEvery: 3_600_000 },
  });
  t.after(() => log.abandon());
  const events: GatewayEvent[] = [];
  let started = false;
  const watch = new LogWatch({
    ...{ log, clock: systemClock, logger: silentLogger, onFatal: (error) => assert.fail(error) },
    event: (event) => {
      assert.ok(started, 'nobody takes events yet');
      events.push(event);
    },
  });
  t.after(() => watch.stop());
  const repair = {
    file: 'history.db' as const,
    why: 'its header is noise',
    quarantine: undefined,
    salvaged: undefined,
    ended: [],
  };
  log.emit('repaired', repair);
  started = true;
  watch.tellStart();
  assert.deepEqual(
    events.map(({ event }) => event),
    ['start', 'salvage', 'loss'],
  );
  log.emit('repaired', repair);
  assert.equal(events.length, 5);
});
