/**
 * One gateway of bench/short-windows.ts: a log with a reading now and then, and a forwarder. node short-windows-gateway.ts PLAN
 * A line on stdin is answered with a line of JSON: what it took, and what was acknowledged. `stop` ends the readings before that.
 */
import path from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { jsonDialect } from '../../src/forwarders/mqtt/dialects/json/dialect.ts';
import { LogForwarder } from '../../src/forwarders/mqtt/log-forwarder.ts';
import { mqttForwarderSchema } from '../../src/forwarders/mqtt/schema.ts';
import { Log } from '../../src/store/log.ts';
import { forwarderContext } from '../../test/fakes/forwarder-context.ts';

const plan = JSON.parse(process.argv[2] ?? '{}') as {
  readonly gateway: string;
  readonly folder: string;
  readonly url: string;
  /** Milliseconds between two readings. */
  readonly every: number;
  /** The file of the authority, for an address with TLS. */
  readonly ca?: string | undefined;
};
const shape = { device: 'd', points: [{ name: 'n', type: 'uint32', storage: 'number' }] } as const;

const log = await Log.open({
  ...{ stateDir: path.join(plan.folder, 'state'), runtimeDir: path.join(plan.folder, 'run'), clock: systemClock },
  ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 10_000 },
});
log.setClock(Date.now() - Math.round(systemClock.monotonic()), false);
log.setInventory('{}');
const settings = mqttForwarderSchema([jsonDialect]).parse({ url: plan.url, batch: { maxAge: '1s' } });
const forwarder = new LogForwarder({
  ...forwarderContext(log, { gateway: plan.gateway, logger: silentLogger, random: Math.random }),
  ...{ name: 'cloud', dialect: jsonDialect },
  settings: { ...settings, ...(plan.ca !== undefined && { tls: { ca: plan.ca } }) } as never,
});
let taken = 0;
const readings = setInterval(() => {
  if (log.append({ shape, at: systemClock.monotonic(), values: [taken], reasons: null })) taken++;
}, plan.every);
forwarder.start();
console.log('runs');

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'stop') {
    clearInterval(readings);
    await log.flush();
  }
  const { counters } = forwarder.status();
  console.log(JSON.stringify({ taken, acked: counters.readings, connects: counters.connects }));
}
process.exit(0);
