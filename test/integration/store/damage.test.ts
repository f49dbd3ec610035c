/**
 * Damage of every kind to any of the files, after a stop and after a kill. Whatever it is: the log opens at once, what is
 * whole is delivered, nothing that is delivered is wrong, and what comes of it is whole. SLUICE_DAMAGE_RUNS (7), SLUICE_SEED (1).
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { after } from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import type { Shape } from '../../../src/core/point.ts';
import type { Outlet } from '../../../src/store/delivery/outlet.ts';
import type { Repair } from '../../../src/store/files/repair-report.ts';
import { Log } from '../../../src/store/log.ts';
import { allNotices } from '../../harness/all-notices.ts';
import { damage, KINDS, type Kind } from '../../harness/damage.ts';
import { DamageSite, ENDS, type End } from '../../harness/damage-site.ts';
import { payloadText } from '../../harness/payload-text.ts';
import { waitFor } from '../../harness/wait-for.ts';
import type { Consumer } from '../../oracles/consumer.ts';

const RUNS = Number(process.env.SLUICE_DAMAGE_RUNS ?? 7);
const SEED = Number(process.env.SLUICE_SEED ?? 1);
/** A start that takes longer hangs. */
const START_WITHIN = 10_000;
const later: Shape = { device: 'later', points: [{ name: 'count', type: 'uint32', storage: 'number' }] };

const folder = mkdtempSync(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sluice-damage-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
const sites = new Map<End, Promise<DamageSite>>();
function siteOf(end: End): Promise<DamageSite> {
  const known = sites.get(end) ?? make(end);
  sites.set(end, known);
  return known;
}
async function make(end: End): Promise<DamageSite> {
  const site = new DamageSite(path.join(folder, `${ENDS.indexOf(end)}`));
  await site.make(end);
  return site;
}

async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function open(site: DamageSite): Promise<{ log: Log; outlet: Outlet; repairs: Repair[] }> {
  const log = await within(
    START_WITHIN,
    'the start',
    Log.open({
      ...{ stateDir: site.state, runtimeDir: site.run, clock: systemClock, maxSize: 1e8, maxAge: 1e13, commitEvery: 50 },
    }),
  );
  const repairs = log.opened.repairs.filter((r) => r.unfinished !== true);
  log.on('repaired', (repair) => repairs.push(repair));
  const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
  log.setClock(Math.round(Date.now() - performance.now()), false);
  log.setInventory('{"later":{}}');
  await outlet.ready();
  return { log, outlet, repairs };
}

/** Delivers until nothing is left; what is asked while a file is mended is asked again. */
async function drain(log: Log, outlet: Outlet, consumer: Consumer): Promise<void> {
  const some = async (): Promise<boolean> => {
    let had = false;
    for (const lane of ['data', 'history'] as const)
      for (;;) {
        const batch = await outlet.next(lane, 500);
        if (batch === undefined) break;
        if (!outlet.handOver(batch)) continue;
        consumer.feed(`sluice/g1/${lane}`, payloadText(batch));
        outlet.done(batch);
        had = true;
      }
    for (;;) {
      const notices = await allNotices(outlet, 100);
      if (notices.length === 0) break;
      for (const notice of notices) {
        consumer.feed('sluice/g1/event', notice.json);
        outlet.noticesDone(notice);
      }
      had = true;
    }
    await log.flush();
    return !had && log.salvage === undefined && !outlet.pending('data') && !outlet.pending('history');
  };
  await waitFor('everything to be delivered', some);
}

async function run(site: DamageSite, kind: Kind, seed: number): Promise<{ repaired: boolean; whole: number; gone: number }> {
  const { files, done } = damage(kind, seed, site.files);
  site.restore(files);
  const consumer = site.consumer();
  const what = `seed ${seed}: ${done.join('; ')}`;
  const logs: Log[] = [];
  try {
    const { log, outlet, repairs } = await open(site);
    logs.push(log);
    const mine: string[] = [];
    for (let i = 0; i < 5; i++) {
      const record = log.append({ shape: later, at: systemClock.monotonic(), values: [i], reasons: null });
      if (record !== undefined) mine.push(`${log.id}/${record.seq}`);
    }
    await log.flush();
    await drain(log, outlet, consumer);
    await log.compact();
    await drain(log, outlet, consumer);
    const { id } = log;
    await log.close(10_000);

    assert.deepEqual(consumer.judge(), [], 'the contract is kept');
    const records = consumer.records();
    assert.deepEqual(
      records.filter((r) => r.log === id && r.device === 'later').map((r) => `${r.log}/${r.seq}`),
      mine,
      'what was taken after the start arrives',
    );
    const all = new Set(site.committed.values());
    for (const r of records) {
      if (r.device === 'later') continue;
      const content = JSON.stringify([r.device, r.values]);
      const was = site.committed.get(`${r.log}/${r.seq}`);
      if (r.log.startsWith('s')) assert.ok(all.has(content), `${r.log}/${r.seq} was never committed: ${content}`);
      else assert.equal(content, was, `${r.log}/${r.seq} is another record than was committed`);
    }
    const had = new Set(records.map((r) => JSON.stringify([r.device, r.values])));
    const whole = site.whole(files);
    const missing = [...whole].filter((content) => !had.has(content));
    assert.equal(
      missing.length,
      0,
      `${missing.length} records are whole and did not arrive, as ${missing[0]}; ${JSON.stringify(repairs)}`,
    );

    const again = await open(site);
    logs.push(again.log);
    assert.deepEqual(again.repairs, [], 'what was made anew is whole');
    await drain(again.log, again.outlet, consumer);
    assert.deepEqual(consumer.judge(), []);
    await again.log.close(10_000);
    const gone = [...all].filter((content) => !had.has(content)).length;
    return { repaired: repairs.length > 0, whole: whole.size, gone };
  } catch (thrown) {
    for (const log of logs) await log.abandon();
    throw new Error(`${kind}, ${what}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, { cause: thrown });
  }
}

for (const kind of KINDS)
  test(`${kind}, ${RUNS} seeds: it starts, and delivers what is whole and nothing wrong`, async (t) => {
    const failed: string[] = [];
    const sum = { repaired: 0, whole: 0, gone: 0 };
    for (let seed = SEED; seed < SEED + RUNS; seed++) {
      const end = ENDS[seed % ENDS.length] as End;
      try {
        const { repaired, whole, gone } = await run(await siteOf(end), kind, seed);
        sum.repaired += repaired ? 1 : 0;
        sum.whole += whole;
        sum.gone += gone;
      } catch (thrown) {
        failed.push(`${end}: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`);
      }
    }
    t.diagnostic(
      `${RUNS} runs, ${sum.repaired} with a repair: ${sum.whole} records whole and delivered, ${sum.gone} damaged and not delivered, ${failed.length} runs failed`,
    );
    assert.equal(failed.length, 0, `${failed.length} of ${RUNS} failed:\n${failed.map((f) => f.slice(0, 1500)).join('\n')}`);
  });
