/** A broker in a process of its own: `deliveries-broker.ts guard|accounts|unchecked|aedes`. It publishes what it is asked for. Talks over IPC. */

import { registerHooks } from 'node:module';
import { createServer } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Aedes } from 'aedes';
import type { MqttAccess } from '../../src/core/access-ports.ts';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';

/** Messages of one turn of the event loop where nothing else is asked for, and bytes that may wait for all clients meanwhile. */
const AT_ONCE = 4;
const UNSENT = 256 * 1024;

type Publish = (payload: string) => void;

interface Broker {
  readonly port: number;
  readonly publish: Publish;
  /** Whether more may be published now. */
  readonly ready: () => boolean;
  /** By its own counters: messages that passed a client by, and messages that it could not take. */
  readonly leftOut: () => number;
}

/** Each user name is an account of its own, with rules for what it may publish and read. The secret is not looked at. */
const ACCOUNTS: MqttAccess = {
  claimed: true,
  logIn: async ({ username = '' }) => ({
    ...{ principal: { who: username, door: 'mqtt', role: 'device' }, owner: username },
    ...{ publish: ['plant/other', 'plant/+'], subscribe: ['plant/other', 'plant/#', 'sluice/bench/#'] },
  }),
  has: () => true,
  onRevoked: () => () => {},
};

async function bare(): Promise<Broker> {
  const aedes = await Aedes.createBroker();
  const server = createServer((socket) => aedes.handle(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  let inFlight = 0;
  return {
    port: (server.address() as { port: number }).port,
    publish: (payload) => {
      inFlight++;
      const packet = { cmd: 'publish', topic: 'sluice/bench/event', payload, qos: 1, dup: false, retain: false } as const;
      aedes.publish(packet, () => {
        inFlight--;
      });
    },
    ready: () => inFlight < 64,
    leftOut: () => 0,
  };
}

async function embedded(kind: string | undefined): Promise<Broker> {
  if (kind === 'unchecked')
    registerHooks({
      resolve: (specifier, context, next) => {
        const found = next(specifier, context);
        if (!found.url.endsWith('/packet-check.ts') || context.parentURL?.endsWith('/no-check.ts') === true) return found;
        return { ...found, url: new URL('no-check.ts', import.meta.url).href };
      },
    });
  const { EmbeddedBroker } = await import('../../src/forwarders/broker/embedded-broker.ts');
  const broker = new EmbeddedBroker({
    ...{ listen: [{ host: '127.0.0.1', port: 0 }], root: 'sluice/bench', identity: { boot: 'b', version: '0' } },
    ...{ logger: silentLogger, clock: systemClock, now: () => 0, latest: { get: () => undefined, all: () => [].values() } },
    ...{ encodeBatch: () => [], onEvent: () => {}, access: kind === 'accounts' ? ACCOUNTS : undefined },
  });
  broker.start();
  while (broker.status().address === undefined) await nextTurn();
  const seq = { next: 1 };
  return {
    port: broker.status().address?.port ?? 0,
    publish: (json) => broker.notice({ kind: 'event', key: 'x', seq: seq.next++, json }),
    ready: () => broker.status().unsentBytes < UNSENT,
    leftOut: () => {
      const { dropped } = broker.status();
      return dropped.slow + dropped.busy;
    },
  };
}

const kind = process.argv[2];
const broker = kind === 'aedes' ? await bare() : await embedded(kind);
type Order = 'leftOut' | { readonly messages: number; readonly bytes: number; readonly atOnce?: number };
process.on('message', async (order: Order) => {
  if (order === 'leftOut') {
    process.send?.({ leftOut: broker.leftOut() });
    return;
  }
  const { messages, bytes, atOnce = AT_ONCE } = order;
  const payload = JSON.stringify('x'.repeat(bytes - 2));
  for (let i = 0; i < messages; ) {
    if (broker.ready()) for (let k = 0; k < atOnce && i < messages; k++, i++) broker.publish(payload);
    await nextTurn();
  }
});
process.on('disconnect', () => process.exit(0));
process.send?.({ port: broker.port });
