/** Accounts on the embedded broker with foreign clients: log-ins, topics of each credential, takeovers, wills, changes while connected. */
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { Access } from '../../../src/access/access.ts';
import { type IssueAnswer, issue } from '../../../src/access/tls/issuing.ts';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import type { Principal, Role } from '../../../src/core/commands.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { BUILT } from '../../../src/core/version.ts';
import type { CommandSink } from '../../../src/forwarders/broker/broker-types.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { BrokerFile } from '../../../src/store/broker-store.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { startChild } from '../../harness/child.ts';
import { BrokerBench, inventoryOf, Raw, ROOT, StandingClock, Sub, shapeOf } from '../../harness/embedded-broker.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

const ROOT_USER: Principal = { who: 'root', door: 'socket', role: 'administrator' };
const PASSWORD = 'a long enough password';
const DAY = 86_400_000;
/** Hashes that cost a test little. */
const COST = { logN: 10, r: 8, p: 1 };

/** @param clock of the accounts; the broker has that of the system */
async function accountBench(t: TestContext, listen?: ConstructorParameters<typeof BrokerBench>[1], clock: Clock = systemClock) {
  const stateDir = scratch(t, 'accounts');
  const access = new Access({
    ...{ stateDir, clock, logger: silentLogger, tell: () => {}, cost: COST },
    time: () => ({ utc: Date.now(), known: true }),
  });
  await access.open();
  access.begin();
  t.after(() => access.stop());
  const commands: { text: string; owner: string; retained: boolean }[] = [];
  const bench = new BrokerBench(t, {
    access: access.mqtt,
    command: (payload, { owner }, retained, answer) => {
      commands.push({ text: Buffer.from(payload).toString(), owner, retained });
      void answer('result', 'c1', '{"ok":true}');
    },
    ...listen,
  });
  bench.broker.start();
  await waitFor('the broker', () => bench.broker.status().listeners.every(({ port }) => port > 0));
  const port = bench.broker.status().listeners[0]?.port ?? 0;
  const { accounts } = access;
  const user = (name: string, role: Role) => accounts.addUser({ name, role, password: PASSWORD }, ROOT_USER);
  const device = (name: string, publish: string[], subscribe: string[], certificate?: string) =>
    accounts.addDevice({ name, publish, subscribe, ...(certificate === undefined ? {} : { certificate }) }, ROOT_USER);
  /** mosquitto_pub to its end. @returns its exit code */
  const publish = async (args: readonly string[]): Promise<number | string | undefined> => {
    const program = peer(t, 'mosquitto_pub', 'apt-get install -y mosquitto-clients');
    return program === undefined ? undefined : startChild(t, program, ['-h', '127.0.0.1', '-p', String(port), ...args]).ended;
  };
  return { bench, access, accounts, port, user, device, publish, commands };
}

const as = (name: string, password: string): string[] => ['-u', name, '-P', password];

test('the claim ends what anonymous clients may, and accounts get in', async (t) => {
  const s = await accountBench(t);
  const before = await Sub.start(t, s.port, ['-t', `${ROOT}/#`, '-i', 'looker']);
  if (before === undefined) return;
  await s.user('anna', 'administrator');
  await waitFor('the anonymous client to be gone', () => s.bench.broker.status().clients === 0);
  const raw = await Raw.open(t, s.port);
  assert.equal(await raw.connect('looker'), 5);
  const wrong = await Raw.open(t, s.port);
  assert.equal(await wrong.connect('x', 0xc2, [text('anna'), text('wrong')]), 4);
  const anna = await Sub.start(t, s.port, [...as('anna', PASSWORD), '-t', `${ROOT}/event`, '-q', '1', '-i', 'x']);
  s.bench.broker.notice({ kind: 'event', key: 'x', seq: 1, json: '{"after":1}' });
  await anna?.message(`${ROOT}/event`);
});

test('a device publishes its own topics, retained too, and reads what its account names', async (t) => {
  const s = await accountBench(t);
  await s.user('anna', 'administrator');
  const secret = (await s.device('plug-1', ['tele/plug-1/#'], ['cmnd/plug-1/#'])) ?? '';
  const anna = await Sub.start(t, s.port, [...as('anna', PASSWORD), '-t', 'tele/#', '-t', `${ROOT}/#`, '-q', '1', '-i', 'anna']);
  if (anna === undefined) return;
  assert.equal(await s.publish([...as('plug-1', secret), '-t', 'tele/plug-1/STATE', '-q', '1', '-r', '-m', '{"POWER":"ON"}']), 0);
  await anna.message('tele/plug-1/STATE', ({ payload }) => payload === '{"POWER":"ON"}');
  const later = await Sub.start(t, s.port, [...as('anna', PASSWORD), '-t', 'tele/#', '-q', '1', '-i', 'later']);
  assert.equal((await later?.message('tele/plug-1/STATE'))?.retained, true);
  for (const topic of ['tele/plug-2/STATE', `${ROOT}/status`, 'sluice/other/data', '$SYS/x']) {
    await s.publish([...as('plug-1', secret), '-t', topic, '-q', '1', '-m', 'forged']);
    assert.ok(!anna.messages().some(({ payload }) => payload === 'forged'), topic);
  }
  assert.equal(s.bench.broker.status().refused.publish, 4);
  const raw = await Raw.open(t, s.port);
  assert.equal(await raw.connect('reader', 0xc2, [text('plug-1'), text(secret)]), 0);
  const granted = async (id: number, filter: string): Promise<number> => {
    raw.packet(0x82, Buffer.from([0, id]), text(filter), Buffer.from([1]));
    return waitFor(`the SUBACK of ${filter}`, () => suback(Buffer.concat(raw.chunks), id));
  };
  assert.equal(await granted(1, 'cmnd/plug-1/POWER'), 1);
  for (const [i, filter] of ['#', 'tele/#', `${ROOT}/value/#`, 'cmnd/+/POWER', '$SYS/#'].entries())
    assert.equal(await granted(i + 2, filter), 0x80, filter);
});

test('a client id of another credential is neither taken over nor its session read', async (t) => {
  const s = await accountBench(t);
  await s.user('anna', 'administrator');
  await s.user('eve', 'viewer');
  const anna = await Sub.start(t, s.port, [...as('anna', PASSWORD), '-t', `${ROOT}/event`, '-q', '1', '-i', 'desk', '-c']);
  const eve = await Sub.start(t, s.port, [...as('eve', PASSWORD), '-t', `${ROOT}/status`, '-q', '1', '-i', 'desk', '-c']);
  if (anna === undefined || eve === undefined) return;
  await waitFor('both', () => s.bench.broker.status().clients === 2);
  await anna.child.stop('SIGKILL');
  await eve.child.stop('SIGKILL');
  await waitFor('both to be away', () => s.bench.broker.status().clients === 0);
  s.bench.broker.notice({ kind: 'event', key: 'x', seq: 1, json: '{"for":"anna"}' });
  await waitFor('it in her session', () => s.bench.broker.status().queuedMessages === 1);
  const spy = await Sub.start(t, s.port, [...as('eve', PASSWORD), '-t', `${ROOT}/inventory`, '-q', '1', '-i', 'desk', '-c']);
  s.bench.broker.inventory(inventoryOf(7, shapeOf('plant', 1)));
  await spy?.message(`${ROOT}/inventory`, ({ payload }) => payload.includes('"revision":7'));
  assert.ok(!spy?.messages().some(({ payload }) => payload.includes('anna')));
  const back = await Sub.start(t, s.port, [...as('anna', PASSWORD), '-t', `${ROOT}/event`, '-q', '1', '-i', 'desk', '-c']);
  await back?.message(`${ROOT}/event`, ({ payload }) => payload === '{"for":"anna"}');
});

test('an account that is made again under the same name gets nothing of the one before', async (t) => {
  const s = await accountBench(t);
  await s.user('anna', 'administrator');
  await sessionWith(t, s, 'cmnd/b/x');
  await s.accounts.removeUser('plug-1', ROOT_USER);
  assert.deepEqual([s.bench.broker.status().sessions, s.bench.broker.status().queuedMessages], [0, 0]);
  const again = (await s.device('plug-1', [], ['cmnd/#'])) ?? '';
  const raw = await Raw.open(t, s.port);
  assert.equal(await raw.connect('p', 0xc0, [text('plug-1'), text(again)]), 0);
  assert.deepEqual([...raw.bytes], [0x20, 2, 0, 0]);
});

test('accounts that went or lost topics while no broker ran have lost their sessions', async (t) => {
  const folder = scratch(t, 'kept');
  const store = () =>
    new BrokerFile({
      ...{ stateDir: folder, runtimeDir: undefined, clock: systemClock },
      ...{ onFault: () => {}, onRepair: () => {} },
    });
  const s = await accountBench(t, { store: store() });
  await s.user('anna', 'administrator');
  await s.user('ben', 'viewer');
  await sessionWith(t, s, 'cmnd/b/x');
  const ben = await Raw.open(t, s.port);
  assert.equal(await ben.connect('b', 0xc0, [text('ben'), text(PASSWORD)]), 0);
  await s.bench.broker.stop();
  for (const name of ['plug-1', 'ben']) await s.accounts.removeUser(name, ROOT_USER);
  const again = (await s.device('plug-1', [], ['cmnd/a/#'])) ?? '';
  const next = new BrokerBench(t, { access: s.access.mqtt, store: store() });
  const port = await next.start();
  assert.deepEqual([next.broker.status().sessions, next.broker.status().queuedMessages], [1, 1]);
  const raw = await Raw.open(t, port);
  assert.equal(await raw.connect('p', 0xc0, [text('plug-1'), text(again)]), 0);
  assert.deepEqual([...raw.bytes], [0x20, 2, 0, 0]);
  assert.equal(next.broker.status().queuedMessages, 0);
});

/** A device `plug-1` whose session `p` has a message of this topic. */
async function sessionWith(t: TestContext, s: Awaited<ReturnType<typeof accountBench>>, topic: string): Promise<void> {
  const secret = (await s.device('plug-1', [], ['cmnd/#'])) ?? '';
  const raw = await Raw.open(t, s.port);
  assert.equal(await raw.connect('p', 0xc0, [text('plug-1'), text(secret)]), 0);
  raw.subscribe(['cmnd/a/#', 'cmnd/b/#'], 1);
  await waitFor('its subscription', () => raw.bytes.includes(0x90));
  raw.socket.destroy();
  await waitFor('it to be away', () => s.bench.broker.status().clients === 0);
  assert.equal(await s.publish([...as('anna', PASSWORD), '-t', topic, '-q', '1', '-m', 'for the first']), 0);
  await waitFor('it in the session', () => s.bench.broker.status().queuedMessages === 1);
}

test('a will is published where its client may publish, and nowhere else', async (t) => {
  const s = await accountBench(t);
  await s.user('anna', 'administrator');
  const secret = (await s.device('plug-1', ['tele/plug-1/#'], [])) ?? '';
  const anna = await Sub.start(t, s.port, [...as('anna', PASSWORD), '-t', '#', '-q', '1', '-i', 'anna']);
  if (anna === undefined) return;
  for (const [id, topic] of [
    ['good', 'tele/plug-1/LWT'],
    ['bad', `${ROOT}/status`],
    ['other', 'tele/plug-2/LWT'],
  ] as const) {
    const raw = await Raw.open(t, s.port);
    // Clean session, will of QoS 1, user name and password.
    assert.equal(await raw.connect(id, 0xce, [text(topic), text(`will of ${id}`), text('plug-1'), text(secret)]), 0);
    raw.socket.destroy();
  }
  await anna.message('tele/plug-1/LWT', ({ payload }) => payload === 'will of good');
  await waitFor('the three to be gone', () => s.bench.broker.status().clients === 1);
  assert.deepEqual(
    anna
      .messages()
      .filter(({ payload }) => payload.startsWith('will of'))
      .map(({ payload }) => payload),
    ['will of good'],
  );
});

test('the will of an account that is removed is not published', async (t) => {
  const s = await accountBench(t);
  await s.user('anna', 'administrator');
  const secret = (await s.device('plug-1', ['tele/plug-1/#'], [])) ?? '';
  const anna = await Sub.start(t, s.port, [...as('anna', PASSWORD), '-t', '#', '-q', '1', '-i', 'anna']);
  if (anna === undefined) return;
  const raw = await Raw.open(t, s.port);
  const topic = 'tele/plug-1/LWT';
  assert.equal(await raw.connect('plug', 0xce, [text(topic), text('will'), text('plug-1'), text(secret)]), 0);
  await s.accounts.removeUser('plug-1', ROOT_USER);
  await waitFor('it to be gone', () => raw.closed && s.bench.broker.status().clients === 1);
  s.bench.broker.notice({ kind: 'event', key: 'x', seq: 1, json: '{"after":1}' });
  await anna.message(`${ROOT}/event`);
  assert.ok(!anna.messages().some((one) => one.topic === topic));
});

test('an account that changes or goes ends its connections, others stay', async (t) => {
  const s = await accountBench(t);
  await s.user('anna', 'administrator');
  await s.user('ben', 'viewer');
  const secret = (await s.device('plug-1', ['a'], ['a'])) ?? '';
  const { token } = await s.accounts.addToken({ name: 'flows', role: 'flow-editor', lasts: DAY }, ROOT_USER);
  const connect = async (id: string, name: string, password: string) => {
    const raw = await Raw.open(t, s.port);
    assert.equal(await raw.connect(id, 0xc2, [text(name), text(password)]), 0);
    return raw;
  };
  const [anna, ben, plug, flows] = await Promise.all([
    connect('1', 'anna', PASSWORD),
    connect('2', 'ben', PASSWORD),
    connect('3', 'plug-1', secret),
    connect('4', 'flows', token),
  ]);
  await s.accounts.setRole('ben', 'operator', ROOT_USER);
  await waitFor('ben', () => ben.closed);
  await s.accounts.renewSecret('plug-1', ROOT_USER);
  await waitFor('plug-1', () => plug.closed);
  await s.accounts.removeToken('flows', ROOT_USER);
  await waitFor('flows', () => flows.closed);
  assert.equal(anna.closed, false);
  assert.equal(s.bench.broker.status().clients, 1);
});

test('a command goes to the command port with its credential, and to no subscriber', async (t) => {
  const s = await accountBench(t);
  await s.user('anna', 'administrator');
  const sub = await Sub.start(t, s.port, [...as('anna', PASSWORD), '-t', `${ROOT}/#`, '-q', '1', '-i', 'all']);
  if (sub === undefined) return;
  assert.equal(await s.publish([...as('anna', PASSWORD), '-t', `${ROOT}/command`, '-q', '1', '-r', '-m', '{"id":"c1"}']), 0);
  await sub.message(`${ROOT}/result/c1`, ({ payload }) => payload === '{"ok":true}');
  assert.deepEqual(s.commands, [{ text: '{"id":"c1"}', owner: 'user:anna', retained: true }]);
  assert.ok(!sub.messages().some(({ topic }) => topic.includes('command')));
});

test('records that are sent again wait for their reader, and leave the queues of others alone', async (t) => {
  let answer: Parameters<CommandSink>[3] | undefined;
  const s = await accountBench(t, { clock: new StandingClock(), command: (...asked) => (answer = asked[3]) });
  await s.user('anna', 'administrator');
  const connect = async (id: string, flags: number, filter: string): Promise<Raw> => {
    const raw = await Raw.open(t, s.port);
    assert.equal(await raw.connect(id, flags, [text('anna'), text(PASSWORD)]), 0);
    raw.subscribe([filter], 1);
    await waitFor('its subscription', () => raw.bytes.includes(0x90));
    return raw;
  };
  (await connect('away', 0xc0, `${ROOT}/#`)).socket.destroy();
  await waitFor('it to be away', () => s.bench.broker.status().clients === 0);
  s.bench.broker.notice({ kind: 'event', key: 'x', seq: 1, json: '{"for":"away"}' });
  const reader = await connect('reader', 0xc2, `${ROOT}/resend/+`);
  assert.equal(await s.publish([...as('anna', PASSWORD), '-t', `${ROOT}/command`, '-m', '{}']), 0);
  const send = await waitFor('the command', () => answer);
  reader.socket.pause();
  const sent = (async () => {
    for (let i = 0; i < 200; i++) await send('resend', 'r1', `<${i}>`.padEnd(64_000, 'x'));
  })();
  await waitFor('the reader to be behind', () => s.bench.broker.status().unsentBytes >= limits.MAX_UNSENT);
  reader.socket.resume();
  await sent;
  await waitFor('all to be read', () => reader.bytes.includes('<199>'));
  assert.equal(s.bench.broker.status().dropped.slow, 0);
  const parts = [...reader.bytes.toString('latin1').matchAll(/<(\d+)>/g)].map(([, part]) => Number(part));
  assert.deepEqual(
    parts,
    Array.from({ length: 200 }, (_, i) => i),
  );
  const back = await Raw.open(t, s.port);
  assert.equal(await back.connect('away', 0xc0, [text('anna'), text(PASSWORD)]), 0);
  await waitFor('what it missed', () => back.bytes.includes('{"for":"away"}'));
});

test('a device logs in with its certificate over TLS, and a stranger with another one does not', async (t) => {
  const made = await identity();
  const s = await accountBench(t, {
    listen: [
      {
        host: '127.0.0.1',
        port: 0,
        tls: {
          current: { key: made.server.key, cert: made.server.certificate, fingerprint: '' },
          fault: undefined,
          onChange: () => () => {},
        },
      },
    ],
  });
  await s.user('anna', 'administrator');
  const [own, other] = [(await identity()).server, (await identity()).server];
  const fingerprint = createHash('sha256').update(new X509Certificate(own.certificate).raw).digest('hex');
  await s.device('meter', ['meter/#'], ['meter/#'], fingerprint);
  const dir = scratch(t, 'certificates');
  const files = ([name, { key, certificate }]: [string, { key: string; certificate: string }]): string[] => {
    writeFileSync(path.join(dir, `${name}.key`), key);
    writeFileSync(path.join(dir, `${name}.crt`), certificate);
    return [
      '--cafile',
      path.join(dir, 'ca.crt'),
      '--cert',
      path.join(dir, `${name}.crt`),
      '--key',
      path.join(dir, `${name}.key`),
    ];
  };
  writeFileSync(path.join(dir, 'ca.crt'), made.authority.certificate);
  const sub = await Sub.start(t, s.port, [...files(['own', own]), '-t', 'meter/x', '-q', '1', '-i', 'm1']);
  if (sub === undefined) return;
  assert.equal(await s.publish([...files(['own', own]), '-t', 'meter/x', '-q', '1', '-m', '42']), 0);
  await sub.message('meter/x', ({ payload }) => payload === '42');
  assert.notEqual(await s.publish([...files(['other', other]), '-t', 'meter/x', '-q', '1', '-m', '43']), 0);
  assert.notEqual(await s.publish(['--cafile', path.join(dir, 'ca.crt'), '-t', 'meter/x', '-q', '1', '-m', '44']), 0);
  assert.deepEqual(
    sub.messages().map(({ payload }) => payload),
    ['42'],
  );
});

test('of a thousand wrong log-ins few are checked, and the others are served meanwhile', async (t) => {
  const clock = new ManualClock();
  const s = await accountBench(t, undefined, clock);
  await s.user('anna', 'administrator');
  const anna = await Sub.start(t, s.port, [...as('anna', PASSWORD), '-t', `${ROOT}/event`, '-q', '1', '-i', 'anna']);
  if (anna === undefined) return;
  let before = s.access.checked;
  const checked = async (rounds: number): Promise<number> => {
    for (let round = 0; round < rounds; round++)
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          const raw = await Raw.open(t, s.port);
          assert.notEqual(await raw.connect('x', 0xc2, [text('anna'), text('guess')]), 0);
          raw.socket.destroy();
        }),
      );
    const more = s.access.checked - before;
    before = s.access.checked;
    return more;
  };
  assert.equal(await checked(50), 5);
  for (const wait of [1_000, 2_000, 4_000]) {
    await clock.advance(wait - 1);
    assert.equal(await checked(1), 0, `just before ${wait} ms`);
    await clock.advance(1);
    assert.equal(await checked(1), 1, `after ${wait} ms`);
  }
  s.bench.broker.notice({ kind: 'event', key: 'x', seq: 1, json: '{"after":1}' });
  await anna.message(`${ROOT}/event`);
});

function identity(): Promise<IssueAnswer> {
  const names = { dns: ['localhost'], addresses: ['127.0.0.1'] };
  return issue({
    ...{ subject: 'g1', names, permits: { dns: [], addresses: [] } },
    ...{ from: BUILT, until: Date.now() + 300 * DAY, caFrom: BUILT, caUntil: Date.now() + 400 * DAY },
  });
}

/** A text as MQTT writes it. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}

/** The return code of the SUBACK with that number. */
function suback(bytes: Buffer, id: number): number | undefined {
  const at = bytes.indexOf(Buffer.from([0x90, 3, 0, id]));
  return at < 0 ? undefined : bytes[at + 4];
}

test('one account does not take every place: the others still get in', async (t) => {
  const s = await accountBench(t);
  await s.user('anna', 'administrator');
  const secret = (await s.device('plug-1', ['a'], ['a'])) ?? '';
  const codes: (number | undefined)[] = [];
  for (let i = 0; i <= limits.MAX_PER_ACCOUNT; i++)
    codes.push(await (await Raw.open(t, s.port)).connect(`p${i}`, 0xc2, [text('plug-1'), text(secret)]));
  assert.deepEqual([codes.filter((code) => code === 0).length, codes.at(-1)], [limits.MAX_PER_ACCOUNT, 3]);
  // A client that comes again takes its own place.
  assert.equal(await (await Raw.open(t, s.port)).connect('p0', 0xc2, [text('plug-1'), text(secret)]), 0);
  assert.equal(await (await Raw.open(t, s.port)).connect('anna', 0xc2, [text('anna'), text(PASSWORD)]), 0);
});
