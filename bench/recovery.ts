/**
 * How long a log of 256 MB takes to go on after its process was killed in the middle of appending: from the start of the
 * new process to the first record that it takes, and to the first batch that it hands over. `npm run bench:recovery`
 *
 * `--mb N` for another size, `--data decimal` for one data set alone, `--minutes N` for all cases of a data set: where they take
 * longer, a case has fewer runs, at least one.
 */
import { closeSync, fstatSync, mkdirSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { LOG_FILE, PAGE_SIZE } from '../src/store/files/layout.ts';
import { walLength } from '../src/store/hot/wal.ts';
import { built } from './lib/built.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { fillLog } from './lib/full-log.ts';
import { Workspace } from './lib/workspace.ts';

const { values: options } = parseArgs({
  options: { mb: { type: 'string' }, data: { type: 'string' }, minutes: { type: 'string' } },
});
const SIZE = Number(options.mb ?? 256) * 1024 ** 2;
const DATA = options.data === undefined ? ['float32', 'decimal'] : [options.data];
const RUNS = 5;
/** For all cases of a data set, milliseconds. */
const WITHIN = Number(options.minutes ?? 4) * 60_000;
/** sqlite.org/walformat.html */
const HEADER = 32;
const FRAME = PAGE_SIZE + 24;
/** Units that are compacted of their own; see fillLog. */
const OWN = 20;
const CHILD = await built('bench/lib/recovery-child.ts');
/**
 * The data that fills the write-ahead file in bounded time: of the others 30 million readings go into it, which the keeper has to
 * pack meanwhile. What a full one costs at a start depends on its length, not on what is in it.
 */
const FILLS = 'float32';
/** The share of the length at which the write-ahead file goes into the database. */
const FULL = 0.85;
const LENGTH = walLength(512 * 1024 ** 2);

interface Case {
  readonly name: string;
  readonly full: boolean;
  readonly lost: boolean;
}
const CASES: readonly Case[] = [
  { name: 'SIGKILL while appending', full: false, lost: false },
  { name: 'the same, write-ahead file full', full: true, lost: false },
  { name: 'power cut: runtime folder gone', full: false, lost: true },
  { name: 'the same, write-ahead file full', full: true, lost: true },
];

interface Times {
  readonly loaded: number;
  readonly appended: number;
  readonly handed: number;
  readonly recovered: number;
}

/** Bytes of the write-ahead file that its round has used: frames with the salts of its header stand at its front. */
function usedOf(wal: string): number {
  const fd = openSync(wal, 'r');
  try {
    const salts = (at: number): string => {
      const bytes = Buffer.alloc(8);
      readSync(fd, bytes, 0, 8, at);
      return bytes.toString('hex');
    };
    const own = salts(16);
    let low = 0;
    let high = Math.floor((fstatSync(fd).size - HEADER) / FRAME);
    while (low < high) {
      const middle = (low + high) >> 1;
      if (salts(HEADER + middle * FRAME + 8) === own) low = middle + 1;
      else high = middle;
    }
    return low * FRAME;
  } finally {
    closeSync(fd);
  }
}

async function once(space: Workspace, stateDir: string, runtimeDir: string, data: string, { full, lost }: Case): Promise<Times> {
  const args = (task: string) => [CHILD, stateDir, runtimeDir, task, data];
  const child = space.spawn(process.execPath, args('append'));
  const wal = `${path.join(stateDir, LOG_FILE)}-wal`;
  // Some commits, and not between two of them.
  const commits = 20 + Math.floor(Math.random() * 10);
  const enough = () => child.stdout.length > commits && usedOf(wal) > FULL * LENGTH === full;
  while (!enough()) {
    if (child.over !== undefined) throw new Error(child.stderr.join('\n'));
    await new Promise((resolve) => setTimeout(resolve, full ? 1 : 5 + Math.random() * 20));
  }
  await child.stop('SIGKILL');
  if (lost) rmSync(runtimeDir, { recursive: true, force: true });
  mkdirSync(runtimeDir, { recursive: true });
  const next = space.spawn(process.execPath, args('begin'));
  await next.ended;
  const told = new Map(next.stdout.map((line) => line.split(' ') as [string, string]));
  const of = (what: string): number => {
    const value = told.get(what);
    if (value === undefined) throw new Error(`the process did not come to '${what}': ${next.stderr.join('\n')}`);
    return Number(value);
  };
  if (of('repairs') > 0) throw new Error('the log was made anew');
  return { loaded: of('loaded'), appended: of('appended'), handed: of('handed'), recovered: of('recovered') };
}

const range = (values: readonly number[]): string => {
  const sorted = values.toSorted((a, b) => a - b);
  return `${sorted[sorted.length >> 1]?.toFixed(0)} (${sorted[0]?.toFixed(0)}–${sorted.at(-1)?.toFixed(0)})`;
};

async function main(space: Workspace): Promise<void> {
  printConditions(`Recovery of a log of ${SIZE / 1024 ** 2} MB: median (least–most), ms of the process's life`);
  const rows: (string | number)[][] = [
    [
      'data',
      'history MB',
      'log.db MB',
      'end',
      'runs',
      'modules loaded',
      'first append',
      'first batch',
      'records from the runtime folder',
    ],
  ];
  for (const data of DATA) {
    const stateDir = path.join(space.folder, data);
    const { file, historyFile } = fillLog(stateDir, data, SIZE, OWN);
    const runtimeDir = path.join('/dev/shm', path.basename(space.folder), data);
    space.after(() => rmSync(path.dirname(runtimeDir), { recursive: true, force: true }));
    const mb = (of: string) => (statSync(of).size / 1024 ** 2).toFixed(1);
    for (const of of CASES) {
      if (of.full && data !== FILLS) continue;
      const times: Times[] = [];
      const until = performance.now() + WITHIN / CASES.length;
      for (let i = 0; i < RUNS && (i === 0 || performance.now() < until); i++)
        times.push(await once(space, stateDir, runtimeDir, data, of));
      const sizes = [mb(historyFile), mb(file)];
      const records = Math.max(...times.map((t) => t.recovered));
      rows.push([
        data,
        ...sizes,
        of.name,
        times.length,
        ...(['loaded', 'appended', 'handed'] as const).map((k) => range(times.map((t) => t[k]))),
        records,
      ]);
      console.error(rows.at(-1)?.join('  '));
    }
  }
  printTable(rows);
}

await Workspace.use(main);
process.exit(0);
