/** Listeners of HTTP and HTTPS, as a configuration asks for them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { GatewayConfig } from '../../../src/config/kinds.ts';
import { type Logger, silentLogger } from '../../../src/core/logger.ts';
import type { TlsSource } from '../../../src/core/tls-source.ts';
import type { EmbeddedBroker } from '../../../src/forwarders/broker/embedded-broker.ts';
import { type BrokerSurroundings, LocalBroker } from '../../../src/gateway/local-broker.ts';
import { warnOfOpen, webListen } from '../../../src/gateway/web.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

type Dashboard = NonNullable<GatewayConfig['dashboard']>;
const dashboard = (...listen: object[]) => ({ listen, names: [] }) as unknown as Dashboard;

test('without TLS loopback is a door of this machine, and other addresses are open', () => {
  const source: TlsSource = { current: undefined, fault: undefined, onChange: () => () => {} };
  const asked: unknown[] = [];
  const tls = {
    of: (given: unknown) => {
      asked.push(given);
      return source;
    },
  };
  const listen = webListen(
    dashboard(
      { host: '127.0.0.1', port: 80 },
      { host: '::1', port: 80 },
      { host: '0.0.0.0', port: 80, insecure: true },
      { host: '0.0.0.0', port: 443, tls: true },
      { host: '127.0.0.1', port: 443, tls: { cert: '/c', key: '/k' } },
    ).listen,
    tls,
  );
  assert.deepEqual(
    listen.map(({ door }) => door),
    ['http', 'http', 'open', 'https', 'https'],
  );
  assert.deepEqual(asked, [true, { cert: '/c', key: '/k' }]);
  assert.deepEqual(
    listen.map(({ tls: one }) => one !== undefined),
    [false, false, false, true, true],
  );
  assert.deepEqual(webListen([], tls), []);
});

test('a listener with the same address and certificate is the same one after a reload', () => {
  const tls = { of: () => ({ current: undefined, fault: undefined, onChange: () => () => {} }) };
  const key = (listen: object) => webListen(dashboard(listen).listen, tls)[0]?.key;
  const one = { host: '0.0.0.0', port: 443, tls: true };
  assert.equal(key(one), key({ ...one }));
  const others = [
    { ...one, port: 444 },
    { ...one, host: '::' },
    { ...one, tls: { cert: '/c', key: '/k' } },
    { host: one.host, port: one.port },
  ];
  assert.equal(new Set([one, ...others].map(key)).size, 5);
});

/** What was said at the level `warn`: where, and the sentence. */
function warnings(): { warned: (object | string)[]; logger: Logger } {
  const warned: (object | string)[] = [];
  return { warned, logger: { ...silentLogger, warn: (data, message) => void warned.push(data, message) } };
}

const MIXED = [
  { host: '127.0.0.1', port: 80 },
  { host: '0.0.0.0', port: 443, tls: true },
  { host: '0.0.0.0', port: 8080, insecure: true },
];
const OPEN =
  ' listens without TLS where other machines reach it, as the configuration says (insecure): everybody on that network can';

test('what is open to a network without TLS is told at each start, and nothing else is', () => {
  const { warned, logger } = warnings();
  const { listen } = dashboard(...MIXED);
  const told = [{ host: '0.0.0.0', port: 8080 }, `HTTP${OPEN} read passwords, sessions and readings.`];
  for (let start = 0; start < 2; start++) warnOfOpen(listen, logger);
  assert.deepEqual(warned, [...told, ...told]);
});

test('a broker that is open to a network without TLS is told at each start, and no other is', async () => {
  const { warned, logger } = warnings();
  class Fake {
    start(): void {}
    inventory(): void {}
  }
  const source: TlsSource = { current: undefined, fault: undefined, onChange: () => () => {} };
  const surroundings = {
    ...{ clock: new ManualClock(), logger, identity: () => ({ boot: 'b1', version: '1' }), store: () => undefined },
    alarms: () => [],
    tls: { of: () => source, keep: () => {} },
  } as unknown as BrokerSurroundings;
  const config = (...listen: object[]) =>
    ({ gateway: { id: 'g1' }, rules: new Map(), broker: { listen } }) as unknown as GatewayConfig;
  const told = [{ host: '0.0.0.0', port: 8080 }, `The embedded broker${OPEN} read passwords and readings.`];
  for (let start = 1; start <= 2; start++) {
    const feed = () => ({ add: () => {}, remove: () => {} });
    const broker = new LocalBroker(surroundings, feed, async () => Fake as unknown as typeof EmbeddedBroker);
    await (await broker.prepare(config(...MIXED))).apply();
    await (await broker.prepare(config(...MIXED))).apply();
    assert.deepEqual(warned, Array(start).fill(told).flat(), 'a reload without a change says nothing');
  }
  const closed = new LocalBroker(
    surroundings,
    () => ({ add: () => {}, remove: () => {} }),
    async () => Fake as unknown as typeof EmbeddedBroker,
  );
  await (await closed.prepare(config(...MIXED.slice(0, 2)))).apply();
  assert.equal(warned.length, 4);
});
