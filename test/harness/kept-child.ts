/**
 * A process that keeps sessions and retained messages on a disk under test and reports what it promised, one JSON line each,
 * with the moment of the disk's record: `node kept-child.ts STATE RUNTIME RECORD SEED MESSAGES HOW`. It publishes for two
 * sessions and takes messages of the first one. `HOW`: `kill` kills itself at the end, `close` closes, `wait` waits to be killed.
 */
import { existsSync, readFileSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { seeded } from '../../src/core/seeded.ts';
import { BROKER_TAIL } from '../../src/store/broker/layout.ts';
import { type Folders, KeptBench } from '../fakes/kept-bench.ts';

export type KeptTold =
  | { readonly kind: 'subscribed'; readonly at: number }
  /** They were acknowledged to their publisher. */
  | { readonly kind: 'published'; readonly contents: readonly string[]; readonly at: number }
  | { readonly kind: 'retained'; readonly topic: string; readonly content: string; readonly at: number }
  /** The first session acknowledged them; `safe`: a kill leaves no doubt of it. */
  | { readonly kind: 'taken'; readonly contents: readonly string[]; readonly safe: boolean; readonly at: number };

async function main(
  stateDir: string,
  runtimeDir: string,
  record: string,
  seed: number,
  messages: number,
  how: string,
): Promise<void> {
  const random = seeded(seed);
  const tell = (told: object) =>
    writeSync(1, `${JSON.stringify({ ...told, at: existsSync(record) ? statSync(record).size : 0 })}\n`);
  const bench = await KeptBench.open({ folders: { stateDir, runtimeDir } as Folders });
  await bench.client('a', 'plant/#');
  await bench.client('b', 'plant/+');
  for (const id of ['a', 'b']) bench.sessions.away(id);
  tell({ kind: 'subscribed' });
  for (let n = 0; n < messages; ) {
    const group = Array.from(
      { length: Math.min(messages - n, 1 + Math.floor(random() * 20)) },
      () => `${seed}-${n++} ${'x'.repeat(random() * 300)}`,
    );
    await Promise.all(group.map((content) => bench.publish('plant/t', content)));
    tell({ kind: 'published', contents: group });
    if (random() < 0.2) {
      const [topic, content] = [`state/${Math.floor(random() * 5)}`, `r${n}`];
      await bench.publish(topic, content, 1, true);
      tell({ kind: 'retained', topic, content });
    }
    if (random() < 0.1) tell({ kind: 'taken', contents: await bench.drain('a', 1 + Math.floor(random() * 10)), safe: false });
  }
  const contents = await bench.drain('a', Math.floor(messages / 3));
  const last = bench.sessions.get('a')?.queue.entries[0]?.stored?.message ?? 0;
  // In the memory-backed folder: the row of the last message that was taken.
  while (!readFileSync(path.join(runtimeDir, BROKER_TAIL), 'utf8').includes(`["place",1,1,${last - 1}]`)) await sleep(5);
  tell({ kind: 'taken', contents, safe: true });
  if (how === 'close') await bench.kept.close();
  else if (how === 'kill') process.kill(process.pid, 'SIGKILL');
  else await sleep(1e6);
}

const [stateDir = '', runtimeDir = '', record = '', seed, messages, how = ''] = process.argv.slice(2);
await main(stateDir, runtimeDir, record, Number(seed), Number(messages), how);
