/** The accounts of a gateway without the gateway: cheap hashes, a clock that a test moves, what was told. */
import { Access } from '../../src/access/access.ts';
import type { Caller } from '../../src/core/access-ports.ts';
import type { Principal } from '../../src/core/commands.ts';
import type { GatewayEvent } from '../../src/core/ports.ts';
import { type Ends, scratch } from '../harness/scratch.ts';
import { ManualClock } from './manual-clock.ts';

export const ROOT: Principal = { who: 'root', door: 'socket', role: 'administrator' };
export const PASSWORD = 'correct horse battery';
export const lan = (last: number, door: Caller['door'] = 'mqtt'): Caller => ({ address: `192.168.1.${last}`, door });

export interface TestAccess {
  readonly access: Access;
  readonly clock: ManualClock;
  readonly stateDir: string;
  readonly events: GatewayEvent[];
  readonly lines: string[];
  /** Whether the clock of the board is known. */
  time: { known: boolean };
  /** The same files at the next start. */
  again(): Promise<TestAccess>;
}

export async function testAccess(t: Ends, stateDir = scratch(t, 'access')): Promise<TestAccess> {
  const clock = new ManualClock();
  const events: GatewayEvent[] = [];
  const lines: string[] = [];
  const line = (data: object, message: string): void => void lines.push(`${message} ${JSON.stringify(data)}`);
  const logger = { debug: line, info: line, warn: line, error: line, child: () => logger };
  const time = { known: true };
  const access = new Access({
    ...{ stateDir, clock, logger, cost: { logN: 10, p: 1 } },
    tell: (event) => events.push(event),
    time: () => ({ utc: clock.wall(), known: time.known }),
  });
  await access.open();
  access.begin();
  t.after(() => access.stop());
  return { access, clock, stateDir, events, lines, time, again: () => testAccess(t, stateDir) };
}

/** The same with an administrator named anna. */
export async function claimedAccess(t: Ends, stateDir?: string): Promise<TestAccess> {
  const made = await testAccess(t, stateDir);
  await made.access.accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
  return made;
}

/** The code of the error that a promise has to end with; `done` where it ends well. */
export function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'done',
    (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)),
  );
}
