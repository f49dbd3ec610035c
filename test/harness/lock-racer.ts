/**
 * A process that starts what of a gateway owns the state directory, whenever it reads `go`, and stops it at `end`:
 * `node lock-racer.ts STATE`. It says `ready`, then `won`, or `refused` with the words; `ended` after a stop.
 */
import path from 'node:path';
import { createInterface } from 'node:readline';
import { AdminServer } from '../../src/admin/admin-server.ts';
import { systemClock } from '../../src/core/clock.ts';
import { SluiceError, toError } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { StateDirLock } from '../../src/store/state-dir.ts';
import { FakeTarget } from '../fakes/admin-target.ts';

const stateDir = process.argv[2] as string;
const say = (words: string): unknown => process.stdout.write(`${words}\n`);
let lock: StateDirLock | undefined;
let server: AdminServer | undefined;

async function go(): Promise<void> {
  try {
    // The order of Gateway.start.
    lock = StateDirLock.take(stateDir);
    const socketPath = path.join(stateDir, 'sluice.sock');
    server = new AdminServer({ target: new FakeTarget(), socketPath, logger: silentLogger, clock: systemClock });
    await server.start();
    say('won');
  } catch (thrown) {
    say(`refused ${thrown instanceof SluiceError ? thrown.code : 'unexpected'} ${toError(thrown).message}`);
    lock?.release();
    lock = undefined;
    server = undefined;
  }
}

async function end(): Promise<void> {
  await server?.stop();
  lock?.release();
  lock = undefined;
  server = undefined;
  say('ended');
}

createInterface({ input: process.stdin }).on('line', (line) => {
  (line === 'go' ? go() : end()).catch((thrown: unknown) => say(`refused unexpected ${toError(thrown).message}`));
});
say('ready');
