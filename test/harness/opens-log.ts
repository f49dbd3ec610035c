/**
 * A process that opens a log, lets it work a little and closes it: `node opens-log.ts STATE RUNTIME`. It says `ready`, waits
 * for a line, says `again` for each try that failed, and in the end what it met as one JSON line.
 */
import { once } from 'node:events';
import { systemClock } from '../../src/core/clock.ts';
import { toError } from '../../src/core/errors.ts';
import type { Shape } from '../../src/core/point.ts';
import type { Repair } from '../../src/store/files/repair-report.ts';
import { Log } from '../../src/store/log.ts';
import { salvageOver } from './salvage-over.ts';
import { exportAll } from './store-fixture.ts';

export interface Met {
  /** Why it could not be opened. */
  readonly refused?: string;
  readonly log?: string;
  readonly boot?: number;
  /** Tries of the opening that failed. */
  readonly retried: readonly string[];
  /** Files that were taken for damaged or not the newest. */
  readonly repairs: readonly Pick<Repair, 'file' | 'why'>[];
  readonly recovered?: number;
  /** Records that can be read of it in the end. */
  readonly held?: number;
}

const tank: Shape = { device: 'tank', points: [{ name: 'level', type: 'uint16', storage: 'number' }] };

async function main(stateDir: string, runtimeDir: string): Promise<Met> {
  const retried: string[] = [];
  const repairs: Repair[] = [];
  try {
    const log = await Log.open({
      ...{ stateDir, runtimeDir, clock: systemClock, maxSize: 8e6, maxAge: 1e13, commitEvery: 3_600_000 },
      onRetry: (fault) => {
        retried.push(fault);
        process.stdout.write('again\n');
      },
    });
    log.on('dead', (error) => {
      throw error;
    });
    // A commit that fails is tried again by itself.
    log.on('fault', (fault) => {
      if (fault !== undefined) process.stdout.write('again\n');
    });
    repairs.push(...log.opened.repairs);
    log.on('repaired', (repair) => repairs.push(repair));
    log.setClock(Math.round(Date.now() - performance.now()), false);
    log.setInventory('{}');
    for (let i = 0; i < 5; i++) log.append({ shape: tank, at: systemClock.monotonic(), values: [i], reasons: null });
    await log.flush();
    await salvageOver(log);
    // A call that fails once is tried again.
    const asked = <R>(ask: () => Promise<R>): Promise<R> => ask().catch(ask).catch(ask);
    await asked(() => log.compact());
    await asked(() => log.keeper.removed({ after: '', limit: 10 }));
    await log.flush();
    const held = (await asked(() => exportAll(log))).split('\n').length - 1;
    const { boot, recovered } = log.opened;
    await log.close(10_000);
    return {
      log: log.id,
      boot,
      retried,
      repairs: repairs.map(({ file, why }) => ({ file, why })),
      recovered: recovered.records,
      held,
    };
  } catch (thrown) {
    return { refused: toError(thrown).message, retried, repairs: repairs.map(({ file, why }) => ({ file, why })) };
  }
}

const [state, runtime] = process.argv.slice(2) as [string, string];
process.stdout.write('ready\n');
await once(process.stdin, 'data');
process.stdin.destroy();
process.stdout.write(`${JSON.stringify(await main(state, runtime))}\n`);
