/** HTTPS of a running gateway with foreign programs: curl, openssl, Python, two browsers that claim it, roles, reload, bad files. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { may } from '../../../src/access/roles.ts';
import { request } from '../../../src/admin/client.ts';
import { ROUTE_PERMISSIONS } from '../../../src/admin/routes/table.ts';
import type { GatewayStatus, HttpStatus } from '../../../src/admin/target.ts';
import type { Role } from '../../../src/core/commands.ts';
import { PASSWORD } from '../../fakes/test-access.ts';
import { type Gateway, makeGateway } from '../../harness/start-gateway.ts';
import { DEADLINE_MS, waitFor } from '../../harness/wait-for.ts';
import { WebClient } from '../../harness/web-bench.ts';
import { peer, pythonPeer } from '../../peers/peers.ts';

const httpsConfig = (gateway: Gateway, dashboard: string): string => `${gateway.section}\ndashboard:\n${dashboard}\n`;
const SECURE = '  listen: [{port: 0, tls: true}]';

async function secure(gateway: Gateway): Promise<{ port: number; ca: string; file: string; http: HttpStatus }> {
  const http = await waitFor('HTTPS', async () => {
    const { http } = await gateway.status();
    return http?.listeners.some(({ tls, fault, port }) => tls && fault === undefined && port > 0) ? http : undefined;
  });
  const file = path.join(gateway.stateDir, 'tls', 'ca.crt');
  const port = http.listeners.find(({ tls }) => tls)?.port ?? 0;
  return { port, file, ca: readFileSync(file, 'utf8'), http };
}

async function up(t: TestContext, dashboard = SECURE): Promise<Gateway> {
  const gateway = makeGateway(t, (g) => httpsConfig(g, dashboard));
  await gateway.up();
  return gateway;
}

test('curl, Python and openssl verify the gateway by its authority, and TLS 1.1 is refused', async (t) => {
  const gateway = await up(t);
  const { port, file, http } = await secure(gateway);
  const [curl, openssl] = [peer(t, 'curl', 'apt-get install -y curl'), peer(t, 'openssl', 'apt-get install -y openssl')];
  const python = pythonPeer(t, 'ssl', 'apt-get install -y python3');
  if (curl === undefined || openssl === undefined || python === undefined) return;
  await request(gateway.socket, 'POST', '/api/v1/users/add', { name: 'anna', role: 'administrator', password: PASSWORD });
  const { token } = (await request(gateway.socket, 'POST', '/api/v1/tokens/add', {
    ...{ name: 'exporter', role: 'viewer', lasts: 3_600_000 },
  })) as { token: string };
  const url = `https://localhost:${port}/api/v1/status`;
  const run = (program: string, args: string[], input = '') =>
    spawnSync(program, args, { encoding: 'utf8', input, timeout: DEADLINE_MS });
  const good = run(curl, ['-sS', '--cacert', file, '-H', `Authorization: Bearer ${token}`, url]);
  assert.equal((JSON.parse(good.stdout) as GatewayStatus).gateway.id, 'g1');
  assert.equal(run(curl, ['-sS', '-o', '/dev/null', '-w', '%{http_code}', '--cacert', file, url]).stdout, '401');
  assert.equal(run(curl, ['-sS', url]).status, 60, 'an authority that curl does not know');
  const script = `import ssl, json, sys
from http.client import HTTPSConnection
c = HTTPSConnection("127.0.0.1", ${port}, context=ssl.create_default_context(cafile=sys.argv[1]))
c.request("GET", "/api/v1/session", headers={"Authorization": "Bearer " + sys.argv[2]})
print(json.load(c.getresponse())["name"])`;
  assert.equal(run(python, ['-c', script, file, token]).stdout.trim(), 'exporter');
  const at = ['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', file];
  for (const version of ['-tls1_2', '-tls1_3'])
    assert.match(run(openssl, [...at, version]).stdout, /Verify return code: 0/, version);
  const old = run(openssl, [...at, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0']);
  assert.notEqual(old.status, 0);
  assert.doesNotMatch(old.stdout, /Protocol *: TLSv1\.1\n[\s\S]*Session-ID: [0-9A-F]/);
  // A person compares these two.
  const shown = run(openssl, ['x509', '-noout', '-fingerprint', '-sha256'], run(openssl, at).stdout).stdout;
  assert.equal(/=(.*)/.exec(shown)?.[1], http.listeners[0]?.fingerprint);
});

test('every route is open to the roles of the table, over HTTPS with a token and a session', async (t) => {
  const gateway = await up(t);
  const { port, ca } = await secure(gateway);
  await request(gateway.socket, 'POST', '/api/v1/users/add', { name: 'root-like', role: 'administrator', password: PASSWORD });
  const bodies: Readonly<Record<string, object>> = {
    '/api/v1/read': { device: 'ghost' },
    '/api/v1/write': { point: 'ghost.point', value: 1 },
    '/api/v1/acknowledge': { rule: 'ghost' },
    '/api/v1/shelve': { rule: 'ghost', for: null },
    '/api/v1/reset': { rule: 'ghost' },
    '/api/v1/out-of-service': { rule: 'ghost', reason: 'a walk' },
    '/api/v1/in-service': { rule: 'ghost' },
    '/api/v1/resend': { from: 1, to: 2 },
    '/api/v1/exchange': { bus: 'ghost', unit: 1, request: { kind: 'read', table: 'holding', start: 3, count: 1 } },
    '/api/v1/capture': { bus: 'ghost' },
    '/api/v1/flows/undo': {},
    '/api/v1/flows/restore': { revision: 1 },
    '/api/v1/flows/import': { flows: [] },
    '/api/v1/flows/load': { name: 'ghost' },
    '/api/v1/flows/restart': {},
  };
  const commands = ROUTE_PERMISSIONS.filter(({ kind }) => kind === 'commands').map(({ path: at }) => at);
  assert.deepEqual(
    commands.filter((at) => at !== '/api/v1/reload' && bodies[at] === undefined),
    [],
    'every command has a body in this walk',
  );
  // What is logged has a limit: the first one acts.
  const roles: readonly Role[] = ['administrator', 'operator', 'flow-editor', 'viewer'];
  for (const [i, role] of roles.entries()) {
    const { token } = (await request(gateway.socket, 'POST', '/api/v1/tokens/add', {
      ...{ name: `token-${role}`, role, lasts: 3_600_000 },
    })) as { token: string };
    await request(gateway.socket, 'POST', '/api/v1/users/add', { name: `user-${role}`, role, password: PASSWORD });
    const program = new WebClient({ https: port, ca }, `127.0.30.${i + 1}`);
    const person = new WebClient({ https: port, ca }, `127.0.31.${i + 1}`);
    t.after(() => [program, person].map((one) => one.close()));
    assert.equal((await person.logIn(`user-${role}`)).status, 200);
    // What would end the walk, or the accounts of it.
    const skipped = ['/api/v1/session/end', '/api/v1/session/password', '/api/v1/claim/again', '/api/v1/session'];
    for (const { method, path: at, action } of ROUTE_PERMISSIONS) {
      if (role === 'administrator' && skipped.includes(at)) continue;
      if (method === 'POST' && at.startsWith('/api/v1/session')) continue;
      const body = method === 'POST' ? { body: bodies[at] ?? {} } : {};
      const asking = { ...body, headOnly: true };
      const answers = [
        await program.ask(method, at, { ...asking, headers: { authorization: `Bearer ${token}` } }),
        await person.page(method, at, asking),
      ];
      for (const { status, code } of answers) {
        const words = `${method} ${at} as ${role}: ${status} ${code}`;
        assert.equal(code === 'forbidden', !may({ role }, action), words);
        assert.equal(status === 403, !may({ role }, action), words);
        assert.ok(status !== 401 && status !== 429, words);
      }
    }
  }
  const logged = (of: (line: Readonly<Record<string, unknown>>) => boolean) => () =>
    gateway.logs().some((line) => line.via === 'https' && of(line)) ? true : undefined;
  await waitFor(
    'a command with who and the door',
    logged(({ who, do: what }) => what === 'reload' && who === 'user-administrator'),
  );
  await waitFor(
    'a refusal with who and the door',
    logged(({ who, result }) => result === 'refused' && who === 'user-operator'),
  );
});

test('a reload moves what changed, keeps the rest, and takes the files of the operator', async (t) => {
  const gateway = await up(t, '  listen: [{port: 0, tls: true}, {port: 0}]');
  const { port, ca } = await secure(gateway);
  const client = new WebClient({ https: port, ca });
  t.after(() => client.close());
  assert.equal((await client.ask('GET', '/healthz')).status, 200);
  const changed = await gateway.reload(httpsConfig(gateway, '  listen: [{port: 0, tls: true}]\n  names: [gate.example.local]'));
  assert.deepEqual(changed, ['dashboard']);
  const after = await secure(gateway);
  assert.equal(after.port, port, 'an unchanged address is not disturbed');
  assert.equal(after.http.listeners.length, 1);
  assert.equal((await client.ask('GET', '/healthz')).status, 200);
  await waitFor('a certificate with the new name', async () => {
    const { fingerprint } = (await secure(gateway)).http.listeners[0] ?? {};
    return fingerprint !== undefined && fingerprint !== after.http.listeners[0]?.fingerprint;
  }).catch(() => assert.fail('no new certificate'));
  writeFileSync(path.join(gateway.folder, 'board.crt'), 'no certificate');
  writeFileSync(path.join(gateway.folder, 'board.key'), 'no key');
  const damaged = httpsConfig(gateway, '  listen: {port: 0, tls: {cert: board.crt, key: board.key}}');
  await assert.rejects(gateway.reload(damaged), {
    code: 'tls-files',
    message: /board\.crt.*correct the files.*nothing was changed$/,
  });
  assert.equal((await client.ask('GET', '/healthz')).status, 200, 'the old address goes on');
  // A start has no old address: it goes on without this one.
  await gateway.stop();
  await gateway.up();
  const waiting = await waitFor('the fault', async () => (await gateway.status()).http?.fault);
  assert.match(waiting, /board\.crt/);
  assert.doesNotMatch(gateway.tail(100), /no key\b.*no certificate/);
});

test('a gateway starts with a tls folder that is blocked, damaged, or of another board', async (t) => {
  const first = await up(t);
  const own = await secure(first);
  const other = makeGateway(t, (g) => httpsConfig(g, SECURE));
  cpSync(path.join(first.stateDir, 'tls'), path.join(other.stateDir, 'tls'), { recursive: true });
  await other.up();
  assert.equal((await secure(other)).ca, own.ca, 'a board that was exchanged keeps the authority');
  await first.stop();
  writeFileSync(path.join(first.stateDir, 'tls', 'own.pem'), 'damaged');
  await first.up();
  const made = await secure(first);
  assert.notEqual(made.ca, own.ca);
  assert.ok(existsSync(path.join(first.stateDir, 'tls', 'own.pem.damaged')));
  // A file where the folder has to be: root may write everything else.
  const blocked = makeGateway(t, (g) => httpsConfig(g, '  listen: [{port: 0}, {port: 0, tls: true}]'));
  cpSync(path.join(other.stateDir, 'tls', 'ca.crt'), path.join(blocked.stateDir, 'tls'));
  chmodSync(path.join(blocked.stateDir, 'tls'), 0o600);
  await blocked.up();
  await waitFor('the fault', async () => /no certificate/.test((await blocked.status()).http?.fault ?? ''));
  assert.equal((await blocked.status()).http?.state, 'listening', 'the address without TLS');
  // Two installations share no secret.
  for (const name of ['tls/own.pem', 'claim'])
    assert.notEqual(readFileSync(path.join(first.stateDir, name), 'utf8'), readFileSync(path.join(other.stateDir, name), 'utf8'));
});
