/**
 * A process that keeps a log on a disk under test and says what it did, one JSON line each, with the moment of the
 * disk's record: `node log-child.ts STATE RUNTIME RECORD COMMITS SEED`. The value of a record follows from its number.
 */
import { statSync } from 'node:fs';
import { systemClock } from '../../src/core/clock.ts';
import type { Shape } from '../../src/core/point.ts';
import { seeded } from '../../src/core/seeded.ts';
import { Log } from '../../src/store/log.ts';
import { payloadText } from './payload-text.ts';

export type Told =
  | { readonly kind: 'open'; readonly log: string; readonly next: number; readonly at: number }
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

async function main(stateDir: string, runtimeDir: string, record: string, commits: number, seed: number): Promise<void> {
  const random = seeded(seed);
  const moment = () => statSync(record).size;
  const tell = (told: Told) => process.stdout.write(`${JSON.stringify(told)}\n`);
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
  for (let c = 1; c <= commits; c++) {
    const records: number[] = [];
    const notices: number[] = [];
    for (let i = 0; i < 1 + random() * 60; i++) {
      const seq = log.next;
      records.push(seq);
      log.append({ shape: pump, at: systemClock.monotonic(), values: [pressureOf(seq), noiseOf(seq)], reasons: null });
    }
    if (random() < 0.2) notices.push(log.notice('event', 'test', systemClock.monotonic(), { time: c }).seq);
    tell({ kind: 'used', next: log.next, at: moment() });
    await log.flush();
    tell({ kind: 'committed', records, notices, at: moment() });
    const batch = random() < 0.5 ? await outlet.next('data', 100) : undefined;
    if (batch !== undefined) {
      outlet.handOver(batch);
      const delivered = JSON.parse(payloadText(batch)).records.map((r: { seq: number }) => r.seq);
      tell({ kind: 'delivered', records: delivered, at: moment() });
      outlet.done(batch);
    }
    if (c % 40 === 0) await log.compact();
    if (c % 70 === 0) {
      if (random() < 0.5) await log.close(10_000);
      else await log.abandon();
      ({ log, outlet } = await open());
    }
  }
  await log.abandon();
}

if (import.meta.main) {
  const [state, runtime, record, commits, seed] = process.argv.slice(2) as [string, string, string, string, string];
  await main(state, runtime, record, Number(commits), Number(seed));
}
