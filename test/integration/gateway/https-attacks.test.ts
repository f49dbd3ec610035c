/** The first start of HTTPS under bad conditions: a full disk, an address in use, and two gateways that might share a secret. */
import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { PASSWORD } from '../../fakes/test-access.ts';
import { freePort } from '../../harness/free-port.ts';
import { mayMount, mountPoint, run } from '../../harness/loop-disk.ts';
import { type Gateway, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { WebClient } from '../../harness/web-bench.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

/** The kernel cannot be asked who calls, so the gateway makes its `admin.key`. */
const HIDE_KOFFI = path.join(import.meta.dirname, '..', '..', 'harness', 'hide-koffi.ts');
const WITHOUT_KOFFI = { NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import ${HIDE_KOFFI}` };
/** What failed for want of room is tried again every minute. */
const MINUTES = { timeout: 600_000 };

function httpsOf(gateway: Gateway): Promise<{ port: number; ca: string }> {
  return waitFor(
    () => `HTTPS\n${gateway.tail()}`,
    async () => {
      const { listeners = [] } = (await gateway.status()).http ?? {};
      const port = listeners.find(({ tls, fault, port }) => tls && fault === undefined && port > 0)?.port;
      return port === undefined ? undefined : { port, ca: readFileSync(path.join(gateway.stateDir, 'tls', 'ca.crt'), 'utf8') };
    },
    MINUTES,
  );
}

/** Every byte of the disk is taken. @returns makes room again */
function fill(disk: string): () => void {
  const ballast = path.join(disk, 'ballast');
  const file = openSync(ballast, 'w');
  try {
    for (const piece = Buffer.alloc(4096, 1); ; ) writeSync(file, piece);
  } catch {
    // It is full.
  } finally {
    closeSync(file);
  }
  return () => rmSync(ballast);
}

test('a full disk at the first start: it polls, says so once, and goes on with room', {
  timeout: 600_000,
}, async (t) => {
  if (!mayMount(t)) return;
  const device = await SettableDevice.start(t);
  if (device === undefined) return;
  const disk = mountPoint(t, 'full');
  run('mount', '-t', 'tmpfs', '-o', 'size=2m,mode=0755', 'tmpfs', disk);
  const plain = (g: Gateway): string => `
gateway: {id: g1, stateDir: ${disk}/state, runtimeDir: ${g.runtimeDir}}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {d1: {bus: plant, unit: 1, interval: 50ms, points: {n: {table: holding, address: 0, type: uint16}}}}
`;
  const gateway = makeGateway(t, plain);
  const state = path.join(disk, 'state');
  // A log without its first room would end the start, as other tests show. This one has it, and no secret was made yet.
  await gateway.up();
  await gateway.kill();
  rmSync(path.join(state, 'claim'));
  const emptyDisk = fill(disk);
  gateway.write(`${plain(gateway)}dashboard: {listen: [{port: 0, tls: true}]}\n`);
  const before = gateway.logs().length;
  await gateway.up(WITHOUT_KOFFI);
  const socket = path.join(state, 'sluice.sock');
  const status = () => request(socket, 'GET', '/api/v1/status') as ReturnType<Gateway['status']>;
  const replies = async () => (await status()).buses[0]?.devices[0]?.counters.replies ?? 0;
  const lines = (words: RegExp) =>
    gateway
      .logs()
      .slice(before)
      .filter(({ msg }) => words.test(msg));

  await waitFor('the fault of HTTPS', () => lines(/HTTPS cannot listen/).length > 0);
  for (let i = 0; i < 2; i++) {
    const { code, stderr } = await sluice(t, 'claim', '--socket', socket);
    assert.equal(code, 1, 'nobody can show to be root');
    assert.match(stderr, /administrator/);
  }
  const polled = await replies();
  await waitFor('further polls', async () => (await replies()) > polled + 5);
  const once: [RegExp, RegExp][] = [
    [/^The claim code cannot be kept: the disk is full, make room there\./, /./],
    [/No certificate could be made/, /ENOSPC.*make room on the disk of/],
    [/HTTPS cannot listen/, /it has no certificate/],
    [/admin\.key cannot be written: the disk is full, make room there\./, /./],
  ];
  for (const [words, error] of once) {
    const found = lines(words);
    assert.equal(found.length, 1, `${words}: ${found.length} lines\n${gateway.tail()}`);
    assert.match(String(found[0]?.error ?? '-'), error);
  }
  const halves = () => readdirSync(state, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.new'));
  assert.deepEqual(halves(), []);
  for (const name of ['claim', 'admin.key', 'tls/own.pem', 'tls/ca.crt'])
    assert.ok(!existsSync(path.join(state, name)), `${name} is there`);

  emptyDisk();
  const shown = await sluice(t, 'claim', '--socket', socket);
  assert.equal(shown.code, 0, shown.stderr);
  const code = await waitFor('the file of the claim code', () => readFileSync(path.join(state, 'claim'), 'utf8').trim(), MINUTES);
  assert.equal(code, shown.stdout.trim().split('\n')[0], 'the code that was shown is the one that is kept');
  const ca = await waitFor('the certificate', () => readFileSync(path.join(state, 'tls', 'ca.crt'), 'utf8'), MINUTES);
  const port = await waitFor('HTTPS', async () => (await status()).http?.address?.port, MINUTES);
  for (const name of ['claim', 'admin.key', 'tls/own.pem'])
    assert.equal(statSync(path.join(state, name)).mode & 0o777, 0o600, name);
  assert.deepEqual(halves(), []);
  const client = new WebClient({ https: port, ca });
  t.after(() => client.close());
  const claimed = await client.ask('POST', '/api/v1/claim', {
    body: { code, name: 'anna', password: PASSWORD },
    headers: { origin: client.origin },
  });
  assert.equal(claimed.status, 200, claimed.text);
  for (const [words] of once) assert.equal(lines(words).length, 1, `${words} after all`);
});

/** A claimed gateway with one account of each kind. @returns its secrets, and all that lies in its folder */
async function furnished(t: TestContext): Promise<{ secrets: Map<string, string>; texts: string[] }> {
  const gateway = makeGateway(
    t,
    (g) => `${g.section}\nbroker: {listen: {port: 0}}\ndashboard: {listen: [{port: 0, tls: true}]}\n`,
  );
  await gateway.up(WITHOUT_KOFFI);
  const { port, ca } = await httpsOf(gateway);
  const post = (call: string, body: object) =>
    request(gateway.socket, 'POST', `/api/v1/${call}`, body) as Promise<Record<string, string>>;
  const secrets = new Map<string, string>();
  secrets.set('claim code', readFileSync(path.join(gateway.stateDir, 'claim'), 'utf8').trim());
  await post('users/add', { name: 'anna', role: 'administrator', password: PASSWORD });
  secrets.set('device', (await post('users/add', { name: 'plug', device: true })).password ?? '');
  secrets.set('token', (await post('tokens/add', { name: 'exporter', role: 'viewer', lasts: 1e8 })).token ?? '');
  const client = new WebClient({ https: port, ca });
  t.after(() => client.close());
  assert.equal((await client.logIn('anna')).status, 200);
  for (const [name, value] of client.cookies) secrets.set(name, value);
  secrets.set('csrf', client.csrf ?? '');
  secrets.set('admin.key', readFileSync(path.join(gateway.stateDir, 'admin.key'), 'utf8').trim());
  const pem = readFileSync(path.join(gateway.stateDir, 'tls', 'own.pem'), 'utf8');
  const blocks = [...pem.matchAll(/-----BEGIN ([A-Z ]+)-----([^-]+)/g)];
  assert.equal(blocks.length, 4);
  for (const [i, [, label, body = '']] of blocks.entries()) secrets.set(`${label} ${i}`, body.replace(/\s/g, ''));
  const accounts = JSON.parse(readFileSync(path.join(gateway.stateDir, 'access.json'), 'utf8')) as Record<string, unknown>;
  secrets.set('hash of a password', /"(scrypt[^"]+|\$[^"]+)"/.exec(JSON.stringify(accounts))?.[1] ?? '');
  await gateway.kill();
  const texts = readdirSync(gateway.stateDir, { recursive: true, encoding: 'utf8' })
    .filter((name) => /^(access\.json.*|admin\.key|tls\/.*|log-ins\.json)$/.test(name))
    // Certificates share their names and dates; their keys are above.
    .map((name) => readFileSync(path.join(gateway.stateDir, name), 'latin1').replace(/-BEGIN CERT[^-]+-+[^-]+/g, ''));
  return { secrets, texts };
}

test('two installations share no secret, and one knows none of the other', { timeout: 600_000 }, async (t) => {
  const [one, other] = [await furnished(t), await furnished(t)];
  assert.deepEqual([...one.secrets.keys()], [...other.secrets.keys()]);
  assert.ok(one.secrets.size >= 12, [...one.secrets.keys()].join());
  for (const [name, secret] of one.secrets) {
    assert.ok(secret.length >= 14, `${name}: "${secret}"`);
    assert.notEqual(secret, other.secrets.get(name), name);
    for (const text of other.texts) assert.ok(!text.replace(/\s/g, '').includes(secret), `${name} is at the other one`);
  }
  // Random texts that nobody thought of: no word of 20 letters and digits is in files of both.
  const words = ({ texts }: typeof one) => new Set(texts.join(' ').match(/[A-Za-z0-9+/]{20,}/g));
  const both = [...words(one)].filter((word) => words(other).has(word));
  assert.deepEqual(both, []);
});

test('an address of another gateway is reported once, and taken when it is free', async (t) => {
  const port = await freePort();
  const yaml = (g: Gateway): string => `${g.section}\ndashboard: {listen: [{host: 127.0.0.1, port: ${port}, tls: true}]}\n`;
  const [first, second] = [makeGateway(t, yaml), makeGateway(t, yaml)];
  await first.up();
  const { ca } = await httpsOf(first);
  await second.up();
  // Until its certificate is made, that is what it waits for.
  const taken = new RegExp(`another program listens on 127\\.0\\.0\\.1:${port}`);
  await waitFor('the fault', async () => taken.test((await second.status()).http?.fault ?? ''));
  const client = new WebClient({ https: port, ca });
  t.after(() => client.close());
  assert.equal((await client.ask('GET', '/healthz')).status, 200, 'the first one is not disturbed');
  assert.equal(await first.stop(), 0);
  const now = await httpsOf(second);
  assert.equal(now.port, port);
  const other = new WebClient({ https: port, ca: now.ca });
  t.after(() => other.close());
  assert.equal((await other.ask('GET', '/healthz')).status, 200);
  const reports = second.logs().filter(({ msg }) => /HTTPS cannot listen/.test(msg));
  assert.equal(reports.length, 1);
});

test('one address for two listeners is refused by check, also for the broker and HTTPS', async (t) => {
  const both: [string, string][] = [
    ['two of HTTPS', 'dashboard: {listen: [{port: 8443, tls: true}, {port: 8443, tls: true}]}'],
    ['the broker and HTTPS', 'broker: {listen: {port: 8443, tls: true}}\ndashboard: {listen: [{port: 8443, tls: true}]}'],
    ['all addresses and one', 'dashboard: {listen: [{host: 0.0.0.0, port: 8443, tls: true}, {host: 127.0.0.1, port: 8443}]}'],
  ];
  for (const [what, sections] of both) {
    const gateway = makeGateway(t, (g) => `${g.section}\n${sections}\n`);
    const { code, stdout, stderr } = await sluice(t, 'check', gateway.config);
    assert.equal(code, 78, `${what}: ${stdout}${stderr}`);
    assert.match(stdout + stderr, /8443/, what);
  }
});
