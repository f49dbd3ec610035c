/**
 * A file of the log that ends in the middle of a page which a long row goes on in. SQLite's own check sees nothing, and each read of that
 * row fails like one of a failing disk: such a file is mended at the start, and whoever reads does not wait for ever.
 */
import assert from 'node:assert/strict';
import { mkdirSync, statSync, truncateSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import type { Shape } from '../../../src/core/point.ts';
import { PAGE_SIZE } from '../../../src/store/files/layout.ts';
import { Log } from '../../../src/store/log.ts';
import { sizeFault } from '../../../src/store/recovery/check-size.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { payloadText } from '../../harness/payload-text.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';

const BLOCKS = 10;
const PER_BLOCK = 30;
const plant: Shape = {
  device: 'plant',
  points: Array.from({ length: 20 }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' })),
};

async function open(t: TestContext, dir: string, clock: ManualClock): Promise<Log> {
  const log = await Log.open({
    ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock },
    ...{ maxSize: 1e8, maxAge: 1e13, commitEvery: 10_000 },
  });
  t.after(() => log.abandon());
  log.setClock(clock.wall(), false);
  return log;
}

/** Whether the last page of the file is one that a block or a part goes on in. */
function endsInRow(file: string): boolean {
  const db = new Database(file, { readonly: true });
  try {
    const last = db.pragma('page_count', { simple: true }) as number;
    const kind = db
      .prepare<[number], string>("select pagetype from dbstat where pageno = ? and name in ('block', 'part')")
      .pluck();
    return kind.get(last) === 'overflow';
  } finally {
    db.close();
  }
}

for (const file of ['log.db', 'history.db'] as const)
  test(`${file} that ends in the middle of a page: all but what lay there is delivered`, async (t) => {
    const dir = scratch(t, 'cut-short');
    const clock = new ManualClock();
    const log = await open(t, dir, clock);
    log.setInventory('{}');
    let written = 0;
    // history.db is locked while it is open.
    for (let n = 0; n < BLOCKS || (file === 'log.db' && !endsInRow(path.join(dir, 'state', file))); n++) {
      assert.ok(n < 10 * BLOCKS, 'no row reaches the end of the file');
      for (let i = 0; i < PER_BLOCK; i++, written++)
        log.append({
          ...{ shape: plant, at: written, reasons: null },
          values: plant.points.map((_, p) => Math.sin(written * 7919 + p) * 1e6),
        });
      await log.flush();
      if (file === 'history.db') await log.compact();
    }
    await log.close(5000);
    const name = path.join(dir, 'state', file);
    if (file === 'log.db') assert.ok(endsInRow(name));
    truncateSync(name, statSync(name).size - 100);

    const next = await open(t, dir, clock);
    const repaired: string[] = [];
    next.on('repaired', (repair) => repaired.push(repair.file));
    const outlet = next.outlet('cloud', 'oldest', 'g1', 'json');
    next.setInventory('{}');
    await outlet.ready();
    const consumer = new Consumer();
    await waitFor('everything to be delivered', async () => {
      for (const lane of ['data', 'history'] as const)
        for (let batch = await outlet.next(lane, 2000); batch !== undefined; batch = await outlet.next(lane, 2000)) {
          if (!outlet.handOver(batch)) continue;
          consumer.feed(`sluice/g1/${lane}`, payloadText(batch));
          outlet.done(batch);
        }
      await next.flush();
      return next.salvage === undefined && !outlet.pending('data') && !outlet.pending('history');
    });
    assert.deepEqual(consumer.judge(), []);
    const came = consumer.records().length;
    assert.ok(came >= written - PER_BLOCK && came <= written, `${came} records came`);
    assert.deepEqual(repaired, [file]);
  });

test('pages that lie in the write-ahead file alone are not missed', (t) => {
  const dir = scratch(t, 'cut-short');
  mkdirSync(dir, { recursive: true });
  const file = path.join(dir, 'some.db');
  const db = new Database(file);
  t.after(() => db.close());
  db.pragma(`page_size = ${PAGE_SIZE}`);
  db.pragma('journal_mode = WAL');
  db.pragma('wal_autocheckpoint = 0');
  db.exec('create table block (id integer primary key, body blob)');
  const put = db.prepare('insert into block (body) values (?)');
  put.run(Buffer.alloc(20 * PAGE_SIZE, 1));
  assert.equal(sizeFault(file), undefined, 'before a checkpoint');
  db.pragma('wal_checkpoint(truncate)');
  assert.equal(sizeFault(file), undefined, 'after it');
  put.run(Buffer.alloc(20 * PAGE_SIZE, 2));
  assert.equal(sizeFault(file), undefined, 'with both');
  truncateSync(file, statSync(file).size - 1);
  assert.match(sizeFault(file) ?? '', /ends before the last of its \d+ pages/);
});
