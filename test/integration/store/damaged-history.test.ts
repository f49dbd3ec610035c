/**
 * Damage to history.db and log.db at once. What lies in history.db is delivered whatever log.db has lost: under its own log where its
 * lanes are proven, else under a log of its own, which an event names. Damage that SQLite does not find is mended before a reader passes it.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import type { Shape } from '../../../src/core/point.ts';
import type { Outlet } from '../../../src/store/delivery/outlet.ts';
import type { Repair } from '../../../src/store/files/repair-report.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { payloadText } from '../../harness/payload-text.ts';
import { scratch } from '../../harness/scratch.ts';
import { exportAll } from '../../harness/store-fixture.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';

const PAGE = 4096;
const UNITS = 12;
const PER_UNIT = 30;
const plant: Shape = {
  device: 'plant',
  points: Array.from({ length: 20 }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' })),
};

interface Site {
  readonly clock: ManualClock;
  readonly state: string;
  readonly run: string;
  readonly history: string;
  readonly log: string;
  readonly consumer: Consumer;
}
interface Run {
  readonly log: Log;
  readonly outlet: Outlet;
  readonly repairs: Repair[];
}

async function open(t: TestContext, s: Site): Promise<Run> {
  const log = await Log.open({
    ...{ stateDir: s.state, runtimeDir: s.run, clock: s.clock, maxSize: 1e8, maxAge: 1e13, commitEvery: 10_000 },
  });
  t.after(() => log.abandon());
  const repairs = log.opened.repairs.filter((r) => r.unfinished !== true);
  log.on('repaired', (repair) => repairs.push(repair));
  const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
  log.setClock(s.clock.wall(), false);
  log.setInventory('{}');
  await outlet.ready();
  return { log, outlet, repairs };
}
const level = (i: number): number => Math.sin(i * 7919) * 1e6;
function append({ log }: Run, i: number): void {
  log.append({ shape: plant, at: i, values: plant.points.map((_, p) => (p === 0 ? i : level(i + p))), reasons: null });
}
async function deliver(s: Site, { log, outlet }: Run): Promise<void> {
  await waitFor('everything to be delivered', async () => {
    for (const lane of ['data', 'history'] as const)
      for (;;) {
        const batch = await outlet.next(lane, 2000);
        if (batch === undefined) break;
        if (!outlet.handOver(batch)) continue;
        s.consumer.feed(`sluice/g1/${lane}`, payloadText(batch));
        outlet.done(batch);
      }
    await log.flush();
    return log.salvage === undefined && !outlet.pending('data') && !outlet.pending('history');
  });
}

/** The keeper looks at history.db within a minute, and what it has of older logs joins the others. */
async function looked(s: Site, { log }: Run, name: RegExp): Promise<void> {
  await s.clock.advance(60_000);
  const isThere = (): boolean => log.opened.logs.slice(0, -1).some((l) => name.test(l.name));
  await waitFor('the units of older logs', () => log.salvage === undefined && isThere());
}

/** Units of which nothing was delivered; log.db has no blocks any more. @param tail records that only the runtime directory has */
async function made(t: TestContext, tail = 0): Promise<Site & { readonly id: string }> {
  const dir = scratch(t, 'damaged-history');
  const state = path.join(dir, 'state');
  const s = {
    ...{ clock: new ManualClock(), state, run: path.join(dir, 'run'), consumer: new Consumer() },
    ...{ history: path.join(state, 'history.db'), log: path.join(state, 'log.db') },
  };
  const run = await open(t, s);
  for (let i = 0; i < UNITS * PER_UNIT; i++) {
    append(run, i);
    if (i % PER_UNIT !== PER_UNIT - 1) continue;
    await run.log.flush();
    await run.log.compact();
  }
  await run.log.flush();
  for (let i = 0; i < tail; i++) append(run, UNITS * PER_UNIT + i);
  if (tail === 0) await run.log.close(5000);
  else await run.log.abandon();
  return { ...s, id: run.log.id };
}

function change(file: string, sql: string): void {
  const db = new Database(file);
  db.exec(sql);
  db.close();
}
function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] as number) ^ 0x40;
  writeFileSync(file, bytes);
}
/** All that was appended, once each, under the logs given. */
function judge(s: Site, records: number, log: RegExp): void {
  assert.deepEqual(s.consumer.judge(), []);
  const old = s.consumer.records().filter((r) => r.device === 'plant');
  assert.deepEqual(
    old.map((r) => r.values.p0).sort((a, b) => Number(a) - Number(b)),
    Array.from({ length: records }, (_, i) => i),
  );
  for (const r of old) assert.match(r.log, log);
}

test('units are delivered under their log though log.db lost what names them', async (t) => {
  const s = await made(t);
  change(s.log, 'delete from compacted');
  // The rows of log.db and the pages of history.db are whole; neither file can be used as it is.
  flip(s.log, 20);
  flip(s.history, 20);
  const run = await open(t, s);
  await looked(s, run, new RegExp(s.id));
  await deliver(s, run);
  judge(s, UNITS * PER_UNIT, new RegExp(`^${s.id}$`));
  assert.deepEqual(
    run.repairs.map((r) => [r.file, r.salvaged?.again]),
    [
      ['log.db', []],
      ['history.db', []],
    ],
  );
});

test('units without proven lanes are delivered under a log of their own, which is reported', async (t) => {
  const s = await made(t);
  change(s.log, 'update lanes set sum = 0');
  change(s.history, "delete from meta where name = 'witness'");
  const run = await open(t, s);
  await looked(s, run, /^s/);
  await deliver(s, run);
  judge(s, UNITS * PER_UNIT, /^s/);
  const again = run.repairs.find((r) => r.file === 'history.db')?.salvaged?.again ?? [];
  assert.deepEqual(
    again.map(({ newLog, ...rest }) => ({ ...rest, salvage: newLog.startsWith('s') })),
    [{ oldLog: s.id, first: 1, last: UNITS * PER_UNIT, records: UNITS * PER_UNIT, notices: 0, salvage: true }],
  );
  await run.log.close(5000);

  // A further damage of history.db leaves them where they are now.
  flip(s.history, 20);
  const next = await open(t, s);
  append(next, UNITS * PER_UNIT);
  await s.clock.advance(60_000);
  await waitFor('the repair', () => next.repairs.length > 0);
  await deliver(s, next);
  assert.deepEqual(
    next.repairs.map((r) => [r.file, r.salvaged?.records, r.salvaged?.again]),
    [['history.db', UNITS * PER_UNIT, []]],
  );
  assert.equal(s.consumer.duplicates, 0);
  assert.equal(s.consumer.records().length, UNITS * PER_UNIT + 1);
});

test('a kill before log.db has that log: the next start makes it again', async (t) => {
  const s = await made(t);
  change(s.log, 'update lanes set sum = 0');
  change(s.history, "delete from meta where name = 'witness'");
  const run = await open(t, s);
  await looked(s, run, /^s/);
  await deliver(s, run);
  await run.log.close(5000);
  const moved = s.consumer.records()[0]?.log ?? '';
  change(s.log, `delete from lanes where log = (select ordinal from log where name = '${moved}')`);
  change(s.log, `delete from compacted where log = (select ordinal from log where name = '${moved}')`);
  change(s.log, `delete from log where name = '${moved}'`);
  const later = { ...s, consumer: new Consumer() };
  const next = await open(t, later);
  await looked(later, next, /^s/);
  await deliver(later, next);
  judge(later, UNITS * PER_UNIT, /^s/);
});

test('a wrong number of a boot in history.db costs no record of the runtime directory', async (t) => {
  const tail = 3;
  const s = await made(t, tail);
  change(s.history, 'insert into boot (boot, log) values (900, 1)');
  flip(s.log, 20);
  const run = await open(t, s);
  await deliver(s, run);
  judge(s, UNITS * PER_UNIT + tail, new RegExp(`^${s.id}$`));
});

/** Two leaves of the table of parts take each other's place: every byte is whole, and SQLite does not find the rows. */
function swapLeaves({ history }: Site): void {
  const db = new Database(history, { readonly: true });
  const pages = db
    .prepare<[], number>("select pageno from dbstat where name = 'part' and pagetype = 'leaf' order by path")
    .pluck()
    .all();
  db.close();
  const [a, b] = [pages[1], pages.at(-2)];
  assert.ok(pages.length > 4 && a !== undefined && b !== undefined);
  const bytes = readFileSync(history);
  const was = Buffer.from(bytes.subarray((a - 1) * PAGE, a * PAGE));
  bytes.copy(bytes, (a - 1) * PAGE, (b - 1) * PAGE, b * PAGE);
  was.copy(bytes, (a - 1) * PAGE + (b - a) * PAGE);
  writeFileSync(history, bytes);
}

for (const [name, read] of [
  ['a backlog', deliver],
  [
    'an export',
    async (s: Site, { log }: Run): Promise<void> => {
      const lines = (await exportAll(log)).trimEnd().split('\n');
      const seqs = lines.map((line) => (JSON.parse(line) as { seq: number }).seq);
      assert.deepEqual(
        seqs,
        Array.from({ length: UNITS * PER_UNIT }, (_, i) => i + 1),
      );
      void s;
    },
  ],
  ['the check within a minute', async (s: Site): Promise<void> => s.clock.advance(60_000)],
] as const)
  test(`parts that SQLite does not find: ${name} meets them, none is left out`, async (t) => {
    const s = await made(t);
    swapLeaves(s);
    const run = await open(t, s);
    await read(s, run);
    await waitFor('the repair', () => run.repairs.length > 0);
    assert.deepEqual(
      run.repairs.map((r) => [r.file, r.salvaged?.records, r.salvaged?.lost.records]),
      [['history.db', UNITS * PER_UNIT, 0]],
    );
    await deliver(s, run);
    judge(s, UNITS * PER_UNIT, new RegExp(`^${s.id}$`));
  });
