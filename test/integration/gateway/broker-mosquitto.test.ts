/**
 * Mosquitto's programs and paho at a whole gateway, with accounts and over TLS: queues over a SIGKILL, wills of killed clients, a
 * client that stops reading as it sees it, and wrong passwords. One gateway for all of them.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { PASSWORD } from '../../fakes/test-access.ts';
import { type Child, startChild } from '../../harness/child.ts';
import { CLIENTS, ROOT, Sub } from '../../harness/embedded-broker.ts';
import { makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { ForeignClient } from '../../peers/foreign-client.ts';
import { peer } from '../../peers/peers.ts';

const MESSAGES = 2000;
/** Lines for one mosquitto_pub: one client may make 1,000 requests at once. */
const LINES = 400;
/** Bytes of a message of the flood, and most of them before a client that reads nothing misses one. */
const LARGE = 60_000;
const MOST_LARGE = 900;

/** A gateway with the user anna, the devices plug and panel, and one listener with TLS. undefined after a skip */
async function startedSite(t: TestContext) {
  const program = peer(t, 'mosquitto_pub', CLIENTS);
  const gateway = makeGateway(t, (g) => `${g.section}\nbroker: {listen: {port: 0, tls: true}}\n`);
  if (program === undefined) return undefined;
  const ca = path.join(gateway.stateDir, 'tls', 'ca.crt');
  await gateway.up();
  const add = (body: object) => request(gateway.socket, 'POST', '/api/v1/users/add', body) as Promise<{ password?: string }>;
  await add({ name: 'anna', role: 'administrator', password: PASSWORD });
  const passwords: Record<string, string> = { anna: PASSWORD };
  for (const name of ['plug', 'panel']) {
    const topics = { publish: [`${name}/#`], subscribe: ['plug/#', 'panel/#'] };
    passwords[name] = (await add({ name, device: true, ...topics })).password ?? '';
  }
  const broker = async () => {
    const { broker: status } = await gateway.status();
    assert.ok(status !== undefined);
    return status;
  };
  const as = (name: string): string[] => ['--cafile', ca, '-u', name, '-P', passwords[name] ?? ''];
  const sub = async (name: string, ...args: string[]) => Sub.start(t, await gateway.brokerPort(), [...as(name), ...args]);
  const paho = async (name: string, id: string) =>
    ForeignClient.start(t, 'paho', {
      ...{ port: await gateway.brokerPort(), id, clean: false, user: name, ca },
      password: passwords[name] ?? '',
    });
  const pub = async (log: readonly string[], ...args: string[]): Promise<Child> =>
    startChild(t, program, ['-h', '127.0.0.1', '-p', `${await gateway.brokerPort()}`, ...log, ...args], { stdin: true });
  const away = (clients: number) => waitFor(`${clients} clients`, async () => (await broker()).clients === clients);
  return { gateway, ca, broker, as, sub, paho, pub, away };
}
type Site = NonNullable<Awaited<ReturnType<typeof startedSite>>>;

test("Mosquitto's programs and paho with accounts over TLS at a whole gateway", { timeout: 600_000 }, async (t) => {
  const s = await startedSite(t);
  if (s === undefined) return;
  await t.test('2,000 messages wait for two clients over a SIGKILL, in order, each once', () => queues(s));
  await t.test('wills of killed mosquitto_subs come where their account may publish, and nowhere else', () => wills(s));
  await t.test('a client that stops reading sees its end behind what it had, and no other misses anything', () => stalled(s));
  await t.test('mosquitto_pub says that a password is wrong, and ends with an error', () => wrongPasswords(s));
});

/** Every other mosquitto_pub publishes with QoS 2. */
const qosOf = (message: number): number => 1 + (Math.floor(message / LINES) % 2);

async function queues(s: Site): Promise<void> {
  const session = ['-t', 'plug/#', '-q', '1', '-c', '-i', 'keeper'];
  const [first, other] = [await s.sub('anna', ...session), await s.paho('panel', 'panel')];
  assert.equal(await other?.subscribe('plug/t', 2), 2);
  for (const one of [first, other]) await one?.child.stop('SIGKILL');
  await s.away(0);
  const all: string[] = [];
  while (all.length < MESSAGES) {
    const lines = Array.from({ length: LINES }, (_, i) => `message ${all.length + i}`);
    const pub = await s.pub(s.as('plug'), '-t', 'plug/t', '-q', `${qosOf(all.length)}`, '-l');
    for (const line of lines) pub.write(line);
    pub.endInput();
    // It ends when all of them are acknowledged.
    assert.equal(await pub.ended, 0, pub.stderr.join('\n'));
    all.push(...lines);
  }
  await s.gateway.kill();
  await s.gateway.up();
  await s.gateway.brokerPort();
  const { sessions, queuedMessages } = await s.broker();
  assert.deepEqual({ sessions, queuedMessages }, { sessions: 2, queuedMessages: 2 * MESSAGES });
  const [keeper, panel] = [await s.sub('anna', ...session), await s.paho('panel', 'panel')];
  assert.equal(panel?.present, true);
  await waitFor('both to have acknowledged all of it', async () => (await s.broker()).queuedMessages === 0);
  const got = () => keeper?.messages().map(({ payload }) => payload) ?? [];
  await waitFor(
    () => `the last message; ${got().length} and ${panel?.messages().length} came`,
    () => got().includes(all.at(-1) as string) && panel?.messages().includes(all.at(-1) as string),
  );
  assert.deepEqual(got(), all);
  // A receiver of QoS 2 has a message with its PUBREL: others with QoS 1 come before it, and the order is that of each QoS.
  for (const qos of [1, 2])
    assert.deepEqual(
      panel?.came().flatMap((one) => (one.message !== undefined && one.qos === qos ? [one.payload] : [])),
      all.filter((_, i) => qosOf(i) === qos),
    );
  for (const one of [keeper, panel]) await one?.child.stop('SIGKILL');
  await s.away(0);
}

async function wills(s: Site): Promise<void> {
  const anna = await s.sub('anna', '-t', '#', '-q', '1', '-i', 'anna');
  const will = (id: string, topic: string) =>
    s.sub('plug', '-t', 'plug/x', '-i', id, '--will-topic', topic, '--will-payload', `will of ${id}`, '--will-qos', '1');
  const polite = await will('polite', 'plug/LWT');
  const others = [await will('foreign', 'panel/LWT'), await will('forger', `${ROOT}/status`), await will('own', 'plug/LWT')];
  assert.equal((await s.broker()).clients, 5);
  // It says DISCONNECT.
  await polite?.child.stop('SIGTERM');
  await s.away(4);
  for (const [i, one] of others.entries()) {
    await one?.child.stop('SIGKILL');
    await s.away(3 - i);
  }
  await anna?.message('plug/LWT', ({ payload }) => payload === 'will of own');
  assert.deepEqual(
    anna?.messages().filter(({ payload }) => payload.startsWith('will of')),
    [{ topic: 'plug/LWT', qos: 1, retained: false, payload: 'will of own' }],
  );
  await anna?.child.stop('SIGKILL');
  await s.away(0);
}

async function stalled(s: Site): Promise<void> {
  const [stops, healthy] = [
    await s.sub('anna', '-t', 'plug/flood', '-i', 'stops'),
    await s.sub('panel', '-t', 'plug/flood', '-i', 'healthy'),
  ];
  if (stops === undefined || healthy === undefined) return;
  const connects = (): number => stops.child.stdout.filter((line) => line.includes('sending CONNECT')).length;
  const numbers = (sub: Sub): number[] => sub.messages().map(({ payload }) => Number.parseInt(payload, 10));
  assert.equal(connects(), 1);
  const before = (await s.broker()).refused.slow;
  const cut = async (): Promise<number> => (await s.broker()).refused.slow - before;
  stops.child.signal('SIGSTOP');
  const pub = await s.pub(s.as('plug'), '-t', 'plug/flood', '-q', '0', '-l');
  let sent = 0;
  /** One message, until the healthy client has it. */
  const send = async (): Promise<void> => {
    pub.write(`${sent++}`.padEnd(LARGE, '.'));
    await waitFor(`message ${sent}`, () => healthy.messages().length >= sent, { every: 5 });
  };
  while ((await cut()) === 0) {
    assert.ok(sent < MOST_LARGE, `the stalled client has its place after ${sent} messages`);
    await send();
  }
  await send();
  pub.endInput();
  assert.equal(await pub.ended, 0);
  assert.equal(await cut(), 1);
  assert.equal(connects(), 1);
  stops.child.signal('SIGCONT');
  // mosquitto_sub connects again, or ends, when its connection has ended.
  await waitFor('it to notice', () => stops.child.over !== undefined || connects() > 1);
  const all = Array.from({ length: sent }, (_, i) => i);
  const seen = numbers(stops);
  assert.deepEqual(numbers(healthy), all);
  assert.ok(seen.length > 0 && seen.length < sent, `${seen.length} of ${sent}`);
  assert.deepEqual(seen, all.slice(0, seen.length), 'nothing is left out before the end');
  for (const one of [stops, healthy]) await one.child.stop('SIGKILL');
  await s.away(0);
}

async function wrongPasswords(s: Site): Promise<void> {
  for (const [name, password, code, words] of [
    ['anna', ['-P', 'wrong'], 4, 'bad user name or password'],
    ['plug', ['-P', PASSWORD], 4, 'bad user name or password'],
    ['nobody', ['-P', PASSWORD], 4, 'bad user name or password'],
    ['plug', [], 4, 'bad user name or password'],
  ] as const) {
    const pub = await s.pub(['--cafile', s.ca, '-u', name, ...password], '-t', 'plug/x', '-q', '1', '-m', 'forged');
    assert.equal(await pub.ended, code, `${name} ${password}`);
    assert.match(pub.stderr.join('\n'), new RegExp(words), `${name} ${password}`);
  }
  assert.equal((await s.broker()).clients, 0);
}
