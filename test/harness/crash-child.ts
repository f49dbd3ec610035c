/**
 * A process that keeps a log until somebody kills it, at whatever moment: `node crash-child.ts STATE RUNTIME PLAN`. It says
 * what it does, one JSON line each, before anything else follows. The value of a record is a number that no other one has.
 */
import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../src/core/clock.ts';
import type { Shape } from '../../src/core/point.ts';
import { seeded } from '../../src/core/seeded.ts';
import { Log } from '../../src/store/log.ts';
import { payloadText } from './payload-text.ts';

export interface CrashPlan {
  readonly seed: number;
  /** Records that it appends; it then waits for its end. */
  readonly appends: number;
  /** It ends in order behind the last record. */
  readonly close: boolean;
}

export type CrashTold =
  | { readonly kind: 'opening' }
  | {
      readonly kind: 'open';
      readonly log: string;
      readonly next: number;
      readonly repairs: readonly string[];
      readonly recovered: number;
    }
  /** `safe`: it survives a kill. */
  | { readonly kind: 'appended'; readonly seq: number; readonly value: number; readonly safe: boolean }
  | { readonly kind: 'committed'; readonly upTo: number }
  | { readonly kind: 'delivered'; readonly lane: string; readonly records: readonly (readonly [seq: number, value: number])[] }
  | { readonly kind: 'closing' }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'repaired'; readonly why: string }
  | { readonly kind: 'closed' };

const pump: Shape = { device: 'pump', points: [{ name: 'n', type: 'float64', storage: 'number' }] };

async function main(stateDir: string, runtimeDir: string, { seed, appends, close }: CrashPlan): Promise<void> {
  const random = seeded(seed);
  const tell = (told: CrashTold) => writeSync(1, `${JSON.stringify(told)}\n`);
  tell({ kind: 'opening' });
  const log = await Log.open({ stateDir, runtimeDir, clock: systemClock, maxSize: 4e6, maxAge: 1e13, commitEvery: 3_600_000 });
  log.on('dead', (error) => {
    throw error;
  });
  log.on('repaired', ({ file, why }) => tell({ kind: 'repaired', why: `${file}: ${why}` }));
  const outlet = log.outlet('cloud', 'oldest', 'g1', 'json');
  log.setClock(Math.round(Date.now() - performance.now()), false);
  log.setInventory('{}');
  const { repairs, next, recovered } = log.opened;
  tell({
    ...{ kind: 'open', log: log.id, next, recovered: recovered.records },
    repairs: repairs.map(({ file, why }) => `${file}: ${why}`),
  });
  for (let i = 0; i < appends; i++) {
    const value = randomBytes(6).readUIntBE(0, 6);
    const record = log.append({ shape: pump, at: systemClock.monotonic(), values: [value], reasons: null });
    if (record === undefined) throw new Error('no number');
    tell({ kind: 'appended', seq: record.seq, value, safe: log.sendable >= record.seq });
    const what = random();
    if (what < 0.15) {
      await log.flush();
      tell({ kind: 'committed', upTo: record.seq });
    } else if (what < 0.25) log.commitSoon();
    else if (what < 0.3) await log.compact().catch(() => {});
    else if (what < 0.5) await deliver(random() < 0.5 ? 'data' : 'history');
    else if (what < 0.6) await sleep(random() * 4);
  }
  if (close) {
    tell({ kind: 'closing' });
    await log.close(10_000);
    tell({ kind: 'closed' });
    return;
  }
  tell({ kind: 'waiting' });
  // Until it is killed.
  await sleep(60_000);

  async function deliver(lane: 'data' | 'history'): Promise<void> {
    await outlet.ready();
    const batch = await outlet.next(lane, 1 + Math.floor(random() * 20));
    if (batch === undefined) return;
    if (!outlet.handOver(batch)) return;
    const { records } = JSON.parse(payloadText(batch)) as { records: { seq: number; values: { n: number } }[] };
    tell({ kind: 'delivered', lane, records: records.map((r) => [r.seq, r.values.n] as const) });
    // An acknowledgement that is lost brings the same again.
    if (random() < 0.8) outlet.done(batch);
  }
}

if (import.meta.main) {
  const [state, runtime, plan] = process.argv.slice(2) as [string, string, string];
  await main(state, runtime, JSON.parse(plan) as CrashPlan);
}
