/**
 * One start of a gateway's log: `recovery-child STATE RUNTIME append|begin DATA`. `append` goes
 * on until it is killed; `begin` tells what it has reached and when (ms of its own life), a line each, and ends as a kill would.
 */
import { systemClock } from '../../src/core/clock.ts';
import type { Sample } from '../../src/core/point.ts';
import { Log } from '../../src/store/log.ts';

const [stateDir = '', runtimeDir = '', task = '', data = ''] = process.argv.slice(2);
const tell = (what: string) => process.stdout.write(`${what} ${performance.now()}\n`);
/** Polls between two commits, and between two looks at whether to go on. */
const COMMIT_POLLS = 10;

/** One poll of every device. What `begin` does not need is not loaded for it. */
async function site(): Promise<() => readonly Sample[]> {
  if (task === 'begin') {
    const shape = { device: 'd0', points: [{ name: 'p', type: 'float64', storage: 'number' } as const] };
    return () => [{ shape, at: systemClock.monotonic(), values: [1], reasons: null }];
  }
  const { DEVICES, POINTS } = await import('./full-log.ts');
  const { SiteRecords } = await import('./site-records.ts');
  const source = new SiteRecords(data, DEVICES, POINTS);
  return () => source.poll(Math.round(systemClock.monotonic())).map(({ sample }) => sample);
}
const samples = await site();

tell('loaded');
const log = await Log.open({
  ...{ stateDir, runtimeDir, clock: systemClock },
  ...{ maxSize: 512 * 1024 ** 2, maxAge: 1e13, commitEvery: 1000 },
});
const poll = (): boolean => samples().every((sample) => log.append(sample) !== undefined);

const outlet = log.outlet('cloud', 'now', 'bench', 'json');
log.setClock(Math.round(Date.now() - performance.now()), false);
log.setInventory('{}');
if (!poll()) throw new Error('nothing can be appended');
tell('appended');
await outlet.ready();
const next = async () => (await outlet.next('data', 1000)) ?? (await outlet.next('history', 1000));
if (task === 'begin') {
  let batch = await next();
  while (batch === undefined) {
    await log.flush();
    batch = await next();
  }
  outlet.handOver(batch);
  tell('handed');
  process.stdout.write(`recovered ${log.opened.recovered.records}\nrepairs ${log.opened.repairs.length}\n`);
  await log.abandon();
} else
  for (let n = 0; ; n++) {
    poll();
    // One batch of ten is not acknowledged in time: there is something to go on with.
    const batch = n % 10 === 9 ? undefined : await outlet.next('data', 1000);
    if (batch !== undefined) {
      outlet.handOver(batch);
      outlet.done(batch);
    }
    if (n % COMMIT_POLLS === 0) {
      await log.flush();
      tell('committed');
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
