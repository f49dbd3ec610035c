/**
 * The blocks that ext4 itself writes for a small commit, in real time: the floor under every layout of the log, by how the commit is written
 * and how the file system is mounted. All rows run at the same time, each on a loop device of its own; blocks count, not times.
 *
 * Blocks are counted for the whole device, and once more by who wrote them: the process itself, the journal, and the kernel later (mapped
 * pages, tables of inodes).
 *
 * `npm run bench:wear-floor`; `-- --minutes 5 --interval 1,10 --only ring`. Needs root, and some 40 MB of memory a row.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { BlockTrace, numberOf } from './lib/block-trace.ts';
import { Card } from './lib/card.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { PATTERNS, type Pattern } from './lib/wear-patterns.ts';
import { Workspace } from './lib/workspace.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    interval: { type: 'string', default: '1,10' },
    only: { type: 'string', default: '' },
    mount: {
      type: 'string',
      multiple: true,
      default: ['defaults', 'noatime,lazytime', 'commit=60', 'noatime,lazytime,commit=60'],
    },
  },
});
/** ext4's journal is committed every 5 s, with `commit=60` once a minute: what making the files cost is over then. */
const SETTLE = 6000;
const BLOCK = 4096;
interface Row {
  readonly pattern: Pattern;
  readonly mount: string;
  readonly seconds: number;
}

/** Transactions of the journal so far. */
function transactions(device: string): number {
  return Number(/^\d+/.exec(readFileSync(`/proc/fs/jbd2/${device}-8/info`, 'utf8'))?.[0]);
}

interface Measured {
  readonly row: Row;
  /** The number of the loop device. */
  readonly number: string;
  readonly commits: number;
  readonly blocks: number;
  readonly transactions: number;
}

async function measure(space: Workspace, trace: BlockTrace, row: Row): Promise<Measured> {
  const { pattern, mount, seconds } = row;
  const card = Card.make(space, 64, mount);
  const run = pattern.open(card.folder);
  card.written();
  await sleep(SETTLE);
  run.commit();
  const before = card.written().device;
  const began = transactions(card.device);
  trace.mark('from', card.device);
  const commits = Math.round((Number(values.minutes) * 60) / seconds);
  for (let i = 0; i < commits; i++) {
    run.commit();
    await sleep(seconds * 1000);
  }
  const ended = transactions(card.device);
  // Whatever the last minute left is written now, as it would be some time later.
  const blocks = (card.written().device - before) / BLOCK;
  trace.mark('to', card.device);
  run.close();
  return { row, number: numberOf(card.device), commits, blocks, transactions: ended - began };
}

async function measureAll(all: readonly Row[]): Promise<(string | number)[][]> {
  return Workspace.use(async (space) => {
    const trace = new BlockTrace(space);
    // Each has a folder of its own in the folder of all.
    const measured = await Promise.all(all.map((row) => Workspace.use((own) => measure(own, trace, row))));
    const writers = trace.read();
    return measured.map(({ row: { pattern, mount, seconds }, number, commits, blocks, transactions: n }) => {
      const { own = 0, journal = 0, later = 0 } = writers.get(number) ?? {};
      return [
        ...[pattern.name, mount, `${seconds} s`, (pattern.bytes / BLOCK).toFixed(2), (blocks / commits).toFixed(2)],
        ...[own, journal, later].map((of) => (of / commits).toFixed(2)),
        ((n * 60) / (commits * seconds)).toFixed(1),
      ];
    });
  });
}

const all = PATTERNS.filter(({ name }) => name.includes(values.only)).flatMap((pattern) =>
  values.interval
    .split(',')
    .map(Number)
    .flatMap((seconds) => values.mount.map((mount): Row => ({ pattern, mount, seconds }))),
);
printConditions(`ext4 on a loop device, ${values.minutes} minutes a row, ${all.length} rows at the same time`);
const rows: (string | number)[][] = [
  [
    'pattern',
    'mount',
    'commit',
    'blocks given',
    'at the device',
    'own',
    'journal',
    'written later',
    'journal transactions a minute',
  ],
];
rows.push(...(await measureAll(all)));
printTable(rows);
process.exit(0);
