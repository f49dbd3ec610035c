/**
 * Other users of this machine at the socket of a running gateway. As root, with a list of groups of its own (a mount namespace), so
 * that the machine does not have to know the group.
 */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { request } from '../../src/admin/client.ts';
import type { GatewayStatus } from '../../src/admin/target.ts';
import { asRoot, peer } from '../peers/peers.ts';
import { SettableDevice } from '../peers/settable-device.ts';
import { startChild } from './child.ts';
import { Peek } from './mqtt-peek.ts';
import { scratch } from './scratch.ts';
import { MAIN } from './start-gateway.ts';
import { waitFor } from './wait-for.ts';

export const GROUP = 64_990;
export const USER = 64_001;
export const SITE = 64_500;

export interface Site {
  readonly device: SettableDevice;
  readonly peek: Peek;
  /** `sluice` as a user of this machine. */
  as(uid: number, groups: string, ...args: string[]): Promise<{ code: number | string; stderr: string }>;
  readonly folder: string;
  readonly socket: string;
  /** Where loopback HTTP listens. */
  readonly http: number;
  /** A program of Node as a user, with arguments; what it wrote. */
  script(uid: number, groups: string, text: string, ...args: string[]): Promise<string>;
  /** A call of the API as a user: `done`, or the code of the error. */
  post(uid: number, groups: string, call: string, body: object): Promise<string>;
}

/** What `post` runs: socket, call and body are its arguments. */
const POST = `
const { request } = await import(process.argv[1]);
const [, , socket, call, body] = process.argv;
console.log(await request(socket, 'POST', call, JSON.parse(body)).then(() => 'done', (error) => error.code));
`;
const CLIENT = path.join(import.meta.dirname, '..', '..', 'src', 'admin', 'client.ts');

/**
 * @param user whom the gateway runs as
 * @param flags of Node, for the gateway
 * @param listen further addresses of `dashboard.listen`
 */
export async function callersSite(
  t: TestContext,
  user = 0,
  flags: readonly string[] = [],
  listen: readonly string[] = [],
): Promise<Site | undefined> {
  if (!asRoot(t, 'be several users')) return undefined;
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
devices: {pump: {bus: plant, unit: 1, timeout: 10s, interval: 1h, points: {speed: {table: holding, address: 3, type: uint16, write: {min: 0, max: 50, every: 0ms}}}}}
broker: {listen: {port: 0}}
dashboard: {listen: [${['{port: 0}', ...listen].join(', ')}]}
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
  const mounted = `mount --make-rprivate / && mount --bind ${groups} /etc/group && exec "$@"`;
  const run = [...drop(user, '--clear-groups'), process.execPath, ...flags, MAIN, 'run', '-c', config];
  const gateway = startChild(t, unshare, ['-m', 'sh', '-c', mounted, 'sh', ...run]);
  await gateway.line(/The gateway is running/);
  chmodSync(path.join(folder, 'state'), 0o755);
  chmodSync(socket, 0o666);
  const status = await waitFor('both listeners', async () => {
    const { broker, http } = (await request(socket, 'GET', '/api/v1/status')) as GatewayStatus;
    return broker?.address === undefined || http?.address === undefined ? undefined : { broker, http };
  });
  const peek = await Peek.start(t, status.broker.address?.port ?? 0);
  const script: Site['script'] = async (uid, more, text, ...args) => {
    const [command = '', ...rest] = [...drop(uid, more), process.execPath, '--input-type=module', '-e', text, ...args];
    const child = startChild(t, command, rest, { cwd: folder });
    await child.ended;
    return child.stdout.join('\n') || child.stderr.join('\n');
  };
  return {
    ...{ device, peek, folder, socket, script, http: status.http.address?.port ?? 0 },
    async as(uid, more, ...args) {
      const [command = '', ...rest] = [...drop(uid, more), process.execPath, MAIN, ...args, '--socket', socket];
      const child = startChild(t, command, rest, { cwd: folder });
      return { code: await child.ended, stderr: child.stderr.join('\n') };
    },
    post: (uid, more, call, body) => script(uid, more, POST, CLIENT, socket, call, JSON.stringify(body)),
  };
}
