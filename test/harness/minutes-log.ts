/** A real log with a reading for each minute, as many as asked for. The months pass in seconds; its timers take their usual time. */
import path from 'node:path';
import type { TestContext } from 'node:test';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import type { Shape } from '../../src/core/point.ts';
import { Log } from '../../src/store/log.ts';
import { scratch } from './scratch.ts';

export const MINUTE = 60_000;
/** UTC ms of the minute before the first reading. */
export const START = Date.UTC(2024, 0, 1);
const OF_BATCH = 1000;
const shape: Shape = { device: 'd', points: [{ name: 'a', type: 'float64', storage: 'number', unit: 'Cel' }] };

/** @param thousands thousands of readings of `d.a`, all committed */
export async function minutesLog(t: TestContext, thousands: number): Promise<Log> {
  // Before the folder goes.
  let close = async () => {};
  t.after(() => close());
  const folder = scratch(t, 'minutes');
  let passed = Math.ceil(systemClock.monotonic());
  const clock: Clock = { ...systemClock, monotonic: () => passed, wall: () => START + passed, after: systemClock.after };
  const begin = passed;
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock },
    ...{ maxSize: 256e6, maxAge: 1e13, commitEvery: 10_000 },
  });
  close = () => log.close(60_000);
  log.setClock(START - begin, false);
  for (let batch = 0; batch < thousands; batch++) {
    const from = passed;
    passed += OF_BATCH * MINUTE;
    for (let i = 1; i <= OF_BATCH; i++)
      log.append({ shape, at: from + i * MINUTE, values: [(batch * 7 + i) % 500], reasons: null });
    await log.flush();
  }
  return log;
}
