/**
 * A process that opens a log, waits for its salvage, and says what memory it took: `node salvage-child.ts STATE RUNTIME`. Its line
 * is JSON: `peak` bytes of resident memory (VmHWM), and `repairs` of log.db.
 */
import { readFileSync } from 'node:fs';
import { systemClock } from '../../src/core/clock.ts';
import { Log } from '../../src/store/log.ts';
import { waitFor } from './wait-for.ts';

const [stateDir = '', runtimeDir = ''] = process.argv.slice(2);
const log = await Log.open({ stateDir, runtimeDir, clock: systemClock, maxSize: 256e6, maxAge: 1e13, commitEvery: 3_600_000 });
log.setClock(Math.round(Date.now() - performance.now()), false);
log.setInventory('{}');
await waitFor('the end of the salvage', () => log.salvage === undefined, { timeout: 500_000 });
const repairs = log.opened.repairs.filter(({ file }) => file === 'log.db');
const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
process.stdout.write(`${JSON.stringify({ peak, repairs })}\n`);
await log.abandon();
