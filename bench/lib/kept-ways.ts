/** Ways to keep 100,000 retained messages, each in a process of its own (retained-memory.ts) with the bounds raised. */
import os from 'node:os';
import path from 'node:path';
import { raised } from './raised.ts';
import { Workspace } from './workspace.ts';

const FOLDER = path.join(import.meta.dirname, '..', '..', 'out', 'kept-ways');
/** Those of bin/sluice. */
const FLAGS = ['--max-semi-space-size=1', '--max-old-space-size=96'];
const WAYS: readonly (readonly [name: string, way: string, flags: readonly string[]])[] = [
  ['as shipped', 'now', []],
  ['topics alone in memory, payloads in broker.db', 'index', []],
  ['`--heap-growing-percent=25`', 'now', ['--heap-growing-percent=25']],
  ['`--optimize-for-size`', 'now', ['--optimize-for-size']],
  ['the same, set when the process is up', 'late', []],
];

/** @returns rows: PSS with them, how much came with them, the heap of the main thread and what of it is in use */
export async function keptWays(rounds: number): Promise<(string | number)[][]> {
  await raised({ 'retained-memory': 'bench/lib/retained-memory.ts' }, FOLDER);
  const found = WAYS.map((): number[][] => []);
  for (let round = 0; round < rounds; round++)
    for (const [at, [, way, flags]] of WAYS.entries())
      await Workspace.use(async (space) => {
        const program = path.join(FOLDER, 'retained-memory.js');
        const child = space.spawn(process.execPath, [...FLAGS, ...flags, program, space.folder, way], {
          env: { MALLOC_ARENA_MAX: '1' },
        });
        if ((await child.ended) !== 0) throw new Error(child.stderr.join('\n'));
        found[at]?.push(JSON.parse(child.stdout.at(-1) ?? '') as number[]);
      });
  return WAYS.map(([name], at) => {
    const column = (i: number): string => (found[at] ?? []).map((run) => (run[i] ?? Number.NaN).toFixed(0)).join('; ');
    return [name, column(0), column(1), column(2), column(3), (os.loadavg()[0] as number).toFixed(1)];
  });
}
