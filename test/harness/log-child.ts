/**
 * A process that keeps a log on a disk under test and reports what it does, one JSON line each, with the moment of the
 * disk's record: `node log-child.ts STATE RUNTIME RECORD COMMITS SEED`. The value of a record follows from its number.
 * It ends its runs in three ways: closed, left with its files in order, and killed. After a kill the next process goes on
 * from `FIRST`, the commit that it names.
 */
import { statSync, writeSync } from 'node:fs';
import { systemClock } from '../../src/core/clock.ts';
import type { Shape } from '../../src/core/point.ts';
import { seeded } from '../../src/core/seeded.ts';
import { Log } from '../../src/store/log.ts';
import { payloadText } from './payload-text.ts';

export type Told =
  | { readonly kind: 'open'; readonly log: string; readonly next: number; readonly at: number }
  /** The run ends now, in this way; `next` is the commit from which the next process goes on. */
  | { readonly kind: 'leaving'; readonly how: 'closed' | 'abandoned' | 'killed'; readonly commit: number; readonly at: number }
  /** Every number below `next` may have been seen outside. */
  | { readonly kind: 'used'; readonly next: number; readonly at: number }
  /** The records and notices of the run up to `upTo` are reported as committed. */
  | { readonly kind: 'committed'; readonly records: readonly number[]; readonly notices: readonly number[]; readonly at: number }
  /** Somebody upstream has them. */
  | { readonly kind: 'delivered'; readonly records: readonly number[]; readonly at: number };

export const pump: Shape = {
  device: 'pump',
  points: [
    { name: 'pressure', type: 'float64', storage: 'number' },
    { name: 'noise', type: 'string', storage: 'string' },
  ],
};
export const pressureOf = (seq: number): number => Math.sin(seq) * 1000;
/** Text that deflate can do little with, so that a commit has several pages. */
export const noiseOf = (seq: number): string => {
  const random = seeded(seq);
  return Array.from({ length: 8 }, () => Math.floor(random() * 2 ** 32).toString(36)).join('');
};

/** Commits of one run, and between two compactions. */
const RUN = 35;
const COMPACT = 20;

async function main(
  stateDir: string,
  runtimeDir: string,
  record: string,
  commits: number,
  seed: number,
  first: number,
): Promise<void> {
  const random = seeded(seed + first);
  const moment = () => statSync(record).size;
  // At once: a process that kills itself must have written it.
  const tell = (told: Told) => writeSync(1, `${JSON.stringify(told)}\n`);
  const options = { stateDir, runtimeDir, clock: systemClock, maxSize: 4_000_000, maxAge: 1e13, commitEvery: 3_600_000 };
  const open = async () => {
    const log = await Log.open(options);
    log.on('dead', (error) => {
      throw error;
    });
    const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
    log.setClock(Math.round(Date.now() - performance.now()), false);
    log.setInventory('{}');
    await outlet.ready();
    tell({ kind: 'open', log: log.id, next: log.next, at: moment() });
    return { log, outlet };
  };
  let { log, outlet } = await open();
  for (let c = first; c <= commits; c++) {
    const records: number[] = [];
    const notices: number[] = [];
    for (let i = 0; i < 1 + random() * 20; i++) {
      const seq = log.next;
      records.push(seq);
      log.append({ shape: pump, at: systemClock.monotonic(), values: [pressureOf(seq), noiseOf(seq)], reasons: null });
    }
    if (random() < 0.2) notices.push(log.notice('event', 'test', systemClock.monotonic(), { time: c }).seq);
    tell({ kind: 'used', next: log.next, at: moment() });
    const committed = log.flush();
    // In the middle of a commit, too.
    if (c % RUN === 0 && random() < 0.3) {
      await new Promise((resolve) => setTimeout(resolve, random() * 8));
      tell({ kind: 'leaving', how: 'killed', commit: c + 1, at: moment() });
      process.kill(process.pid, 'SIGKILL');
    }
    await committed;
    tell({ kind: 'committed', records, notices, at: moment() });
    const batch = random() < 0.5 ? await outlet.next('data', 100) : undefined;
    if (batch !== undefined) {
      outlet.handOver(batch);
      const delivered = JSON.parse(payloadText(batch)).records.map((r: { seq: number }) => r.seq);
      tell({ kind: 'delivered', records: delivered, at: moment() });
      outlet.done(batch);
    }
    // Alone, and beside the commits that follow.
    if (c % COMPACT === 0) {
      const compacted = log.compact().catch(() => {});
      if (random() < 0.5) await compacted;
    }
    if (c % RUN === 0) {
      const how = random() < 0.5 ? 'closed' : 'abandoned';
      tell({ kind: 'leaving', how, commit: c + 1, at: moment() });
      if (how === 'closed') await log.close(10_000);
      else await log.abandon();
      ({ log, outlet } = await open());
    }
  }
  await log.abandon();
}

if (import.meta.main) {
  const [state, runtime, record, commits, seed, first = '1'] = process.argv.slice(2) as [string, string, string, string, string];
  await main(state, runtime, record, Number(commits), Number(seed), Number(first));
}
