/**
 * A salvage that reaches a bound: it ends there, says how much it left in the damaged file, and the log goes on. What came back is
 * delivered once and is right.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import type { Shape } from '../../../src/core/point.ts';
import type { Outlet } from '../../../src/store/delivery/outlet.ts';
import type { Repair } from '../../../src/store/files/repair-report.ts';
import { SALVAGE_BOUNDS, type SalvageBounds } from '../../../src/store/files/salvage-bounds.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { allNotices } from '../../harness/all-notices.ts';
import { greedyPages } from '../../harness/greedy-pages.ts';
import { payloadText } from '../../harness/payload-text.ts';
import { salvageOver } from '../../harness/salvage-over.ts';
import { scratch } from '../../harness/scratch.ts';
import { exportAll } from '../../harness/store-fixture.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';

const PAGE = 1024;
const RECORDS = 120;
/** Numbers that deflate can do nothing with: a record has some kilobytes, and so several pages. */
const tank: Shape = {
  device: 'tank',
  points: Array.from({ length: 600 }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' })),
};
const valuesOf = (record: number): number[] => tank.points.map((_, p) => (p === 0 ? record : Math.sin(record * 7919 + p) * 1e6));

class Site {
  readonly state: string;
  readonly #run: string;
  readonly file: string;
  readonly clock = new ManualClock();
  readonly consumer = new Consumer();
  readonly #t: TestContext;

  constructor(t: TestContext) {
    const dir = scratch(t, 'salvage-bounds');
    this.#t = t;
    this.state = path.join(dir, 'state');
    this.#run = path.join(dir, 'run');
    this.file = path.join(this.state, 'log.db');
  }

  async open(bounds: Partial<SalvageBounds> = {}): Promise<{ log: Log; outlet: Outlet }> {
    const log = await Log.open({
      ...{ stateDir: this.state, runtimeDir: this.#run, clock: this.clock, maxSize: 1e8, maxAge: 1e13, commitEvery: 1e9 },
      salvage: { ...SALVAGE_BOUNDS, ...bounds },
    });
    this.#t.after(() => log.abandon());
    const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
    log.setClock(this.clock.wall() - this.clock.monotonic(), false);
    log.setInventory('{}');
    await outlet.ready();
    return { log, outlet };
  }

  append(log: Log, record: number): void {
    log.append({ shape: tank, at: this.clock.monotonic(), values: valuesOf(record), reasons: null });
  }

  async deliver(outlet: Outlet): Promise<void> {
    for (const lane of ['data', 'history'] as const)
      for (;;) {
        const batch = await outlet.next(lane, 1000);
        if (batch === undefined) break;
        outlet.handOver(batch);
        this.consumer.feed(`sluice/g1/${lane}`, payloadText(batch));
        outlet.done(batch);
      }
    for (let some = await allNotices(outlet, 100); some.length > 0; some = await allNotices(outlet, 100))
      for (const notice of some) {
        this.consumer.feed(`sluice/g1/${notice.kind}`, notice.json);
        outlet.noticesDone(notice);
      }
  }

  /** Numbers of the records that were delivered, once each; every value is that of its record. */
  delivered(): number[] {
    assert.deepEqual(this.consumer.judge(), []);
    return this.consumer.records().map((r) => {
      const record = r.values.p0 as number;
      assert.deepEqual(Object.values(r.values), valuesOf(record), `record ${record} is as it was taken`);
      return record;
    });
  }

  /** A log of RECORDS commits that nobody has, all of it in log.db itself; its process is gone. */
  async filled(compact: boolean): Promise<void> {
    const { log } = await this.open();
    for (let i = 1; i <= RECORDS; i++) {
      await this.clock.advance(100);
      this.append(log, i);
      await log.flush();
    }
    if (compact) {
      await log.compact();
      await log.flush();
    }
    await log.abandon();
    const db = new Database(this.file);
    db.pragma('wal_checkpoint(TRUNCATE)');
    db.close();
  }

  damage(file: string, change: (bytes: Buffer) => void): Buffer {
    const bytes = readFileSync(file);
    change(bytes);
    writeFileSync(file, bytes);
    return bytes;
  }
}

/** The header of the file is noise. */
const beheaded = (bytes: Buffer): void => {
  bytes.fill(0xa5, 0, 100);
};

/** The end of the salvage, with the repair that it reports. */
async function salvaged(log: Log): Promise<Repair> {
  await salvageOver(log);
  const repair = log.opened.repairs.find((r) => r.file === 'log.db');
  assert.ok(repair?.salvaged !== undefined && repair.quarantine !== undefined && existsSync(repair.quarantine));
  return repair;
}

/** The log goes on: a reading that is taken now is delivered. */
async function goesOn(site: Site, { log, outlet }: { log: Log; outlet: Outlet }): Promise<void> {
  site.append(log, RECORDS + 1);
  await log.flush();
  await site.deliver(outlet);
  assert.equal(site.consumer.records().filter((r) => r.log === log.id && r.values.p0 === RECORDS + 1).length, 1);
}

test('the time for log.db is over: what is left is counted, the rest is delivered', async (t) => {
  const site = new Site(t);
  await site.filled(false);
  const pages = site.damage(site.file, beheaded).length / PAGE;
  const opened = await site.open({ rest: 1 });
  const { salvaged: came } = await salvaged(opened.log);
  const unread = came?.unread?.pages ?? 0;
  assert.ok(unread > 0 && unread <= pages, `${unread} of ${pages} pages were not read`);
  await goesOn(site, opened);
  const old = site.delivered().filter((record) => record <= RECORDS);
  t.diagnostic(`${old.length} records came back, ${unread} of ${pages} pages were left`);
  assert.ok(old.length < RECORDS, 'the bound was reached');
  assert.equal(old.length, came?.records);
  await opened.log.close(5000);
});

test('the time of a start is over before it knows anything: all comes back later', async (t) => {
  const site = new Site(t);
  await site.filled(false);
  site.damage(site.file, beheaded);
  const opened = await site.open({ start: 0 });
  const { salvaged: came } = await salvaged(opened.log);
  assert.equal(came?.unread, undefined);
  await goesOn(site, opened);
  assert.deepEqual(
    site.delivered().toSorted((a, b) => a - b),
    Array.from({ length: RECORDS + 1 }, (_, i) => i + 1),
  );
  await opened.log.close(5000);
});

test('the time for history.db is over: what is left is counted, and the log goes on', async (t) => {
  const site = new Site(t);
  await site.filled(true);
  const history = path.join(site.state, 'history.db');
  site.damage(history, beheaded);
  const opened = await site.open({ history: 0 });
  const repairs: Repair[] = [];
  opened.log.on('repaired', (repair) => repairs.push(repair));
  opened.log.keeper.check().catch(() => {});
  const repair = await waitFor('the repair of history.db', () => repairs.find((r) => r.file === 'history.db'));
  assert.ok((repair.salvaged?.unread?.pages ?? 0) > 0, JSON.stringify(repair));
  assert.equal(repair.salvaged?.records, 0);
  assert.ok(repair.quarantine !== undefined && existsSync(repair.quarantine));
  await goesOn(site, opened);
  assert.ok(site.delivered().includes(RECORDS + 1));
  await exportAll(opened.log);
  await opened.log.close(5000);
});

test('rows that claim the whole file again and again are followed 16 times', async (t) => {
  const site = new Site(t);
  await site.filled(false);
  const leaves = 6;
  const claims = leaves * 8;
  site.damage(site.file, (bytes) => {
    const pages = bytes.length / PAGE;
    // In the middle: the rows before it have used up little of what may be followed.
    const first = Math.floor(pages / 2);
    greedyPages(first, leaves, pages - 10).copy(bytes, (first - 1) * PAGE);
  });
  const opened = await site.open();
  const { salvaged: came } = await salvaged(opened.log);
  const rows = came?.unread?.rows ?? 0;
  assert.ok(rows >= claims - 16, `${rows} rows were not followed`);
  assert.equal(came?.unread?.pages, 0);
  await goesOn(site, opened);
  const old = site.delivered().filter((record) => record <= RECORDS);
  t.diagnostic(`${old.length} of ${RECORDS} records came back, ${rows} rows were not followed`);
  assert.ok(old.length > RECORDS / 4, 'what stands before them came back');
  assert.equal(old.length, came?.records);
  // Each record that is gone is a row that was not followed, or lay where the damage is.
  const gone = RECORDS - old.length;
  assert.ok(gone > 0 && gone <= rows - (claims - 16) + leaves + 1, `${gone} records are gone`);
  await opened.log.close(5000);
});
