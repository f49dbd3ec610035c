/**
 * How long after the last stop bit a program releases an RS-485 transceiver: the thread of the gateway, and a timer of the main thread for
 * comparison. The main thread is idle, or works 20 ms at a time; then other programs take all processors as well.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { percentile, printConditions, printTable } from './lib/conditions.ts';

const REQUESTS = Number(process.env.SLUICE_BENCH_REQUESTS ?? 500);
const BAUD = 9600;
const CHARACTER = 10_000 / BAUD;
const REQUEST = Uint8Array.of(1, 3, 0, 0, 0, 2, 0xc4, 0x0b);
const WORK = 20;

interface Release {
  /** ms after the end of the bytes. */
  readonly late: number;
  /** ms of the thread for the whole request. */
  readonly cpu: number;
}

async function byThread(): Promise<Release[]> {
  const worker = new Worker(new URL('./lib/release-thread.ts', import.meta.url), { workerData: { character: CHARACTER } });
  const found: Release[] = [];
  for (let i = -20; i < REQUESTS; i++) {
    const { promise, resolve } = Promise.withResolvers<Release>();
    worker.once('message', resolve);
    worker.postMessage(REQUEST);
    const release = await promise;
    // V8 compiles the first ones.
    if (i >= 0) found.push(release);
    await sleep(5);
  }
  await worker.terminate();
  return found;
}

async function byTimer(): Promise<Release[]> {
  const found: Release[] = [];
  const wire = REQUEST.length * CHARACTER;
  for (let i = 0; i < REQUESTS; i++) {
    const from = performance.now();
    await sleep(Math.ceil(wire));
    found.push({ late: performance.now() - from - wire, cpu: Number.NaN });
    await sleep(5);
  }
  return found;
}

/** The main thread works half of its time. */
function busyMain(): () => void {
  const timer = setInterval(() => {
    for (const end = performance.now() + WORK; performance.now() < end; );
  }, 2 * WORK);
  return () => clearInterval(timer);
}

function busyMachine(): () => void {
  const hogs: ChildProcess[] = os.cpus().map(() => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
  return () => {
    for (const hog of hogs) hog.kill('SIGKILL');
  };
}

printConditions(`Release of an RS-485 transceiver, ${REQUEST.length} bytes at ${BAUD} baud, ${REQUESTS} requests a row`);
const rows: (string | number)[][] = [
  ['who releases, and what else runs', 'p50, ms', 'p99, ms', 'most, ms', 'CPU of a request, ms'],
];
for (const [load, begin] of [
  ['nothing', () => () => {}],
  ['the main thread works', busyMain],
  [
    'the main thread works, all processors are taken',
    () => {
      const ends = [busyMain(), busyMachine()];
      return () => {
        for (const end of ends) end();
      };
    },
  ],
] as const)
  for (const [who, run] of [
    ['the thread', byThread],
    ['a timer of the main thread', byTimer],
  ] as const) {
    const end = begin();
    const found = await run();
    end();
    const late = found.map((release) => release.late);
    const cpu = found.reduce((sum, release) => sum + release.cpu, 0) / found.length;
    rows.push([
      `${who}; ${load}`,
      ...[percentile(late, 0.5), percentile(late, 0.99), Math.max(...late)].map((ms) => ms.toFixed(3)),
      Number.isNaN(cpu) ? '-' : cpu.toFixed(2),
    ]);
  }
printTable(rows);
