/** Users, tokens and the claim as people type them and as strangers attack them, at a running gateway. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { TokenInfo } from '../../../src/core/access-ports.ts';
import { startChild } from '../../harness/child.ts';
import { Peek } from '../../harness/mqtt-peek.ts';
import { type Gateway, MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

const PASSWORD = 'correct horse battery';
const PLANTED = 'Planted-7f3a-secret';

async function running(t: TestContext): Promise<Gateway> {
  const gateway = makeGateway(
    t,
    (g) => `
${g.section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: 1}}
devices: {pump: {bus: plant, unit: 1, interval: 1h, points: {a: {table: holding, address: 1, type: uint16}}}}
broker: {listen: {port: 0}}
dashboard: {listen: {port: 0}}
`,
  );
  await gateway.up();
  return gateway;
}

/** `sluice` with something on its standard input. */
async function typed(t: TestContext, input: string, ...args: string[]) {
  const child = startChild(t, '/bin/sh', ['-c', `printf '%s\\n' "$INPUT" | "$@"`, 'sh', process.execPath, MAIN, ...args], {
    env: { INPUT: input },
  });
  return { code: await child.ended, out: child.stdout.join('\n'), err: child.stderr.join('\n') };
}

/** A request as it is, whatever it is. */
function raw(socketPath: string, method: string, url: string, body: string | Buffer): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const req = httpRequest({ socketPath, method, path: url, agent: false }, (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (more: string) => {
        text += more;
      });
      res.on('end', () => resolve({ status: res.statusCode ?? 0, text }));
      res.on('error', () => resolve({ status: res.statusCode ?? 0, text }));
    });
    // The gateway ends a connection whose body is too large, maybe before the answer was read.
    req.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EPIPE' || error.code === 'ECONNRESET' ? resolve({ status: 413, text: '' }) : reject(error),
    );
    req.end(body);
  });
}

test('an administrator is made, adds people, devices and tokens, and removes them', async (t) => {
  const gateway = await running(t);
  const at = ['--socket', gateway.socket];
  const claim = await sluice(t, 'claim', ...at);
  assert.deepEqual([claim.code, claim.stdout], [0, readFileSync(path.join(gateway.stateDir, 'claim'), 'utf8').trim()]);
  assert.match(claim.stdout, /^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}$/);
  const early = await sluice(t, 'user', 'add', 'plug-1', '--device', ...at);
  assert.deepEqual([early.code, early.stdout], [1, '']);
  assert.match(early.stderr, /no administrator yet.*sluice user add NAME --role administrator/);
  const anna = await typed(t, PASSWORD, 'user', 'add', 'anna', '--role', 'administrator', '--password-stdin', ...at);
  assert.deepEqual([anna.code, anna.out], [0, 'The user anna was added with the role administrator.']);
  const again = await sluice(t, 'claim', ...at);
  assert.deepEqual([again.code, again.stdout], [1, '']);
  assert.match((await sluice(t, 'claim', '--json', ...at)).stdout, /^\{"state":"claimed","code":null,"addresses":\[\]\}$/);
  const device = await sluice(
    t,
    'user',
    'add',
    'plug-1',
    '--device',
    '--publish',
    'tele/plug-1/#',
    '--publish',
    'stat/plug-1/#',
    ...at,
  );
  assert.equal(device.code, 0, device.stderr);
  assert.match(device.stdout, /^sld_[0-9a-z]{26}$/, 'nothing but the secret is on standard output');
  const made = JSON.parse((await sluice(t, 'token', 'add', 'exporter', '--expires', '90d', '--json', ...at)).stdout);
  assert.match(made.token, /^slt_[0-9a-z]{8}_[0-9a-z]{26}$/);
  assert.match(
    (await sluice(t, 'user', 'list', ...at)).stdout,
    /^anna {4}administrator\nplug-1 {2}device, password {2}publishes tele\/plug-1\/# stat\/plug-1\/#$/,
  );
  const { tokens } = (await request(gateway.socket, 'GET', '/api/v1/tokens')) as { tokens: TokenInfo[] };
  assert.deepEqual([tokens.length, tokens[0]?.name, tokens[0]?.role, tokens[0]?.expired], [1, 'exporter', 'viewer', false]);
  const renewed = await sluice(t, 'user', 'passwd', 'plug-1', ...at);
  assert.match(renewed.stdout, /^sld_[0-9a-z]{26}$/);
  assert.notEqual(renewed.stdout, device.stdout);
  assert.equal((await typed(t, 'another long password', 'user', 'passwd', 'anna', '--password-stdin', ...at)).code, 0);
  const wrong: [number, RegExp, string[]][] = [
    [1, /last administrator/, ['user', 'role', 'anna', 'viewer']],
    [1, /"role" is one of viewer, flow-editor, operator, administrator/, ['user', 'role', 'anna', 'king']],
    [1, /last administrator/, ['user', 'remove', 'anna']],
    [1, /no user with this name/, ['user', 'remove', 'nobody']],
    [1, /there is a device named plug-1 already/, ['token', 'add', 'plug-1']],
    [1, /no token with this name/, ['token', 'remove', 'nobody']],
    [1, /below sluice\//, ['user', 'add', 'x', '--device', '--publish', 'sluice/g1/command']],
    [1, /small letters, digits/, ['user', 'add', 'Plug\u0007', '--device']],
    [2, /90d/, ['token', 'add', 'x', '--expires', 'soon']],
    [1, /lasts from 1m to 3650d/, ['token', 'add', 'x', '--expires', '1s']],
    [2, /add --device/, ['user', 'add', 'x', '--publish', 'a/#']],
    [2, /leave --role out/, ['user', 'add', 'x', '--device', '--role', 'viewer']],
    [2, /no terminal.*--password-stdin/, ['user', 'add', 'ben']],
    [2, /choices are viewer, flow-editor, operator, administrator/, ['user', 'add', 'ben', '--role', 'king']],
    [2, /add --yes/, ['claim', '--again']],
  ];
  for (const [code, words, args] of wrong) {
    const answer = await sluice(t, ...args, ...at);
    assert.deepEqual([answer.code, answer.stdout], [code, ''], args.join(' '));
    assert.match(answer.stderr, words, args.join(' '));
  }
  assert.equal((await typed(t, 'short', 'user', 'add', 'ben', '--password-stdin', ...at)).code, 1);
  assert.equal((await typed(t, 'x'.repeat(5000), 'user', 'add', 'ben', '--password-stdin', ...at)).code, 1);
  assert.equal((await sluice(t, 'user', 'remove', 'plug-1', ...at)).code, 0);
  assert.equal((await sluice(t, 'token', 'remove', made.id, ...at)).code, 0);
  await gateway.stop();
  const away = await sluice(t, 'user', 'list', ...at);
  assert.equal(away.code, 1);
  assert.match(away.stderr, /no gateway is running here/);
  await gateway.up();
  assert.equal((await sluice(t, 'user', 'list', ...at)).stdout, 'anna  administrator');
  const code = await sluice(t, 'claim', '--again', '--yes', ...at);
  assert.match(code.stdout, /^[0-9A-Z-]{14}$/);
  assert.equal(readFileSync(path.join(gateway.stateDir, 'claim'), 'utf8').trim(), code.stdout);
});

test('a password is asked for on the terminal, twice, and shown nowhere', async (t) => {
  const script = peer(t, 'script', 'apt-get install -y bsdutils');
  if (script === undefined) return;
  const gateway = await running(t);
  const terminal = async (...lines: string[]): Promise<string> => {
    const shown = path.join(gateway.folder, 'terminal.txt');
    writeFileSync(shown, '');
    const command = `'${process.execPath}' '${MAIN}' user add anna --role administrator --socket '${gateway.socket}'`;
    const child = startChild(t, script, ['-qefc', command, shown], { stdin: true });
    const prompts = [/New password for anna: $/, /Again: $/];
    for (const [i, line] of lines.entries()) {
      await waitFor('the prompt', () => prompts[i]?.test(readFileSync(shown, 'utf8')));
      child.write(line);
    }
    await child.ended;
    return readFileSync(shown, 'utf8') + child.stdout.join('\n');
  };
  const differs = await terminal(PLANTED, `${PLANTED}x`);
  assert.match(differs, /New password for anna: .*Again: .*are not the same/s);
  assert.doesNotMatch(differs, /lanted/);
  const same = await terminal(`${PLANTED}y\u007f`, PLANTED);
  assert.match(same, /The user anna was added/);
  assert.doesNotMatch(same, /lanted/);
});

test('two administrators at once: every change that was confirmed is there', async (t) => {
  const gateway = await running(t);
  const at = ['--socket', gateway.socket];
  const both = await Promise.all(
    ['anna', 'berta'].map((name) =>
      typed(t, PASSWORD, 'user', 'add', name, '--role', 'administrator', '--password-stdin', ...at),
    ),
  );
  assert.deepEqual(
    both.map(({ code }) => code),
    [0, 0],
  );
  const adds = Array.from({ length: 12 }, (_, i) =>
    request(gateway.socket, 'POST', '/api/v1/users/add', { name: i % 2 === 0 ? 'same' : `d${i}`, device: true }).then(
      () => 'done',
      ({ code }: { code: string }) => code,
    ),
  );
  const codes = await Promise.all(adds);
  assert.deepEqual(codes.filter((_, i) => i % 2 === 0).toSorted(), ['done', 'exists', 'exists', 'exists', 'exists', 'exists']);
  const { devices } = (await request(gateway.socket, 'GET', '/api/v1/users')) as { devices: { name: string }[] };
  assert.deepEqual(
    devices.map(({ name }) => name).toSorted(),
    [...['d1', 'd11', 'd3', 'd5', 'd7', 'd9'].filter((name) => codes[Number(name.slice(1))] === 'done'), 'same'].toSorted(),
  );
});

test('a claim raced over the socket makes one administrator, and wrong codes back off', async (t) => {
  const gateway = await running(t);
  const code = readFileSync(path.join(gateway.stateDir, 'claim'), 'utf8').trim();
  const claim = (body: object) =>
    request(gateway.socket, 'POST', '/api/v1/claim', body).then(
      () => 'done',
      ({ code: why }: { code: string }) => why,
    );
  const wrong = await Promise.all(
    Array.from({ length: 4 }, () => claim({ code: 'AAAA-AAAA-AAAA', name: 'eve', password: PASSWORD })),
  );
  assert.deepEqual(wrong, ['unauthorized', 'unauthorized', 'unauthorized', 'unauthorized']);
  const raced = await Promise.all(['anna', 'eve'].map((name) => claim({ code, name, password: PASSWORD })));
  assert.equal(raced.filter((result) => result === 'done').length, 1, raced.join());
  const { users } = (await request(gateway.socket, 'GET', '/api/v1/users')) as { users: object[] };
  assert.equal(users.length, 1);
  assert.ok(!readdirSync(gateway.stateDir).includes('claim'));
});

test('large, broken and odd requests are refused, and the gateway goes on', async (t) => {
  const gateway = await running(t);
  await request(gateway.socket, 'POST', '/api/v1/users/add', { name: 'anna', role: 'administrator', password: PASSWORD });
  const paths = ['/api/v1/users/add', '/api/v1/users/password', '/api/v1/tokens/add', '/api/v1/claim', '/api/v1/users/remove'];
  for (const url of paths) {
    const bodies: [string | Buffer, number[]][] = [
      ['x'.repeat(1024 * 1024), [413]],
      [JSON.stringify({ name: 'a'.repeat(60_000) }), [400, 409]],
      ['{"name":', [400, 409]],
      ['[]', [400, 409]],
      ['null', [400, 409]],
      [Buffer.from([0xff, 0xfe, 0x00]), [400, 409]],
      [JSON.stringify({ name: 'a\u0000\u001b[31m', role: 'viewer', password: PASSWORD, lasts: 1e6 }), [400, 404, 409]],
      [JSON.stringify({ name: '__proto__', role: '__proto__', password: {}, lasts: 'x' }), [400, 404, 409]],
      [`{"__proto__":{"name":"x"},"name":{"toString":1}}`, [400, 409]],
      [JSON.stringify({ name: 'x', device: true, publish: Array(200).fill('a'), subscribe: 'a' }), [400, 404, 409]],
    ];
    for (const [body, allowed] of bodies) {
      const { status, text } = await raw(gateway.socket, 'POST', url, body);
      assert.ok(allowed.includes(status), `${url} ${body.toString().slice(0, 60)}: ${status} ${text}`);
      assert.doesNotMatch(text, /\\u001b|__proto__|at .*\.ts/);
    }
  }
  const { users, devices } = (await request(gateway.socket, 'GET', '/api/v1/users')) as { users: object[]; devices: object[] };
  assert.deepEqual([users.length, devices.length], [1, 0]);
});

test('random bytes as files of the accounts: the gateway starts, and is not open', async (t) => {
  const gateway = await running(t);
  await request(gateway.socket, 'POST', '/api/v1/users/add', { name: 'anna', role: 'administrator', password: PASSWORD });
  await gateway.kill();
  for (const name of ['access.json', 'access.json.copy', 'claim'])
    writeFileSync(path.join(gateway.stateDir, name), Buffer.from(Array.from({ length: 999 }, (_, i) => (i * 7919) & 255)), {
      mode: 0o600,
    });
  await gateway.up();
  const { access } = await gateway.status();
  assert.equal(access.state, 'locked');
  const status = await sluice(t, 'status', '--socket', gateway.socket);
  assert.match(status.stdout, /nobody can log in/);
  assert.match((await sluice(t, 'claim', '--socket', gateway.socket)).stderr, /is damaged, and there is no good copy/);
  await request(gateway.socket, 'POST', '/api/v1/users/add', { name: 'berta', role: 'administrator', password: PASSWORD });
  assert.equal((await gateway.status()).access.state, 'claimed');
});

test('a planted secret is in nothing that the gateway wrote, sent or kept', async (t) => {
  const gateway = await running(t);
  const peek = await Peek.start(t, await gateway.brokerPort());
  const { http } = await gateway.status();
  const code = readFileSync(path.join(gateway.stateDir, 'claim'), 'utf8').trim();
  const answers: string[] = [];
  const post = async (url: string, body: unknown): Promise<string> => {
    const { text } = await raw(gateway.socket, 'POST', url, typeof body === 'string' ? body : JSON.stringify(body));
    answers.push(text);
    return text;
  };
  const P = PLANTED;
  await post('/api/v1/claim', { code: P, name: P, password: P });
  await post('/api/v1/claim', { code, name: P, password: P });
  await post('/api/v1/claim', `{"code": ${P}}`);
  await post('/api/v1/claim', { code, name: 'anna', password: P });
  const secrets = [code];
  const device = JSON.parse(await post('/api/v1/users/add', { name: 'plug-1', device: true })) as { password: string };
  const token = JSON.parse(await post('/api/v1/tokens/add', { name: 'exporter', role: 'viewer', lasts: 1e8 })) as {
    token: string;
  };
  secrets.push(device.password, token.token);
  // These two answers are the one time when a secret is shown.
  answers.splice(-2);
  for (const url of [
    '/api/v1/users/add',
    '/api/v1/users/password',
    '/api/v1/users/role',
    '/api/v1/users/remove',
    '/api/v1/tokens/add',
    '/api/v1/tokens/remove',
    '/api/v1/claim/again2',
  ])
    for (const body of [
      { name: P, role: P, password: P, lasts: P },
      { name: 'anna', role: P, password: P, lasts: 1e6 },
      { name: 'anna', role: 'administrator', password: `${P} 2`, lasts: 1e6 },
      { name: P, device: true, publish: [P, `sluice/${P}`], subscribe: [`$${P}`], certificate: P },
      { [P]: P },
      `{"name": "${P}", }`,
      `${P}`,
    ])
      if (url !== '/api/v1/users/remove' || JSON.stringify(body).includes(`"name":"${P}"`)) await post(url, body);
  await post(`/api/v1/users?password=${P}`, {});
  answers.push((await raw(gateway.socket, 'GET', `/api/v1/users?password=${P}`, '')).text);
  for (const url of [
    '/api/v1/users',
    '/api/v1/tokens',
    '/api/v1/claim',
    '/api/v1/status',
    '/metrics',
    '/api/v1/history?point=pump.a',
  ])
    answers.push((await raw(gateway.socket, 'GET', url, '')).text);
  const local = await fetch(`http://127.0.0.1:${http?.address?.port}/api/v1/status`, {
    headers: { Authorization: `Bearer ${P}`, Cookie: `session=${P}` },
  });
  answers.push(await local.text());
  await gateway.stop();
  const files = [gateway.stateDir, gateway.runtimeDir].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((name) => path.join(folder, name))
      .filter((name) => statSync(name).isFile()),
  );
  assert.ok(files.some((name) => name.endsWith('access.json')) && files.some((name) => name.endsWith('log.db')));
  const all = [
    ...files.map((name) => [name, readFileSync(name, 'latin1')] as const),
    ['log lines', JSON.stringify(gateway.logs()) + gateway.stderr.join('\n')] as const,
    ['answers', answers.join('\n')] as const,
    ['messages', peek.messages.map(({ topic, text }) => `${topic} ${text}`).join('\n')] as const,
  ];
  assert.ok(peek.messages.some(({ text }) => text.includes('"event":"access"')));
  for (const [where, text] of all)
    for (const secret of [...secrets, 'lanted-7f3a']) assert.ok(!text.includes(secret), `${secret} is in ${where}`);
});
