/** A process with the sessions of the embedded broker alone, which says how much memory it has: `kept-memory.js FOLDER`. */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MAX_ALL_SESSIONS_BYTES, MAX_ALL_SESSIONS_MESSAGES, MAX_SESSIONS } from '../../src/forwarders/broker/limits.ts';
import { Folders, KeptBench } from '../../test/fakes/kept-bench.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
async function rss(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    collect();
    await sleep(200);
  }
  return process.memoryUsage().rss / 2 ** 20;
}
const say = (...row: (string | number)[]): void => console.log(JSON.stringify(row));

const bench = await KeptBench.open({ folders: new Folders(process.argv[2] ?? '') });
const none = await rss();
say('no session, no file', 0, 0, none.toFixed(0), '0');
await bench.client('c0', 'plant/0');
bench.sessions.away('c0');
const one = await rss();
say('one session', 0, 0, one.toFixed(0), (one - none).toFixed(1));
const each = Math.floor(MAX_ALL_SESSIONS_MESSAGES / MAX_SESSIONS);
const size = Math.floor(MAX_ALL_SESSIONS_BYTES / MAX_ALL_SESSIONS_MESSAGES);
for (let s = 0; s < MAX_SESSIONS; s++) {
  if (s > 0) await bench.client(`c${s}`, `plant/${s}`);
  bench.sessions.away(`c${s}`);
  for (let n = 0; n < each; n += 100)
    await Promise.all(Array.from({ length: 100 }, () => bench.publish(`plant/${s}`, 'x'.repeat(size))));
}
const full = await rss();
const { messages, bytes } = bench.sessions.queues;
say(`${MAX_SESSIONS} sessions, full`, messages, bytes, full.toFixed(0), (full - none).toFixed(1));
await bench.kept.close();
