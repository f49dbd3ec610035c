/**
 * Loaded before the gateway by `node --import`: its time runs FASTER times as fast, and timers of the lengths in LOST_TIMERS
 * (`FROM-TO,FROM-TO`, milliseconds of the gateway) never fire, as if the part that set them had lost them. In its threads each sync of a
 * file takes SLOW_SYNC milliseconds of the true time.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const FASTER = 20;
const lost = (process.env.LOST_TIMERS ?? '')
  .split(',')
  .filter((range) => range !== '')
  .map((range) => range.split('-').map(Number) as [from: number, to: number]);

const slow = Number(process.env.SLOW_SYNC ?? 0);
if (!isMainThread && slow > 0) {
  const { fdatasyncSync } = fs;
  fs.fdatasyncSync = (fd) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, slow);
    fdatasyncSync(fd);
  };
  syncBuiltinESMExports();
}
// Threads have no timers that matter here.
if (isMainThread) {
  const [now, date] = [performance.now.bind(performance), Date.now];
  const [began, first] = [now(), date()];
  performance.now = () => began + (now() - began) * FASTER;
  Date.now = () => Math.round(first + (date() - first) * FASTER);
  const { setTimeout: set, setInterval: repeat } = globalThis;
  const isLost = (ms: number) => lost.some(([from, to]) => ms >= from && ms <= to);
  globalThis.setTimeout = Object.assign(
    (run: (...words: unknown[]) => void, ms = 0, ...words: unknown[]) => set(isLost(ms) ? () => {} : run, ms / FASTER, ...words),
    set,
  ) as typeof setTimeout;
  globalThis.setInterval = ((run: () => void, ms = 0) => repeat(run, ms / FASTER)) as typeof setInterval;
}
