/** A real Mosquitto goes and comes back: how often its port is asked meanwhile, and in what order all of it arrives. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import { toError } from '../../../src/core/errors.ts';
import { Connection } from '../../../src/forwarders/mqtt/connection.ts';
import { jsonDialect } from '../../../src/forwarders/mqtt/dialects/json/dialect.ts';
import { LogForwarder } from '../../../src/forwarders/mqtt/log-forwarder.ts';
import { failureOf } from '../../../src/forwarders/mqtt/retry-plan.ts';
import { mqttForwarderSchema } from '../../../src/forwarders/mqtt/schema.ts';
import { Log } from '../../../src/store/log.ts';
import { forwarderContext } from '../../fakes/forwarder-context.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';

const shape = { device: 'd', points: [{ name: 'n', type: 'uint32', storage: 'number' }] } as const;

test('a broker that comes back is met by the next try, and everything arrives in order', async (t) => {
  const broker = await Mosquitto.start(t, { persistence: true });
  const subscriber = broker && (await Subscriber.start(t, broker.port, ['sluice/#']));
  if (broker === undefined || subscriber === undefined) return;
  // Before the folder goes.
  let close = async () => {};
  t.after(() => close());
  const folder = scratch(t, 'return');
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock: systemClock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 50 },
  });
  log.setClock(Date.now() - Math.round(systemClock.monotonic()), false);
  log.setInventory('{}');
  const tries: string[] = [];
  let underWay = 0;
  const upstream = new LogForwarder({
    ...forwarderContext(log, { random: () => 1 }),
    ...{ name: 'cloud', dialect: jsonDialect },
    settings: mqttForwarderSchema([jsonDialect]).parse({ url: broker.url, batch: { maxAge: '20ms' } }) as never,
    connect: async (options) => {
      underWay++;
      try {
        const connection = await Connection.open(options);
        tries.push('connected');
        return connection;
      } catch (thrown) {
        tries.push(failureOf(toError(thrown)));
        throw thrown;
      } finally {
        underWay--;
      }
    },
  });
  upstream.start();
  close = async () => {
    await upstream.stop(0);
    await log.close(10_000);
  };
  const append = (n: number) => assert.ok(log.append({ shape, at: systemClock.monotonic(), values: [n], reasons: null }));
  await waitFor('the first connection', () => upstream.connected);
  append(0);
  await waitFor('the first reading', () => subscriber.messages().some((m) => m.topic.endsWith('/data')));

  await broker.stop();
  // The waits that grow are over: the next one would be 4 s, and then 8 s.
  await waitFor('refused tries', () => tries.filter((how) => how === 'refused').length >= 5);
  for (let n = 1; n <= 20; n++) append(n);
  await log.flush();
  const { nextTry = 0 } = upstream.status();
  assert.ok(nextTry - systemClock.monotonic() <= 2000, 'the planned wait');
  const away = tries.length;
  await broker.start();
  // A try may have met it already, before this test knew that it is back. One that is under way began while it was away.
  const back = tries.length + underWay;
  await waitFor('the connection after the return', () => upstream.connected);
  assert.equal(tries.slice(away).indexOf('connected'), tries.length - away - 1, 'one connection, and no try after it');
  assert.ok(
    tries.slice(back).every((how) => how === 'connected'),
    'the first try after the return succeeds',
  );
  await waitFor('all readings', () => new Consumer().feedAll(subscriber.messages()).records().length === 21);
  const consumer = new Consumer().feedAll(subscriber.messages());
  assert.deepEqual(
    consumer.records().map((r) => r.values.n),
    Array.from({ length: 21 }, (_, n) => n),
  );
  assert.deepEqual(consumer.judge(), []);
});
