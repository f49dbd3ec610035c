/**
 * A process that keeps 100,000 retained messages of 100 bytes as the broker does, in its map and in broker.db, and says how much memory
 * that takes: `retained-memory.js FOLDER WAY`. `index` keeps the topics alone in memory, as if payloads were read from broker.db;
 * `late` tells V8 to save memory when the process is up already.
 */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { systemClock } from '../../src/core/clock.ts';
import { Retained } from '../../src/forwarders/broker/retained.ts';
import { retainedChange } from '../../src/forwarders/broker/session-journal.ts';
import { BrokerFile } from '../../src/store/broker-store.ts';
import { Folders } from '../../test/fakes/kept-bench.ts';
import { memory } from './proc.ts';

const [folder = '', way] = process.argv.slice(2);
const MANY = 100_000;
/** Messages of a burst, and the time between two of them: 20,000 a second. */
const BURST = 1_000;
const EVERY = 50;
/** As long as the bench of storms waits. */
const SETTLE = 8_000;

if (way === 'late') setFlagsFromString('--optimize-for-size');
const runtimeDir = path.join('/dev/shm', path.basename(folder));
const { stateDir } = new Folders(folder);
new Folders(runtimeDir);
const retained = new Retained('sluice/g1', { get: () => undefined, all: () => [] });
const topics = new Map<string, number>();
const store = new BrokerFile({
  ...{ stateDir, runtimeDir, clock: systemClock },
  onFault: (fault) => console.error(fault),
  onRepair: () => {},
});
await store.open(() => retained.rows());
store.change(retainedChange('first', Buffer.from('x'), 0, 'user:a'), 'now');
await store.settled();
await sleep(500);
const before = memory(process.pid).pss;
for (let n = 0; n < MANY; ) {
  for (let i = 0; i < BURST; i++, n++) {
    const payload = Buffer.alloc(100, 0x78);
    // As a packet brings it: a text of its own.
    const topic = Buffer.from(`storm/retained/${n}`).toString();
    if (way === 'index') topics.set(topic, 0);
    else retained.keep({ cmd: 'publish', topic, payload, qos: 0, retain: true }, 'user:a');
    store.change(retainedChange(topic, payload, 0, 'user:a'), 'soon');
  }
  await sleep(EVERY);
}
await store.settled();
await sleep(SETTLE);
const { used_heap_size: used, total_heap_size: total } = getHeapStatistics();
const { pss } = memory(process.pid);
console.log(JSON.stringify([pss, pss - before, used / 2 ** 20, total / 2 ** 20]));
await store.close();
rmSync(runtimeDir, { recursive: true, force: true });
process.exit(0);
