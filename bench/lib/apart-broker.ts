/** The thread of apart.ts: the broker as the gateway runs it, with its guard, and accounts that exist by their names alone. */
import { workerData } from 'node:worker_threads';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { EmbeddedBroker } from '../../src/forwarders/broker/embedded-broker.ts';

const { port } = workerData as { readonly port: number };
const topics = ['storm/#'];
new EmbeddedBroker({
  ...{ listen: [{ host: '127.0.0.1', port }], root: 'sluice/storm', identity: { boot: 'b', version: '0' } },
  ...{ logger: silentLogger, clock: systemClock, now: () => Date.now() },
  ...{ latest: { get: () => undefined, all: () => [].values() }, encodeBatch: () => [], onEvent: () => {} },
  access: {
    logIn: async ({ username = '' }) => {
      const device = username === 'storm' || username === 'beats';
      return {
        principal: { who: username, door: 'mqtt', role: device ? 'device' : 'viewer' },
        ...{ owner: `device:${username}`, subscribe: topics, publish: device ? topics : [] },
      };
    },
    ...{ claimed: true, has: () => true, onRevoked: () => () => {} },
  },
}).start();
