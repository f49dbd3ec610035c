/** One damage to a log, and what has to come of it: the log opens at once, delivers what is whole and nothing wrong, and is whole afterwards. */
import assert from 'node:assert/strict';
import { systemClock } from '../../src/core/clock.ts';
import type { Shape } from '../../src/core/point.ts';
import type { Outlet } from '../../src/store/delivery/outlet.ts';
import type { Repair } from '../../src/store/files/repair-report.ts';
import { Log } from '../../src/store/log.ts';
import type { Consumer } from '../oracles/consumer.ts';
import { allNotices } from './all-notices.ts';
import { damage, type Kind } from './damage.ts';
import type { DamageSite } from './damage-site.ts';
import { payloadText } from './payload-text.ts';
import { waitFor } from './wait-for.ts';

/** A start that takes longer hangs. Only time counts in which this process has its turns: a machine may stand still. Milliseconds. */
const START_WITHIN = 10_000;
const TURN = 100;
const later: Shape = { device: 'later', points: [{ name: 'count', type: 'uint32', storage: 'number' }] };

/** What is counted of a run that fails. */
export type Fault = 'slow start' | 'wrong' | 'missing' | 'other';
export class RunFailed extends Error {
  readonly fault: Fault;
  constructor(fault: Fault, message: string, cause?: unknown) {
    super(message, { cause });
    this.fault = fault;
  }
}
export interface Outcome {
  readonly repaired: boolean;
  /** Records that are whole in the damaged files, and arrived; and those that are not, and did not. */
  readonly whole: number;
  readonly gone: number;
  /** Milliseconds. */
  readonly start: number;
}

async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    let turns = 0;
    timer = setInterval(() => {
      if (++turns >= ms / TURN) reject(new RunFailed('slow start', `${what} took more than ${ms / 1000} s`));
    }, TURN);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearInterval(timer);
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

/** @throws RunFailed */
export async function damageRun(site: DamageSite, kind: Kind, seed: number): Promise<Outcome> {
  const { files, done } = damage(kind, seed, site.files);
  site.restore(files);
  const consumer = site.consumer();
  const what = `seed ${seed}: ${done.join('; ')}`;
  const logs: Log[] = [];
  try {
    const begun = performance.now();
    const { log, outlet, repairs } = await open(site);
    const start = performance.now() - begun;
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

    kept(consumer);
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
      const is = r.log.startsWith('s') ? all.has(content) : content === was;
      if (!is) throw new RunFailed('wrong', `${r.log}/${r.seq} is another record than was committed (${was}): ${content}`);
    }
    const had = new Set(records.map((r) => JSON.stringify([r.device, r.values])));
    const whole = site.whole(files);
    const missing = [...whole].filter((content) => !had.has(content));
    if (missing.length > 0)
      throw new RunFailed(
        'missing',
        `${missing.length} records are whole and did not arrive: ${numbersOf(site, missing)}; ${JSON.stringify(repairs)}`,
      );

    const again = await open(site);
    logs.push(again.log);
    assert.deepEqual(again.repairs, [], 'what was made anew is whole');
    await drain(again.log, again.outlet, consumer);
    kept(consumer);
    await again.log.close(10_000);
    const gone = [...all].filter((content) => !had.has(content)).length;
    return { repaired: repairs.length > 0, whole: whole.size, gone, start };
  } catch (thrown) {
    for (const log of logs) await log.abandon();
    const fault = thrown instanceof RunFailed ? thrown.fault : 'other';
    throw new RunFailed(fault, `${kind}, ${what}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, thrown);
  }
}

function kept(consumer: Consumer): void {
  const violations = consumer.judge();
  if (violations.length > 0)
    throw new RunFailed('wrong', `the contract is broken ${violations.length} times: ${JSON.stringify(violations[0])}`);
}

/** The first numbers, so that the run can be looked into. */
function numbersOf(site: DamageSite, contents: readonly string[]): string {
  const wanted = new Set(contents);
  const numbers = [...site.committed].filter(([, content]) => wanted.has(content)).map(([number]) => number);
  return `${numbers.slice(0, 10).join(' ')}${numbers.length > 10 ? ' …' : ''}`;
}
