/**
 * A process that keeps sessions and retained messages on a disk under test and reports what it promised, one JSON line each,
 * with the moment of the disk's record: `node kept-child.ts STATE RUNTIME RECORD SEED MESSAGES HOW`. It publishes for two
 * sessions and takes messages of the first one. `HOW`: `kill` kills itself at the end, `close` closes, `wait` waits to be killed, `full`
 * closes after a time in which the disk was full.
 */
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { seeded } from '../../src/core/seeded.ts';
import { BROKER_TAIL } from '../../src/store/broker/layout.ts';
import { type Folders, KeptBench } from '../fakes/kept-bench.ts';

export type KeptTold =
  | { readonly kind: 'subscribed'; readonly at: number }
  /** They were acknowledged to their publisher. */
  | { readonly kind: 'published'; readonly contents: readonly string[]; readonly at: number }
  /** The disk takes nothing more. So many were published since it is full, and so many of them it still took. */
  | { readonly kind: 'full'; readonly sent: number; readonly acknowledged: number; readonly at: number }
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
  const tell = (told: object) => say(`${JSON.stringify({ ...told, at: existsSync(record) ? statSync(record).size : 0 })}\n`);
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
  if (how === 'full') await throughFullDisk(bench, path.join(stateDir, '..', 'ballast'), seed, tell);
  const contents = await bench.drain('a', Math.floor(messages / 3));
  const last = bench.sessions.get('a')?.queue.entries[0]?.stored?.message ?? 0;
  // In the memory-backed folder: the row of the last message that was taken.
  while (!readFileSync(path.join(runtimeDir, BROKER_TAIL), 'utf8').includes(`["place",1,1,${last - 1}]`)) await sleep(5);
  tell({ kind: 'taken', contents, safe: true });
  if (how === 'close' || how === 'full') await bench.kept.close();
  else if (how === 'kill') process.kill(process.pid, 'SIGKILL');
  else await sleep(1e6);
}

/** All of it: a pipe takes a part of a long line at a time, and nothing while it is full. */
function say(line: string): void {
  const bytes = Buffer.from(line);
  for (let at = 0; at < bytes.length; )
    try {
      at += writeSync(1, bytes, at);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EAGAIN') throw thrown;
    }
}

/** More than the write-ahead file has room for, so that the disk has to give some. What the file has room for is acknowledged. */
const WHEN_FULL = 40;
const LARGE = 20_000;

async function throughFullDisk(bench: KeptBench, ballast: string, seed: number, tell: (told: object) => void): Promise<void> {
  const file = openSync(ballast, 'w');
  try {
    for (const piece = Buffer.alloc(4096, 1); ; ) writeSync(file, piece);
  } catch {
    // It is full.
  }
  closeSync(file);
  const contents = Array.from({ length: WHEN_FULL }, (_, i) => `${seed}-full-${i} ${'x'.repeat(LARGE)}`);
  const acknowledged: string[] = [];
  const all = contents.map(async (content) => {
    await bench.publish('plant/t', content);
    acknowledged.push(content);
  });
  while (bench.faults.length === 0) await sleep(5);
  const before = acknowledged.slice();
  tell({ kind: 'published', contents: before });
  tell({ kind: 'full', sent: contents.length, acknowledged: before.length });
  rmSync(ballast);
  await Promise.all(all);
  tell({ kind: 'published', contents: contents.filter((content) => !before.includes(content)) });
}

const [stateDir = '', runtimeDir = '', record = '', seed, messages, how = ''] = process.argv.slice(2);
await main(stateDir, runtimeDir, record, Number(seed), Number(messages), how);
