/**
 * Every class of topics at the embedded broker, published and subscribed to without a credential and with each role, and filters with
 * wildcards. A topic that the pages or the broker name and the walk does not have fails it.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import { ROLES, type Role } from '../../../src/core/commands.ts';
import { SystemTopics } from '../../../src/forwarders/broker/system-topics.ts';
import { claimedAccess, ROOT as OWNER, PASSWORD, testAccess } from '../../fakes/test-access.ts';
import { BrokerBench, Raw, ROOT, remaining, text } from '../../harness/embedded-broker.ts';
import { waitFor } from '../../harness/wait-for.ts';

const DOCS = path.join(import.meta.dirname, '..', '..', '..', 'docs', 'reference');
const NOBODY = 'anonymous';
type Who = Role | typeof NOBODY;
const WHO: readonly Who[] = [NOBODY, ...ROLES];

/** By the first level below the root of the gateway: a topic of each. */
const OWN: Readonly<Record<string, string>> = {
  ...{ status: 'status', inventory: 'inventory', data: 'data', history: 'history', event: 'event' },
  ...{ value: 'value/fridge/temperature', alarm: 'alarm/warm', command: 'command', result: 'result/c1', resend: 'resend/c1' },
  ...{ summary: 'summary', action: 'action/warm/siren' },
};
const PEOPLE: readonly Who[] = ['viewer', 'flow-editor', 'operator', 'administrator'];
const WRITERS: readonly Who[] = ['flow-editor', 'operator', 'administrator'];

/** Who may publish and subscribe. A device has filters on `mine/#` and `mine/in/#`. */
const TABLE: readonly (readonly [topic: string, publish: readonly Who[], subscribe: readonly Who[]])[] = [
  ...Object.entries(OWN).map(
    ([name, topic]) => [`${ROOT}/${topic}`, name === 'command' ? ROLES : [], [NOBODY, ...PEOPLE]] as const,
  ),
  ['sluice', [], [NOBODY, ...PEOPLE]],
  [ROOT, [], [NOBODY, ...PEOPLE]],
  [`${ROOT}/command/x`, [], [NOBODY, ...PEOPLE]],
  ...Object.values(OWN).map((topic) => [`sluice/other/${topic}`, [], [NOBODY, ...PEOPLE]] as const),
  ['zigbee2mqtt/lamp', WRITERS, [NOBODY, ...PEOPLE]],
  ['tele/plug-2/STATE', WRITERS, [NOBODY, ...PEOPLE]],
  ['mine/out', ['device', ...WRITERS], [NOBODY, ...PEOPLE]],
  ['mine/in/x', ['device', ...WRITERS], [NOBODY, 'device', ...PEOPLE]],
  ['/leading', WRITERS, [NOBODY, ...PEOPLE]],
  ...[
    ...['version', 'uptime', 'clients/connected', 'clients/disconnected', 'clients/total', 'publish/messages/received'],
    ...['publish/messages/sent', 'subscriptions/count', 'retained messages/count'],
  ].map((name) => [`$SYS/broker/${name}`, [], ['administrator']] as const),
  ['$SYS/other/new/clients', [], ['administrator']],
  ['$share/g/a', [], []],
  ['$command', [], []],
];

/** Filters with wildcards, and who may subscribe to them. One that reaches a topic which is not granted is refused as a whole. */
const FILTERS: readonly (readonly [filter: string, subscribe: readonly Who[]])[] = [
  ...['#', '+', '+/#', '+/+', '/+', 'sluice/#', 'sluice/+/value/#', `${ROOT}/#`, `${ROOT}/+`, 'zigbee2mqtt/+', 'mine/#'].map(
    (filter) => [filter, [NOBODY, ...PEOPLE]] as const,
  ),
  ...Object.keys(OWN).flatMap((name) => [
    [`${ROOT}/${name}/#`, [NOBODY, ...PEOPLE]] as const,
    [`sluice/+/${name}/+`, [NOBODY, ...PEOPLE]] as const,
  ]),
  ...['mine/in/#', 'mine/in/+', 'mine/in/+/x', 'mine/in'].map((filter) => [filter, [NOBODY, 'device', ...PEOPLE]] as const),
  ...['mine/+', 'mine/+/x', '+/in/#', '+/in/x'].map((filter) => [filter, [NOBODY, ...PEOPLE]] as const),
  ...['$SYS/#', '$SYS/broker/#', '$SYS/broker/+', '$SYS/+/clients/connected', '$SYS/broker/clients/+'].map(
    (filter) => [filter, ['administrator']] as const,
  ),
  ...['$share/g/#', '$share/+/a', '$command/#', '$/#', '$other/+'].map((filter) => [filter, []] as const),
];

/** A broker with the accounts of a gateway, one for each role; for nobody those of a gateway that is not claimed. */
async function walked(t: TestContext, who: Who): Promise<{ readonly port: number; readonly login: readonly Buffer[] }> {
  const { access } = await (who === NOBODY ? testAccess(t) : claimedAccess(t));
  const bench = async () => new BrokerBench(t, { access: access.mqtt }).start();
  if (who === NOBODY) return { port: await bench(), login: [] };
  let secret: string = PASSWORD;
  if (who === 'device')
    secret = (await access.accounts.addDevice({ name: who, publish: ['mine/#'], subscribe: ['mine/in/#'] }, OWNER)) ?? '';
  else await access.accounts.addUser({ name: who, role: who, password: PASSWORD }, OWNER);
  return { port: await bench(), login: [text(who), text(secret)] };
}
type Walked = Awaited<ReturnType<typeof walked>>;

async function asked(t: TestContext, { port, login }: Walked): Promise<Raw> {
  const raw = await Raw.open(t, port);
  assert.equal(await raw.connect('c', login.length === 0 ? 0x02 : 0xc2, login), 0);
  return raw;
}

/** @returns whether a message with QoS 1 is acknowledged; its connection ends otherwise */
async function publishes(t: TestContext, as: Walked, topic: string): Promise<boolean> {
  const raw = await asked(t, as);
  const body = Buffer.concat([text(topic), Buffer.from([0, 5]), Buffer.from('{}')]);
  raw.send(0x32, remaining(body.length), body);
  await waitFor('a PUBACK or the end', () => raw.closed || raw.bytes.subarray(4).includes(Buffer.from([0x40, 2, 0, 5])));
  const taken = !raw.closed;
  raw.socket.destroy();
  return taken;
}
async function subscribes(t: TestContext, as: Walked, topic: string): Promise<boolean> {
  const raw = await asked(t, as);
  raw.subscribe([topic]);
  await waitFor('a SUBACK', () => raw.closed || raw.bytes.length >= 9);
  assert.equal(raw.bytes[4], 0x90);
  raw.socket.destroy();
  return raw.bytes[8] !== 0x80;
}

test('each topic below the root of a gateway that the pages name is in the walk', () => {
  const pages = readdirSync(DOCS).filter((file) => file.endsWith('.md'));
  const named = new Set(
    pages.flatMap((file) => [...readFileSync(path.join(DOCS, file), 'utf8').matchAll(/`…\/([a-z]+)/g)].map(([, name]) => name)),
  );
  assert.deepEqual([...named].sort(), Object.keys(OWN).sort());
});

test('each topic below $SYS that the broker has is in the walk', () => {
  const counts = { connected: 0, away: 0, received: 0, sent: 0, subscriptions: 0, retained: 0 };
  const system = new SystemTopics({ clock: systemClock, counts: () => counts, wanted: () => false, publish: () => {} });
  const topics = system.matching(['$SYS/#']).map(({ topic }) => topic);
  assert.deepEqual(
    topics.sort(),
    TABLE.map(([topic]) => topic)
      .filter((topic) => topic.startsWith('$SYS/broker/'))
      .sort(),
  );
});

for (const who of WHO)
  test(`filters with wildcards that ${who} may subscribe to, and no others`, { timeout: 400_000 }, async (t) => {
    const as = await walked(t, who);
    const found: unknown[] = [];
    for (const [filter] of FILTERS) found.push([filter, await subscribes(t, as, filter)]);
    assert.deepEqual(
      found,
      FILTERS.map(([filter, subscribe]) => [filter, subscribe.includes(who)]),
    );
  });

for (const who of WHO)
  test(`topics that ${who} may publish and subscribe to, and no others`, { timeout: 400_000 }, async (t) => {
    const as = await walked(t, who);
    const found: unknown[] = [];
    for (const [topic] of TABLE) found.push([topic, await publishes(t, as, topic), await subscribes(t, as, topic)]);
    assert.deepEqual(
      found,
      TABLE.map(([topic, publish, subscribe]) => [topic, publish.includes(who), subscribe.includes(who)]),
    );
  });
