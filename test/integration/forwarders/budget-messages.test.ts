/** Messages of rules under a budget, over a long way to a real Mosquitto: a burst shares one visit. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import { jsonDialect } from '../../../src/forwarders/mqtt/dialects/json/dialect.ts';
import { LogForwarder } from '../../../src/forwarders/mqtt/log-forwarder.ts';
import { mqttForwarderSchema } from '../../../src/forwarders/mqtt/schema.ts';
import { Log } from '../../../src/store/log.ts';
import { forwarderContext } from '../../fakes/forwarder-context.ts';
import { DropProxy } from '../../harness/drop-proxy.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';

const MESSAGES = 12;

test('a burst of messages leaves in one visit, however long each answer takes', async (t) => {
  const mosquitto = await Mosquitto.start(t);
  if (mosquitto === undefined) return;
  const proxy = new DropProxy(mosquitto.port);
  await proxy.start();
  t.after(() => proxy.stop());
  proxy.delay(200);
  const folder = scratch(t, 'messages');
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock: systemClock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 50 },
  });
  log.setClock(Date.now() - Math.round(systemClock.monotonic()), false);
  log.setInventory('{}');
  const upstream = new LogForwarder({
    ...forwarderContext(log),
    ...{ name: 'cloud', dialect: jsonDialect },
    settings: mqttForwarderSchema([jsonDialect]).parse({ url: proxy.url, budget: { perDay: '1MB' } }) as never,
  });
  t.after(async () => {
    await upstream.stop(0);
    await log.close(10_000);
  });
  upstream.start();
  // Those of one action keep their order: each is given to the forwarder when the one before is acknowledged.
  for (let n = 0; n < MESSAGES; n++) {
    const message = { topic: 'action/dry/call', payload: String(n), due: Number.MAX_SAFE_INTEGER };
    assert.deepEqual(await upstream.deliver(message), { result: 'acknowledged' });
    // What the gateway says of each action wakes the loop that waits for alarms.
    log.notice('event', 'action', systemClock.monotonic(), { v: 1, n });
    // The queue of the gateway is a few turns away.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await waitFor('the end of the visit', () => !upstream.connected);
  assert.equal(upstream.status().counters.connects, 1);
});
