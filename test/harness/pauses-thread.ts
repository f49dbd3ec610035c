/**
 * The thread of pauses.ts: it only sleeps, so it is late where everybody is. As root it goes before everything else, so that a process
 * that starves beside other work does not pass for a machine that stands still.
 */
import { setPriority } from 'node:os';
import { workerData } from 'node:worker_threads';
import { COUNT, KEPT, LAST, LOOK, PAUSES, SHORTEST } from './pauses.ts';

const cells = workerData as Float64Array;
const asleep = new Int32Array(new SharedArrayBuffer(4));
try {
  // Linux takes 0 for this thread.
  setPriority(0, -15);
} catch {
  // It is late as often as its process then.
}

const now = (): number => Number(process.hrtime.bigint()) / 1e6;
for (let last = now(); ; ) {
  cells[LAST] = last;
  Atomics.wait(asleep, 0, 0, LOOK);
  const at = now();
  const late = at - last;
  last = at;
  if (late < SHORTEST) continue;
  const count = cells[COUNT] ?? 0;
  cells[PAUSES + (count % KEPT)] = late;
  cells[COUNT] = count + 1;
}
