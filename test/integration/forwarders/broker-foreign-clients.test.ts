/**
 * Foreign libraries at the embedded broker, each case with paho for Python and with mqtt.js: log-ins by password and certificate,
 * refused topics, takeovers, wills, and a client that stops reading. Sessions over a SIGKILL are in broker-restart-clients.test.ts.
 */
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import mqtt from 'mqtt';
import { Access } from '../../../src/access/access.ts';
import { type IssueAnswer, issue } from '../../../src/access/tls/issuing.ts';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import type { Principal } from '../../../src/core/commands.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { BUILT } from '../../../src/core/version.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { BrokerBench, inventoryOf, ROOT, shapeOf } from '../../harness/embedded-broker.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { type ClientOrder, ForeignClient, LIBRARIES, type Library } from '../../peers/foreign-client.ts';

const OWNER: Principal = { who: 'root', door: 'socket', role: 'administrator' };
const PASSWORD = 'a long enough password';
const DAY = 86_400_000;
const REFUSED = 0x80;
/** Milliseconds after the first stuck byte in which a client that takes nothing keeps its place, and at which it is cut (outbound.ts). */
const STALLS = 2_600;
/** Milliseconds between two looks. */
const PERIOD = 300;
/** Messages that pass the stalled client by before its time is over. */
const MISSED = 50;

function identity(): Promise<IssueAnswer> {
  const names = { dns: ['localhost'], addresses: ['127.0.0.1'] };
  return issue({
    ...{ subject: 'g1', names, permits: { dns: [], addresses: [] } },
    ...{ from: BUILT, until: Date.now() + 300 * DAY, caFrom: BUILT, caUntil: Date.now() + 400 * DAY },
  });
}

/** A broker with the administrator anna, the viewer eve and the device plug-1, on a plain port and on one with TLS. */
async function foreignBench(t: TestContext, library: Library, clock: Clock = systemClock) {
  const stateDir = scratch(t, 'foreign');
  const access = new Access({
    ...{ stateDir, clock: systemClock, logger: silentLogger, tell: () => {}, cost: { logN: 10, p: 1 } },
    time: () => ({ utc: Date.now(), known: true }),
  });
  await access.open();
  access.begin();
  t.after(() => access.stop());
  const made = await identity();
  const current = { key: made.server.key, cert: made.server.certificate, fingerprint: '' };
  const bench = new BrokerBench(t, {
    ...{ access: access.mqtt, clock },
    listen: [
      { host: '127.0.0.1', port: 0 },
      { host: '127.0.0.1', port: 0, tls: { current, fault: undefined, onChange: () => () => {} } },
    ],
  });
  bench.broker.start();
  await waitFor('both addresses', () => bench.broker.status().listeners.every(({ port }) => port > 0));
  const portOf = (tls: boolean): number => bench.broker.status().listeners.find((one) => one.tls === tls)?.port ?? 0;
  const { accounts } = access;
  await accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, OWNER);
  await accounts.addUser({ name: 'eve', role: 'viewer', password: PASSWORD }, OWNER);
  const topics = { publish: ['tele/plug-1/#'], subscribe: ['cmnd/plug-1/#'] };
  const secret = (await accounts.addDevice({ name: 'plug-1', ...topics }, OWNER)) ?? '';
  const client = (order: Partial<ClientOrder>) =>
    ForeignClient.start(t, library, { port: portOf(false), id: 'c', clean: true, ...order });
  return {
    ...{ bench, accounts, made, stateDir, client, secret },
    port: portOf(false),
    tlsPort: portOf(true),
    anna: (more: Partial<ClientOrder> = {}) => client({ id: 'anna', user: 'anna', password: PASSWORD, ...more }),
    eve: (more: Partial<ClientOrder> = {}) => client({ id: 'eve', user: 'eve', password: PASSWORD, ...more }),
    plug: (more: Partial<ClientOrder> = {}) => client({ id: 'plug', user: 'plug-1', password: secret, ...more }),
  };
}

for (const library of LIBRARIES) {
  test(`${library}: a password lets in, and a wrong one or none does not`, { timeout: 400_000 }, async (t) => {
    const s = await foreignBench(t, library);
    const anna = await s.anna();
    if (anna === undefined) return;
    assert.equal(anna.connack, 0);
    const [wrong, nobody] = await Promise.all([s.client({ user: 'anna', password: 'guess' }), s.client({ id: 'nobody' })]);
    assert.deepEqual([wrong?.connack, nobody?.connack], [4, 5]);
    await waitFor('both to be closed', () => wrong?.closed === true && nobody?.closed === true);
    assert.equal(s.bench.broker.status().clients, 1);
  });

  test(`${library}: the certificate of an account lets in, and that of a stranger does not`, { timeout: 400_000 }, async (t) => {
    const s = await foreignBench(t, library);
    const [own, other] = [(await identity()).server, (await identity()).server];
    const certificate = createHash('sha256').update(new X509Certificate(own.certificate).raw).digest('hex');
    await s.accounts.addDevice({ name: 'meter', publish: ['meter/#'], subscribe: ['meter/#'], certificate }, OWNER);
    const file = (name: string, content: string): string => {
      writeFileSync(path.join(s.stateDir, name), content);
      return path.join(s.stateDir, name);
    };
    const ca = file('ca.crt', s.made.authority.certificate);
    const cert = file('own.crt', own.certificate);
    const key = file('own.key', own.key);
    const meter = await s.client({ port: s.tlsPort, id: 'meter', ca, cert, key });
    if (meter === undefined) return;
    assert.equal(meter.connack, 0);
    assert.equal(await meter.subscribe('meter/x'), 1);
    assert.equal(await meter.publish('meter/x', '42'), true);
    await meter.message('meter/x', '42');
    const stranger = { cert: file('other.crt', other.certificate), key: file('other.key', other.key) };
    for (const order of [stranger, {}]) {
      const refused = await s.client({ port: s.tlsPort, id: 'stranger', ca, ...order });
      assert.notEqual(refused?.connack, 0);
      await waitFor('it to be closed', () => refused?.closed === true);
    }
    // A client verifies the gateway: with another authority it does not even log in.
    const blind = await s.client({ port: s.tlsPort, id: 'blind', ca: file('other-ca.crt', other.certificate), cert, key });
    assert.equal(blind?.connack, undefined);
    assert.equal(s.bench.broker.status().clients, 1);
  });

  test(`${library}: topics of others are refused to a device, with SUBACK 0x80 or the end`, { timeout: 400_000 }, async (t) => {
    const s = await foreignBench(t, library);
    const anna = await s.anna();
    const plug = await s.plug();
    if (anna === undefined || plug === undefined) return;
    assert.equal(await anna.subscribe('#'), 1);
    assert.equal(await plug.subscribe('cmnd/plug-1/POWER'), 1);
    for (const filter of ['#', 'tele/#', 'cmnd/+/POWER', `${ROOT}/value/#`, '$SYS/#'])
      assert.equal(await plug.subscribe(filter), REFUSED, filter);
    assert.equal(await plug.publish('tele/plug-1/STATE', 'mine'), true);
    await anna.message('tele/plug-1/STATE', 'mine');
    for (const topic of ['tele/plug-2/STATE', `${ROOT}/status`, `${ROOT}/value/a/b`, 'sluice/other/data']) {
      const forger = await s.plug({ id: 'forger' });
      assert.equal(await forger?.publish(topic, 'forged', true), false, topic);
    }
    const eve = await s.eve();
    assert.equal(await eve?.publish('tele/plug-1/STATE', 'forged'), false, 'a viewer publishes nothing');
    assert.equal(await plug.publish('tele/plug-1/STATE', 'last'), true);
    await anna.message('tele/plug-1/STATE', 'last');
    assert.ok(!anna.messages().includes('forged'));
    assert.equal(s.bench.broker.status().refused.publish, 5);
  });

  test(`${library}: a client id of another credential is not taken over, nor its session read`, {
    timeout: 400_000,
  }, async (t) => {
    const s = await foreignBench(t, library);
    const desk = { id: 'desk', clean: false };
    const anna = await s.anna(desk);
    if (anna === undefined) return;
    await anna.subscribe(`${ROOT}/event`);
    const eve = await s.eve(desk);
    assert.deepEqual([eve?.connack, eve?.present], [0, false]);
    await waitFor('both to be connected', () => s.bench.broker.status().clients === 2);
    s.bench.broker.notice({ kind: 'event', key: 'x', seq: 1, json: '{"n":1}' });
    await anna.message(`${ROOT}/event`, '{"n":1}');
    await anna.child.stop('SIGKILL');
    await eve?.leave();
    await waitFor('both to be away', () => s.bench.broker.status().clients === 0);
    s.bench.broker.notice({ kind: 'event', key: 'x', seq: 2, json: '{"n":2}' });
    const spy = await s.eve(desk);
    s.bench.broker.inventory(inventoryOf(7, shapeOf('plant', 1)));
    assert.equal(await spy?.subscribe(`${ROOT}/inventory`), 1);
    await waitFor('what it may read', () => (spy?.messages(`${ROOT}/inventory`).length ?? 0) > 0);
    assert.deepEqual(spy?.messages(`${ROOT}/event`), []);
    const back = await s.anna(desk);
    assert.equal(back?.present, true);
    await back?.message(`${ROOT}/event`, '{"n":2}');
    // The same credential takes over, as the standard says (MQTT-3.1.4-2).
    const second = await s.anna(desk);
    await waitFor('the first of them to be closed', () => back?.closed === true);
    assert.equal(second?.closed, false);
  });

  test(`${library}: a will comes after a kill, not after DISCONNECT, and not on topics of others`, {
    timeout: 400_000,
  }, async (t) => {
    const s = await foreignBench(t, library);
    const anna = await s.anna();
    if (anna === undefined) return;
    await anna.subscribe('#');
    const will = (topic: string, payload: string) => ({ will: { topic, payload, qos: 1, retain: true } as const });
    const killed = await s.plug({ id: 'killed', ...will('tele/plug-1/LWT', 'killed') });
    const polite = await s.plug({ id: 'polite', ...will('tele/plug-1/LWT', 'polite') });
    const forger = await s.plug({ id: 'forger', ...will(`${ROOT}/status`, 'forged') });
    const other = await s.plug({ id: 'other', ...will('tele/plug-2/LWT', 'forged') });
    assert.deepEqual([killed?.connack, polite?.connack, forger?.connack, other?.connack], [0, 0, 0, 0]);
    await polite?.leave();
    for (const one of [forger, other, killed]) await one?.child.stop('SIGKILL');
    await anna.message('tele/plug-1/LWT', 'killed');
    await waitFor('all of them to be gone', () => s.bench.broker.status().clients === 1);
    assert.deepEqual(
      anna.messages().filter((payload) => ['killed', 'polite', 'forged'].includes(payload)),
      ['killed'],
    );
    const later = await s.anna({ id: 'later' });
    await later?.subscribe('tele/#');
    await later?.message('tele/plug-1/LWT', 'killed');
    assert.equal(later?.came().find(({ payload }) => payload === 'killed')?.retain, true);
  });

  test(`${library}: a client that stops reading is cut in time, and no other waits for it`, {
    timeout: 400_000,
  }, async (t) => {
    // The clock of the broker stands still: what comes to the healthy client comes while the stalled one has its place.
    const clock = new ManualClock();
    const s = await foreignBench(t, library, clock);
    const stalled = await s.anna({ id: 'stalled' });
    const healthy = await s.anna({ id: 'healthy' });
    if (stalled === undefined || healthy === undefined) return;
    for (const one of [stalled, healthy]) await one.subscribe('tele/plug-1/flood', 0);
    stalled.child.signal('SIGSTOP');
    const flood = mqtt.connect({ host: '127.0.0.1', port: s.port, username: 'plug-1', password: s.secret, reconnectPeriod: 0 });
    t.after(() => flood.end(true));
    let sent = 0;
    const before = healthy.child.stdout.length;
    /** One message, until the healthy client has it. */
    const send = async (): Promise<void> => {
      await flood.publishAsync('tele/plug-1/flood', `${sent++}`.padEnd(64_000, '.'), { qos: 1 });
      await waitFor(
        () => `message ${sent}; ${healthy.child.stdout.length - before} came`,
        () => healthy.child.stdout.length - before >= sent,
        { every: 5 },
      );
    };
    const state = () => {
      const { dropped, refused, clients } = s.bench.broker.status();
      return { missed: dropped.slow, cut: refused.slow, clients };
    };
    while (state().missed < MISSED) {
      assert.ok(sent < 900, `the stalled client misses nothing after ${sent} messages`);
      await send();
    }
    assert.deepEqual(state(), { missed: MISSED, cut: 0, clients: 3 });
    await clock.advance(STALLS - 1);
    await send();
    assert.deepEqual(state(), { missed: MISSED + 1, cut: 0, clients: 3 });
    // Under load the kernels still move some bytes between the first looks, and each time begins anew then.
    for (let more = 0; state().cut === 0 && more < STALLS; more += PERIOD) await clock.advance(more === 0 ? 1 : PERIOD);
    await waitFor('the other two alone', () => state().clients === 2);
    await send();
    assert.deepEqual(state(), { missed: MISSED + 1, cut: 1, clients: 2 });
    assert.deepEqual(
      healthy.messages().map((payload) => Number.parseInt(payload, 10)),
      Array.from({ length: sent }, (_, i) => i),
    );
    stalled.child.signal('SIGCONT');
    await waitFor('it to notice', () => stalled.closed);
  });
}
