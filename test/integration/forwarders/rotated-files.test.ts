/**
 * Users, passwords, tokens, keys and certificates that are exchanged while the gateway runs. Their files are read again at each
 * connection, and whatever they hold meanwhile is said in words.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { loadConfigText } from '../../../src/config/load.ts';
import { toError } from '../../../src/core/errors.ts';
import { parseBrokerUrl } from '../../../src/forwarders/mqtt/address.ts';
import type { LogDialectContext } from '../../../src/forwarders/mqtt/dialect.ts';
import { azureIotHubDialect } from '../../../src/forwarders/mqtt/dialects/azure-iot-hub/dialect.ts';
import { wayOf } from '../../../src/forwarders/mqtt/login.ts';
import type { PlatformRules } from '../../../src/forwarders/mqtt/platform.ts';
import { failureOf } from '../../../src/forwarders/mqtt/retry-plan.ts';
import type { MqttForwarderSettings } from '../../../src/forwarders/mqtt/schema.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { Authority } from '../../harness/certificates.ts';
import { scratch } from '../../harness/scratch.ts';
import { type Gateway, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';
import { peer } from '../../peers/peers.ts';

const SITE = 'buses: {}\ndevices: {}\n';

/** As a tool of secrets replaces a file: nobody sees half of it. */
function replace(file: string, content: string | Buffer): void {
  writeFileSync(`${file}.new`, content, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

async function upstream(gateway: Gateway) {
  const { forwarders } = await gateway.status();
  return forwarders[0] ?? assert.fail('no forwarder');
}
/** Waits until the status says so. */
async function says(gateway: Gateway, what: string, words: RegExp): Promise<void> {
  let fault: string | undefined;
  await waitFor(
    () => `${what}: ${words}; it says: ${fault}`,
    async () => {
      fault = (await upstream(gateway)).fault;
      return words.test(fault ?? '');
    },
  );
}
async function connected(gateway: Gateway, connects: number): Promise<void> {
  let last: unknown;
  await waitFor(
    () => `the connection ${connects}: ${JSON.stringify(last)}`,
    async () => {
      const { state, fault, counters } = await upstream(gateway);
      last = [state, fault, counters.connects];
      return state === 'connected' && fault === undefined && counters.connects === connects;
    },
  );
}
/** The broker took connections of these users, in order. Its lines come by a way of their own, beside the status of the gateway. */
async function took(broker: Mosquitto, ...wanted: string[]): Promise<void> {
  const users = (): string[] =>
    broker.log.flatMap((line) => /New client connected .* as sluice-g1-cloud .*u'([^']*)'/.exec(line)?.[1] ?? []);
  await waitFor('the lines of the broker', () => users().length >= wanted.length);
  assert.deepEqual(users(), wanted);
}

test('a user and a password that rotate are used without a restart', async (t) => {
  const passwd = peer(t, 'mosquitto_passwd', 'apt-get install -y mosquitto');
  if (passwd === undefined) return;
  const folder = scratch(t, 'rotated');
  const at = (name: string) => path.join(folder, name);
  const allow = (user: string, password: string): void =>
    void execFileSync(passwd, ['-b', '-c', at('users'), user, password], { stdio: 'ignore' });
  allow('first', 'red green');
  const broker = await Mosquitto.start(t, { extra: ['allow_anonymous false', `password_file ${at('users')}`] });
  if (broker === undefined) return;
  const [user, password] = [at('user'), at('password')];
  replace(user, 'first\n');
  replace(password, 'red green');
  const gateway = makeGateway(
    t,
    ({ section }) =>
      `${section}\n${SITE}forwarders: {cloud: {type: mqtt, url: '${broker.url}', username: {file: ${user}}, password: {file: ${password}}}}\n`,
  );
  await gateway.up();
  await connected(gateway, 1);
  const { pid } = gateway;
  await took(broker, 'first');

  allow('second', 'blue ✓ black');
  await broker.restart();
  const refused = /this user may not connect \(not authorised\)|the user name or the password is wrong/;
  await says(gateway, 'the old password', refused);
  replace(user, 'second\r\n');
  for (const [what, make, words] of [
    ['an empty file', () => writeFileSync(password, ''), /password is empty; write the secret into it$/],
    ['no file', () => rmSync(password), /there is no file .*password; write the secret into it \(chmod 600\)$/],
    [
      'a large file',
      () => replace(password, 'x'.repeat(64 * 1024 + 1)),
      /password is larger than 64 kB; is this the right file\?$/,
    ],
  ] as const) {
    make();
    await says(gateway, what, words);
    assert.match((await upstream(gateway)).fault ?? '', /^the gateway cannot log in at the broker: /);
  }
  // An editor of Windows: a mark in front, and CR LF at the end.
  replace(password, '\ufeffblue ✓ black\r\n');
  await connected(gateway, 2);
  await took(broker, 'second');
  assert.equal(gateway.pid, pid);
  assert.equal(gateway.over, undefined);
  const words = gateway.logs().map(({ msg, error, after }) => [msg, String(error ?? after ?? '')] as const);
  assert.ok(words.some(([msg, error]) => msg.startsWith('The upstream broker is not available') && refused.test(error)));
  assert.ok(words.some(([msg]) => msg === 'The upstream broker is available again.'));
  assert.ok(!words.flat().some((text) => /red green|blue ✓ black/.test(text)), 'no secret in the log');
});

test('a gateway that starts while its password is exchanged connects once it is there', async (t) => {
  const passwd = peer(t, 'mosquitto_passwd', 'apt-get install -y mosquitto');
  if (passwd === undefined) return;
  const folder = scratch(t, 'rotated');
  const [list, password] = [path.join(folder, 'users'), path.join(folder, 'password')];
  execFileSync(passwd, ['-b', '-c', list, 'gateway', 'secret'], { stdio: 'ignore' });
  const broker = await Mosquitto.start(t, { extra: ['allow_anonymous false', `password_file ${list}`] });
  if (broker === undefined) return;
  replace(password, 'secret');
  const yaml = `forwarders: {cloud: {type: mqtt, url: '${broker.url}', username: gateway, password: {file: ${password}}}}\n`;
  const gateway = makeGateway(t, ({ section }) => `${section}\n${SITE}${yaml}`);
  await gateway.up();
  await connected(gateway, 1);
  // A clean stop keeps the configuration as a good one. A start falls back to it, and looks for the secret when it connects.
  assert.equal(await gateway.stop(), 0);
  rmSync(password);
  await gateway.up();
  await says(gateway, 'no file', /there is no file .*password; write the secret into it/);
  writeFileSync(password, '');
  await says(gateway, 'an empty file', /password is empty; write the secret into it$/);
  replace(password, 'secret\n');
  await connected(gateway, 1);
  await took(broker, 'gateway', 'gateway');
});

test('a certificate and a key that rotate are used without a restart', async (t) => {
  const [authority, next] = [Authority.make(t), Authority.make(t, 'Next authority')];
  if (authority === undefined || next === undefined) return;
  const folder = scratch(t, 'rotated');
  const at = (name: string) => path.join(folder, name);
  const [clients, cert, key] = [at('clients.pem'), at('own.pem'), at('own.key')];
  const server = authority.sign('broker');
  const first = authority.sign('first', { names: '' });
  const second = next.sign('second', { names: '' });
  for (const [from, to] of [
    [authority.ca, clients],
    [first.cert, cert],
    [first.key, key],
  ] as const)
    copyFileSync(from, to);
  const swap = (from: string, to: string): void => {
    copyFileSync(from, `${to}.new`);
    renameSync(`${to}.new`, to);
  };
  const broker = await Mosquitto.start(t, {
    extra: [
      ...[`certfile ${server.cert}`, `keyfile ${server.key}`, `cafile ${clients}`],
      ...['require_certificate true', 'use_identity_as_username true'],
    ],
  });
  if (broker === undefined) return;
  const tls = `{ca: ${authority.ca}, cert: ${cert}, key: ${key}}`;
  const gateway = makeGateway(
    t,
    ({ section }) =>
      `${section}\n${SITE}forwarders: {cloud: {type: mqtt, url: 'mqtts://localhost:${broker.port}', tls: ${tls}}}\n`,
  );
  await gateway.up();
  await connected(gateway, 1);
  const { pid } = gateway;
  await took(broker, 'first');

  swap(next.ca, clients);
  await broker.restart();
  await says(gateway, 'the old certificate', /refuses the certificate of this gateway|certificate of this gateway\?/);
  swap(second.key, key);
  await says(
    gateway,
    'the new key with the old certificate',
    /the key in .*own\.key does not belong to the certificate in .*own\.pem/,
  );
  writeFileSync(cert, '');
  await says(gateway, 'an empty certificate', /own\.pem holds no certificate; a PEM file is needed/);
  rmSync(cert);
  await says(gateway, 'no certificate', /there is no file .*own\.pem; put the PEM file there/);
  writeFileSync(cert, Buffer.alloc(64 * 1024 + 1, 65));
  await says(gateway, 'a large certificate', /own\.pem has 65537 bytes, more than 65536; is this the right file\?/);
  swap(second.cert, cert);
  await connected(gateway, 2);
  await took(broker, 'second');
  assert.equal(gateway.pid, pid);
});

/** What a forwarder would connect with now: the settings as the loader of the gateway gives them. */
function wayOfFile(folder: string, settings: string): () => Promise<Awaited<ReturnType<typeof wayOf>>> {
  const yaml = `gateway: {id: g1}\n${SITE}forwarders:\n  cloud: {type: mqtt, ${settings}}\n`;
  const { config, faults } = loadConfigText(yaml, path.join(folder, 'gateway.yaml'), kinds, { profileDirs: [] });
  assert.deepEqual(faults, []);
  const loaded = [...(config?.forwarders.values() ?? [])][0]?.settings as unknown as MqttForwarderSettings;
  const address = parseBrokerUrl([loaded.url].flat()[0] ?? '');
  if ('wrong' in address) throw new Error(address.wrong);
  let rules: PlatformRules = {};
  if (loaded.format === 'azure-iot-hub') {
    const said = { options: loaded['azure-iot-hub' as keyof MqttForwarderSettings], compress: 'none', now: () => 0 };
    const rest = {
      memory: { load: () => undefined, save: () => {} },
      clockKnown: () => true,
      status: () => '',
      inventory: () => '',
    };
    rules = azureIotHubDialect.create({ ...said, ...rest } as unknown as LogDialectContext);
  }
  // Files of TLS are another matter.
  return () => wayOf(loaded, { ...address, scheme: 'mqtt' }, rules, 'client');
}

const KEYS = ['MDEyMzQ1Njc4OWFiY2RlZg==', 'YWJjZGVmMDEyMzQ1Njc4OQ=='] as const;
type Way = Awaited<ReturnType<typeof wayOf>>;
const SECRETS: readonly (readonly [
  what: string,
  settings: string,
  read: (way: Way) => unknown,
  contents: readonly [string, string],
  where: string,
])[] = [
  ['user name', "url: 'mqtt://b', username: {file: s/f}", ({ username }) => username, ['one', 'two'], 'the broker'],
  ['password', "url: 'mqtt://b', username: u, password: {file: s/f}", ({ password }) => password, ['one', 'two'], 'the broker'],
  [
    'token',
    "url: 'mqtt://b', username: {file: s/f}, format: thingsboard",
    ({ username }) => username,
    ['one', 'two'],
    'the broker',
  ],
  [
    'user name at the proxy',
    "url: 'mqtt://b', proxy: {url: 'http://p:1', username: {file: s/f}, password: p}",
    ({ proxy }) => proxy?.username,
    ['one', 'two'],
    'the proxy',
  ],
  [
    'password at the proxy',
    "url: 'mqtt://b', proxy: {url: 'socks5://p:1', username: u, password: {file: s/f}}",
    ({ proxy }) => proxy?.password,
    ['one', 'two'],
    'the proxy',
  ],
  [
    'key of a device',
    "url: 'mqtts://b', format: azure-iot-hub, azure-iot-hub: {device: d, key: {file: s/f}}",
    ({ password }) => password,
    KEYS,
    'b',
  ],
];

for (const [what, settings, read, [one, two], where] of SECRETS)
  test(`each connection reads its ${what} anew, and says what is wrong with it`, async (t: TestContext) => {
    const folder = scratch(t, 'rotated');
    const file = path.join(folder, 's', 'f');
    mkdirSync(path.dirname(file));
    replace(file, one);
    const way = wayOfFile(folder, settings);
    const first = read(await way());
    replace(file, two);
    const second = read(await way());
    assert.notEqual(second, first);
    const fault = async (): Promise<string> => {
      try {
        await way();
        return 'it was taken';
      } catch (thrown) {
        const error = toError(thrown);
        assert.equal(failureOf(error), 'files');
        const head = `the gateway cannot log in at ${where}: `;
        assert.ok(error.message.startsWith(head), error.message);
        return error.message.slice(head.length).replaceAll(file, 'F');
      }
    };
    for (const [content, words] of [
      ['', 'F is empty; write the secret into it'],
      ['\n', 'F is empty; write the secret into it'],
      ['\ufeff\r\n', 'F is empty; write the secret into it'],
      ['x'.repeat(64 * 1024 + 1), 'F is larger than 64 kB; is this the right file?'],
      [Buffer.of(0x61, 0xff, 0xfe), 'F is not UTF-8 text; save it as UTF-8'],
    ] as const) {
      replace(file, content);
      assert.equal(await fault(), words);
    }
    rmSync(file);
    assert.equal(await fault(), 'there is no file F; write the secret into it (chmod 600)');
    mkdirSync(file);
    assert.equal(await fault(), 'F is not a file; name the file that holds the secret');
    rmSync(file, { recursive: true });
    // The same secret, however its file ends.
    for (const end of ['', '\n', '\r\n']) {
      replace(file, `${one}${end}`);
      assert.equal(read(await way()), first, JSON.stringify(end));
      replace(file, `\ufeff${one}${end}`);
      assert.equal(read(await way()), first);
    }
  });
