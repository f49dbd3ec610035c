/** Who gives way among connections without a log-in, and what several messages too many of one connection are: what Clients wires up. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Client, ConnectPacket } from 'aedes';
import { silentLogger } from '../../../src/core/logger.ts';
import { Audience } from '../../../src/forwarders/broker/audience.ts';
import { Clients } from '../../../src/forwarders/broker/clients.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { SessionJournal } from '../../../src/forwarders/broker/session-journal.ts';
import { Sessions } from '../../../src/forwarders/broker/sessions.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const CONNECT = {} as ConnectPacket;

function siteOf(t: TestContext) {
  const clock = new ManualClock();
  const nobody = { roomy: async () => {}, onOverflow: () => {}, onLost: () => {}, place: () => undefined };
  const sessions = new Sessions({ ...{ clock, alarms: '', again: '', journal: new SessionJournal(undefined) }, ...nobody });
  const clients = new Clients({
    ...{ clock, logger: silentLogger, audience: new Audience(), sessions, root: 'r', access: undefined, relieved: () => {} },
  });
  t.after(() => clients.end());
  /** A connection that has had its turn. */
  const arrive = async (address: string | undefined, id = ''): Promise<Client> => {
    const socket = Object.defineProperty(new Socket(), 'remoteAddress', { value: address });
    const { promise, resolve } = Promise.withResolvers<Client>();
    clients.connected(socket, (guard) => {
      guard.on('error', () => {});
      const client = { id, clean: true, closed: false, conn: guard, _parser: new EventEmitter(), close: () => {} };
      resolve(client as unknown as Client);
      return client as unknown as Client;
    });
    return promise;
  };
  const isOver = (client: Client): boolean =>
    client.conn.destroyed || (client.conn as { socket?: Socket }).socket?.destroyed === true;
  return { clock, clients, arrive, isOver };
}

for (const [who, address, most] of [
  ['another machine', '203.0.113.7', limits.MAX_PER_ADDRESS],
  ['this board', '127.0.0.1', limits.MAX_UNCONNECTED],
] as const)
  test(`a newcomer of ${who} ends a silent connection, and no log-in under way`, async (t) => {
    const { clients, arrive, isOver } = siteOf(t);
    const logsIn = await arrive(address);
    clients.connects(logsIn, CONNECT);
    const silent: Client[] = [];
    for (let i = 1; i < most; i++) silent.push(await arrive(address));
    assert.ok(![logsIn, ...silent].some(isOver), 'they have their share');
    const next = await arrive(address);
    await nextTurn();
    assert.deepEqual([logsIn, ...silent.slice(0, 2), next].map(isOver), [false, true, false, false]);
    // Where all log in, the one that came last waits for longest.
    for (const one of [...silent.slice(1), next]) clients.connects(one, CONNECT);
    const last = await arrive(address);
    await nextTurn();
    assert.deepEqual([logsIn, ...silent.slice(1), next, last].filter(isOver), [next]);
  });

test('messages of one connection that the disk is behind with are one end', async (t) => {
  const { clock, clients, arrive } = siteOf(t);
  const comes = async (): Promise<[Client, number | undefined]> => {
    const client = await arrive('127.0.0.1', 'pub');
    clients.connects(client, CONNECT);
    return [client, (await clients.admit(client, undefined, undefined))?.returnCode];
  };
  const [first, code] = await comes();
  assert.equal(code, undefined);
  for (let i = 0; i < 5; i++) clients.behind(first);
  first.conn.destroy();
  assert.equal((await comes())[1], 3);
  await clock.advance(limits.COME_BACK_AFTER);
  const [second, again] = await comes();
  assert.equal(again, undefined, 'the first wait is the short one');
  for (let i = 0; i < 5; i++) clients.behind(second);
  second.conn.destroy();
  await clock.advance(2 * limits.COME_BACK_AFTER - 1);
  assert.equal((await comes())[1], 3);
  await clock.advance(1);
  assert.equal((await comes())[1], undefined);
});
