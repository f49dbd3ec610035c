/** `$SYS`: for administrators, under the names of Mosquitto, and for nobody else. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { MqttAccess } from '../../../src/core/access-ports.ts';
import type { Role } from '../../../src/core/commands.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { BrokerBench, Raw, Sub, text } from '../../harness/embedded-broker.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';

/** The user name is the role. */
const byRole: MqttAccess = {
  claimed: true,
  logIn: async ({ username = 'viewer' }) => ({
    ...{ principal: { who: username, door: 'mqtt', role: username as Role }, owner: `user:${username}` },
    ...{ publish: [], subscribe: ['#'] },
  }),
  has: () => true,
  onRevoked: () => () => {},
};
const as = (role: Role) => ['-u', role, '-P', 'x', '-i', role];
const NAMES = [
  ...['version', 'uptime', 'clients/connected', 'clients/disconnected', 'clients/total', 'publish/messages/received'],
  ...['publish/messages/sent', 'subscriptions/count', 'retained messages/count'],
].map((name) => `$SYS/broker/${name}`);

async function code(t: TestContext, port: number, role: Role, filter: string): Promise<number | undefined> {
  const raw = await Raw.open(t, port);
  assert.equal(await raw.connect('c', 0xc2, [text(role), text('x')]), 0);
  raw.subscribe([filter]);
  await waitFor('a SUBACK', () => raw.bytes.length >= 9);
  return raw.bytes[8];
}

test('an administrator gets each topic once at once, and again every 10 s', async (t) => {
  const clock = new ManualClock();
  const bench = new BrokerBench(t, { access: byRole, clock });
  const port = await bench.start();
  const sub = await Sub.start(t, port, [...as('administrator'), '-t', '$SYS/#']);
  if (sub === undefined) return;
  await waitFor('each', () => sub.messages().length >= NAMES.length);
  assert.deepEqual(
    sub.messages().map(({ topic, retained, qos }) => [topic, retained, qos]),
    NAMES.map((topic) => [topic, true, 0]),
  );
  const of = (name: string) => sub.messages().findLast(({ topic }) => topic === `$SYS/broker/${name}`)?.payload;
  assert.deepEqual([of('clients/connected'), of('clients/total'), of('subscriptions/count')], ['1', '1', '1']);
  // aedes tells of this client and its filter below $SYS.
  const other = await Raw.open(t, port);
  assert.equal(await other.connect('spied', 0xc0, [text('viewer'), text('x')]), 0);
  await clock.advance(10_000);
  await waitFor('each again', () => sub.messages().length >= 2 * NAMES.length);
  assert.deepEqual(
    sub
      .messages()
      .slice(NAMES.length)
      .map(({ topic, retained }) => [topic, retained]),
    NAMES.map((topic) => [topic, false]),
  );
  assert.deepEqual([of('clients/connected'), of('uptime')], ['2', '10 seconds']);
  assert.equal(JSON.stringify(sub.messages()).includes('spied'), false);
});

test('nobody else gets a filter below $SYS, and # brings nothing of it to anybody', async (t) => {
  const clock = new ManualClock();
  const bench = new BrokerBench(t, { access: byRole, clock });
  const port = await bench.start();
  for (const filter of ['$SYS/#', '$SYS/broker/version', '$SYS/+/new/clients', '$SYS'])
    for (const role of ['device', 'viewer', 'flow-editor', 'operator'] as const)
      assert.equal(await code(t, port, role, filter), 0x80, `${role} ${filter}`);
  for (const filter of ['$command', '$share/g/#', '$/a'])
    assert.equal(await code(t, port, 'administrator', filter), 0x80, filter);
  const sub = await Sub.start(t, port, [...as('administrator'), '-t', '#', '-t', '+/broker/version']);
  if (sub === undefined) return;
  await clock.advance(20_000);
  bench.broker.notice({ kind: 'event', key: 'x', seq: 1, json: '{"last":1}' });
  await sub.message('sluice/g1/event');
  assert.deepEqual(
    sub.messages().filter(({ topic }) => topic.startsWith('$')),
    [],
  );
});

test('Mosquitto has topics of these names', async (t) => {
  const broker = await Mosquitto.start(t, { extra: ['sys_interval 1'] });
  if (broker === undefined) return;
  const sub = await Sub.start(t, broker.port, ['-t', '$SYS/#']);
  await waitFor('each', () => NAMES.every((name) => sub?.messages().some(({ topic }) => topic === name) === true));
});
