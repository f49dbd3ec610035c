/**
 * Bytes written for a message that a session of the embedded broker queues, at the block device of a loop ext4, with the
 * acknowledgements and the checkpoints; and the memory of a process without a session, with one, and with
 * 32 sessions that are full.
 *
 * Each group of messages is one commit: a client that publishes one message at a time has groups of one. The file is warm, so
 * that whole rounds of its write-ahead file are measured.
 *
 * `npm run bench:broker-wear`. Needs root.
 */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Folders, KeptBench, ROOT } from '../test/fakes/kept-bench.ts';
import { built } from './lib/built.ts';
import { Card } from './lib/card.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { Workspace } from './lib/workspace.ts';

const PAYLOAD = 100;
const MESSAGES = 3_000;
const WARM = 1_500;

async function wear(name: string, group: number, taken: boolean): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const card = Card.make(space, 128, 'noatime');
    const folders = {
      stateDir: card.folder,
      runtimeDir: new Folders(path.join('/dev/shm', path.basename(space.folder))).runtimeDir,
    };
    const bench = await KeptBench.open({ folders: folders as Folders });
    await bench.client('a', 'plant/#');
    bench.sessions.away('a');
    const publish = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n += group) {
        const some = Array.from({ length: Math.min(group, count - n) }, (_, i) => `${n + i} `.padEnd(PAYLOAD, 'x'));
        await Promise.all(some.map((content) => bench.publish('plant/t', content)));
        if (taken) await bench.drain('a');
      }
    };
    await publish(WARM);
    await sleep(6000);
    const before = card.written();
    const { commits } = bench.kept.status();
    await publish(MESSAGES);
    const made = bench.kept.status().commits - commits;
    const after = card.written();
    await bench.kept.close();
    return [name, group, made, ((after.device - before.device) / MESSAGES).toFixed(0)];
  });
}

/** Alarms, events and readings of the gateway: queued and taken, and never written. */
async function own(): Promise<(string | number)[]> {
  return Workspace.use(async (space) => {
    const card = Card.make(space, 128, 'noatime');
    const folders = {
      stateDir: card.folder,
      runtimeDir: new Folders(path.join('/dev/shm', path.basename(space.folder))).runtimeDir,
    };
    let seq = 1;
    const backlog = {
      next: () => ({ log: 'l', seq }),
      isFrom: () => true,
      read: async () => ({ messages: [], left: undefined }),
    };
    const bench = await KeptBench.open({ folders: folders as Folders, backlog });
    await bench.client('a', `${ROOT}/#`);
    bench.sessions.away('a');
    await sleep(12_000);
    const before = card.written();
    const { commits } = bench.kept.status();
    for (let n = 0; n < MESSAGES; n++) {
      const payload = Buffer.alloc(30_000, 'x');
      bench.kept.mark(payload, { first: seq, last: seq++ });
      await bench.deliver({ cmd: 'publish', topic: `${ROOT}/data`, payload, qos: 1, retain: false, dup: false });
    }
    const after = card.written();
    const made = bench.kept.status().commits - commits;
    await bench.kept.close();
    return ['`data` of the gateway, 30 kB each', 1, made, ((after.device - before.device) / MESSAGES).toFixed(0)];
  });
}

/** As the daemon runs: from the bundle, with its flags. */
async function memory(): Promise<string[][]> {
  return Workspace.use(async (space) => {
    const flags = ['--max-semi-space-size=1', '--max-old-space-size=96'];
    const child = space.spawn(process.execPath, [...flags, await built('bench/lib/kept-memory.ts'), space.folder]);
    const how = await child.ended;
    if (how !== 0) throw new Error(child.stderr.join('\n'));
    return child.stdout.map((line) => JSON.parse(line) as string[]);
  });
}

const sizes = await memory();
const rows = [
  await wear('one after the other, the client is away', 1, false),
  await wear('ten at once', 10, false),
  await wear('a hundred at once', 100, false),
  await wear('one after the other, taken at once', 1, true),
  await own(),
];
printConditions(`${MESSAGES} messages, a client's with ${PAYLOAD} B each`);
printTable([['messages', 'in a group', 'commits', 'B/message'], ...rows]);
printConditions('Memory of a process with the sessions alone');
printTable([['sessions', 'messages', 'bytes', 'MB resident', 'MB more'], ...sizes]);
