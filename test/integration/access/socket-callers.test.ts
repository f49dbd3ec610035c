/**
 * Other users of this machine at the socket of a running gateway: what they may is what the kernel says of them. As root, with a
 * list of groups of its own (a mount namespace), so that the machine does not have to know the group.
 */
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { startChild } from '../../harness/child.ts';
import { Peek } from '../../harness/mqtt-peek.ts';
import { scratch } from '../../harness/scratch.ts';
import { MAIN } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const GROUP = 64_990;
const USER = 64_001;
const SITE = 64_500;

interface Site {
  readonly device: SettableDevice;
  readonly peek: Peek;
  /** `sluice` as a user of this machine. */
  as(uid: number, groups: string, ...args: string[]): Promise<{ code: number | string; stderr: string }>;
  /** A call of the API as a user: `done`, or the code of the error. */
  post(uid: number, groups: string, call: string, body: object): Promise<string>;
}

/** What `post` runs: socket, call and body are its arguments. */
const POST = `
const { request } = await import(process.argv[1]);
const [, , socket, call, body] = process.argv;
console.log(await request(socket, 'POST', call, JSON.parse(body)).then(() => 'done', (error) => error.code));
`;
const CLIENT = path.join(import.meta.dirname, '..', '..', '..', 'src', 'admin', 'client.ts');

/** @param user whom the gateway runs as */
async function site(t: TestContext, user = 0): Promise<Site | undefined> {
  if (process.getuid?.() !== 0) {
    if (process.env.SLUICE_REQUIRE_PEERS === '1') throw new Error('needs to run as root');
    t.skip('needs to run as root');
    return undefined;
  }
  const tools = [peer(t, 'unshare', 'apt-get install -y util-linux'), peer(t, 'setpriv', 'apt-get install -y util-linux')];
  const [unshare, setpriv] = tools;
  const device = await SettableDevice.start(t);
  if (unshare === undefined || setpriv === undefined || device === undefined) return undefined;
  const folder = scratch(t, 'callers');
  // Everybody may open the socket here: this test is about roles.
  chmodSync(folder, 0o777);
  const config = path.join(folder, 'gateway.yaml');
  const socket = path.join(folder, 'state', 'sluice.sock');
  writeFileSync(
    config,
    `
gateway: {id: g1, stateDir: ${folder}/state, runtimeDir: ${folder}/run}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {pump: {bus: plant, unit: 1, interval: 1h, points: {speed: {table: holding, address: 3, type: uint16, write: {min: 0, max: 50, every: 0ms}}}}}
broker: {listen: {port: 0}}
`,
  );
  const groups = path.join(folder, 'group');
  writeFileSync(groups, `${readFileSync('/etc/group', 'utf8')}sluice:x:${GROUP}:\n`);
  const drop = (uid: number, more: string) => [
    setpriv,
    `--reuid=${uid}`,
    `--regid=${uid}`,
    ...more.split(' '),
    '--inh-caps=-all',
  ];
  const script = `mount --make-rprivate / && mount --bind ${groups} /etc/group && exec "$@"`;
  const run = [...drop(user, '--clear-groups'), process.execPath, MAIN, 'run', '-c', config];
  const gateway = startChild(t, unshare, ['-m', 'sh', '-c', script, 'sh', ...run]);
  await gateway.line(/The gateway is running/);
  chmodSync(path.join(folder, 'state'), 0o755);
  chmodSync(socket, 0o666);
  const { broker } = (await request(socket, 'GET', '/api/v1/status')) as { broker?: { address?: { port: number } } };
  const peek = await Peek.start(t, broker?.address?.port ?? 0);
  return {
    ...{ device, peek },
    async as(uid, more, ...args) {
      const [command = '', ...rest] = [...drop(uid, more), process.execPath, MAIN, ...args, '--socket', socket];
      const child = startChild(t, command, rest, { cwd: folder });
      return { code: await child.ended, stderr: child.stderr.join('\n') };
    },
    async post(uid, more, call, body) {
      const node = [process.execPath, '--input-type=module', '-e', POST, CLIENT, socket, call, JSON.stringify(body)];
      const [command = '', ...rest] = [...drop(uid, more), ...node];
      const child = startChild(t, command, rest, { cwd: folder });
      await child.ended;
      return child.stdout.join('\n') || child.stderr.join('\n');
    },
  };
}

const told = (peek: Peek) =>
  peek.messages
    .filter(({ topic }) => topic === 'sluice/g1/event')
    .map(({ text }) => JSON.parse(text) as { event: string; data: Record<string, unknown> })
    .filter(({ event }) => event === 'write' || event === 'command');

test('a member of sluice writes, another user is refused, and the event names both', async (t) => {
  const s = await site(t);
  if (s === undefined) return;
  assert.deepEqual((await s.as(USER, `--groups=${GROUP}`, 'write', 'pump.speed', '7')).code, 0);
  assert.deepEqual(await s.device.get('holding', 3), [7]);
  const refused = await s.as(USER, '--clear-groups', 'write', 'pump.speed', '8');
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    new RegExp(`write needs the role operator, and uid ${USER} is viewer: .*members of the group sluice`),
  );
  const ghost = await s.as(USER, '--clear-groups', 'write', 'ghost.point', '8');
  assert.equal(ghost.stderr, refused.stderr, 'which points there are is not said');
  assert.equal((await s.as(USER, '--clear-groups', 'read', 'pump')).code, 1);
  assert.equal((await s.as(USER, '--clear-groups', 'status')).code, 0, 'everybody may look');
  assert.equal((await s.as(0, '--clear-groups', 'write', 'pump.speed', '9')).code, 0);
  assert.deepEqual(await s.device.get('holding', 3), [9]);
  const events = await waitFor('five events', () => (told(s.peek).length >= 5 ? told(s.peek) : undefined));
  assert.deepEqual(
    events.map(({ event, data }) => [event, data.result, data.who, data.role, data.via]),
    [
      ['write', 'done', `uid ${USER}`, 'operator', 'socket'],
      ['write', 'refused', `uid ${USER}`, 'viewer', 'socket'],
      ['write', 'refused', `uid ${USER}`, 'viewer', 'socket'],
      ['command', 'refused', `uid ${USER}`, 'viewer', 'socket'],
      ['write', 'done', 'root', 'administrator', 'socket'],
    ],
  );
});

test('the kernel says who calls, not the caller, and only root and the own user may reload', async (t) => {
  const s = await site(t, SITE);
  if (s === undefined) return;
  const member = `--groups=${GROUP}`;
  const write = { point: 'pump.speed', value: 5, by: 'root', who: 'root', role: 'administrator', principal: { who: 'root' } };
  assert.equal(await s.post(USER, member, '/api/v1/write', write), 'done');
  assert.equal(await s.post(USER, '--clear-groups', '/api/v1/write', write), 'forbidden');
  const look = { bus: 'plant', unit: 1, request: { kind: 'read', table: 'holding', start: 3, count: 1 } };
  assert.equal(await s.post(USER, member, '/api/v1/exchange', look), 'done');
  assert.equal(await s.post(USER, '--clear-groups', '/api/v1/exchange', look), 'forbidden');
  assert.equal(await s.post(USER, '--clear-groups', '/api/v1/capture', { bus: 'plant' }), 'forbidden');
  assert.equal(await s.post(USER, member, '/api/v1/reload', {}), 'forbidden');
  assert.equal(await s.post(SITE, '--clear-groups', '/api/v1/reload', {}), 'done');
  assert.equal(await s.post(0, '--clear-groups', '/api/v1/reload', {}), 'done');
  const events = await waitFor('seven events', () => (told(s.peek).length >= 7 ? told(s.peek) : undefined));
  assert.deepEqual(
    events.map(({ event, data }) => [event, data.do, data.result, data.who, data.role]),
    [
      ['write', undefined, 'done', `uid ${USER}`, 'operator'],
      ['write', undefined, 'refused', `uid ${USER}`, 'viewer'],
      ['command', 'exchange', 'refused', `uid ${USER}`, 'viewer'],
      ['command', 'capture', 'refused', `uid ${USER}`, 'viewer'],
      ['command', 'reload', 'refused', `uid ${USER}`, 'operator'],
      ['command', 'reload', 'done', `uid ${SITE}`, 'administrator'],
      ['command', 'reload', 'done', 'root', 'administrator'],
    ],
  );
});
