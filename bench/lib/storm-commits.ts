/**
 * How long commits of the log take while broker.db beside it is synced without a pause: a client publishes one message of QoS 1 after
 * the other for a session that is away. Rounds without and with it follow one another, on the disk of the temporary folder.
 */
import { rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../src/core/clock.ts';
import type { Shape } from '../../src/core/point.ts';
import { Log } from '../../src/store/log.ts';
import { Folders, KeptBench } from '../../test/fakes/kept-bench.ts';
import { percentile } from './conditions.ts';
import { ms, worst } from './storm-run.ts';
import { Workspace } from './workspace.ts';

const EVERY = 50;
const RECORDS = 20;
const SHAPE: Shape = {
  device: 'pump',
  points: Array.from({ length: 20 }, (_, i) => ({ name: `p${i}`, type: 'float64', storage: 'number' })),
};

interface Round {
  readonly took: number[];
  others: number;
}

/** @returns rows: without, with one message at a time, with a hundred at a time */
export function commits(rounds: number, window: number): Promise<(string | number)[][]> {
  return Workspace.use(async (space) => {
    const memory = path.join('/dev/shm', path.basename(space.folder));
    space.after(() => rmSync(memory, { recursive: true, force: true }));
    const { stateDir } = new Folders(space.folder);
    const { runtimeDir } = new Folders(memory);
    const log = await Log.open({
      ...{ stateDir, runtimeDir },
      ...{ clock: systemClock, maxSize: 64e6, maxAge: 1e13, commitEvery: 3_600_000 },
    });
    space.after(() => log.close(3_000));
    log.setClock(Math.round(Date.now() - performance.now()), false);
    log.setInventory('{}');
    const bench = await KeptBench.open({ folders: { stateDir, runtimeDir } as Folders });
    space.after(() => bench.kept.close());
    await bench.client('away', 'plant/#');
    bench.sessions.away('away');
    const one = async ({ took }: Round): Promise<void> => {
      for (let i = 0; i < RECORDS; i++)
        log.append({ shape: SHAPE, at: systemClock.monotonic(), values: SHAPE.points.map(() => Math.random()), reasons: null });
      const from = performance.now();
      await log.flush();
      took.push(performance.now() - from);
    };
    const round = async (into: Round, group: number): Promise<void> => {
      const until = performance.now() + window;
      const before = bench.kept.status().commits;
      const busy = async (): Promise<void> => {
        for (let n = 0; group > 0 && performance.now() < until; n++)
          await Promise.all(Array.from({ length: group }, (_, i) => bench.publish('plant/t', `${n} ${i}`.padEnd(100, 'x'))));
      };
      const committing = async (): Promise<void> => {
        while (performance.now() < until) {
          await one(into);
          await sleep(EVERY);
        }
      };
      await Promise.all([busy(), committing()]);
      into.others += bench.kept.status().commits - before;
    };
    const cases = [
      ['broker.db is not written', 0],
      ['one message of QoS 1 after the other', 1],
      ['a hundred messages at a time', 100],
    ] as const;
    const found = cases.map((): Round => ({ took: [], others: 0 }));
    await round({ took: [], others: 0 }, 1);
    for (let i = 0; i < rounds; i++) for (const [at, [, group]] of cases.entries()) await round(found[at] as Round, group);
    return cases.map(([name], at) => {
      const { took, others } = found[at] as Round;
      return [
        ...[name, took.length, ms(percentile(took, 0.5)), ms(percentile(took, 0.99)), ms(worst(took))],
        ...[Math.round(others / ((rounds * window) / 1000)), (os.loadavg()[0] as number).toFixed(1)],
      ];
    });
  });
}
