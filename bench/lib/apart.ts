/** A gateway without a broker, and the embedded broker in a thread of its own beside it: what that would cost, and what it would bring. */
import { Worker } from 'node:worker_threads';

new Worker(new URL('./apart-broker.js', import.meta.url), { workerData: { port: Number(process.env.SLUICE_BENCH_APART) } });
await import('../../src/cli/main.ts');
