/** Secrets of every kind, planted at every door of a running gateway, are in nothing that it writes, keeps, sends or shows. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import mqtt from 'mqtt';
import { request } from '../../../src/admin/client.ts';
import { startChild } from '../../harness/child.ts';
import { Peek } from '../../harness/mqtt-peek.ts';
import { type Gateway, MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { DEADLINE_MS, waitFor } from '../../harness/wait-for.ts';
import { WebClient } from '../../harness/web-bench.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

/** Typed into every field by strangers, and the password of anna. */
const TYPED = 'Planted-typed-7f3a91';
/** Secrets of the configuration: in the file itself, in a file beside it, in the environment. */
const INLINE = 'Planted-inline-c04e55';
const FILED = 'Planted-filed-91be20';
const FROM_ENV = 'Planted-environment-5ad7';
/** What an operator writes is no secret: the audit names it. */
const WRITTEN = 4711;

/** Everything on standard output and standard error. */
const all = (child: { stdout: readonly string[]; stderr: readonly string[] }): string =>
  [...child.stdout, ...child.stderr].join('\n');

interface Shown {
  readonly where: string;
  readonly text: string;
}

/** A client of MQTT that keeps all that it gets. @returns what it got, and why it was refused */
async function mqttClient(
  port: number,
  { username, password }: { readonly username: string; readonly password: string },
  use: (client: mqtt.MqttClient) => Promise<void>,
): Promise<string> {
  const client = mqtt.connect({
    ...{ protocol: 'mqtt', host: '127.0.0.1', port, reconnectPeriod: 0, connectTimeout: DEADLINE_MS },
    clean: false,
    ...{ username, password, clientId: `c-${Math.random().toString(36).slice(2, 10)}` },
  });
  const got: string[] = [];
  client.on('message', (topic, payload) => got.push(`${topic} ${payload.toString('latin1')}`));
  client.on('error', (error) => got.push(error.message));
  await new Promise<void>((resolve) => {
    client.once('connect', () => resolve());
    client.once('close', () => resolve());
  });
  if (client.connected) await use(client).catch((error: unknown) => got.push(String(error)));
  client.end(true);
  return got.join('\n');
}

/** As it is, and as it looks in hexadecimal digits and in base64, wherever it begins in there. */
function formsOf(secret: string): string[] {
  const base64 = [0, 1, 2].map((before) => {
    const text = Buffer.from(`${'.'.repeat(before)}${secret}`).toString('base64');
    // Characters that hold bits of what stands before or behind it are left out.
    return text.slice(before === 0 ? 0 : 4).replace(/.?.?=*$/, '');
  });
  return [secret, Buffer.from(secret).toString('hex'), ...base64];
}

/** Where a secret is, with what stands before it. */
function found(shown: readonly Shown[], secrets: ReadonlySet<string>): string[] {
  const forms = [...secrets].flatMap((secret) => formsOf(secret).map((form) => ({ secret, form })));
  return shown.flatMap(({ where, text }) =>
    forms.flatMap(({ secret, form }) => {
      const place = text.indexOf(form);
      return place < 0 ? [] : [`${secret} is in ${where}: ${text.slice(Math.max(0, place - 200), place + 60)}`];
    }),
  );
}

test('control: the search finds a secret as it is, in base64 and in hexadecimal digits', () => {
  const secrets = new Set([INLINE]);
  for (const before of ['', 'a', 'ab', 'abc'])
    for (const code of ['utf8', 'base64', 'base64url', 'hex'] as const) {
      const text = Buffer.from(`${before}${INLINE} and more`).toString(code);
      assert.equal(found([{ where: 'here', text: `{"x":"${text}"}` }], secrets).length > 0, true, `${code} behind ${before}`);
    }
  assert.deepEqual(found([{ where: 'here', text: TYPED }], secrets), []);
});

function filesOf(gateway: Gateway): Shown[] {
  return [gateway.stateDir, gateway.runtimeDir].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((name) => path.join(folder, name))
      .filter((name) => statSync(name).isFile())
      .map((name) => ({ where: name, text: readFileSync(name, 'latin1') })),
  );
}

test('planted secrets are in no line, file, answer, event, capture, error or output', { timeout: 600_000 }, async (t) => {
  const device = await SettableDevice.start(t);
  const mosquitto = device && (await Mosquitto.start(t));
  if (device === undefined || mosquitto === undefined) return;
  const yaml = (g: Gateway, more = ''): string => `
${g.section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {pump: {bus: plant, unit: 1, interval: 100ms, points: {speed: {table: holding, address: 3, type: uint16, write: {min: 0, max: 50, every: 0ms}}}}}
broker: {listen: {port: 0}}
dashboard: {listen: [{port: 0}, {port: 0, tls: true}]}
forwarders:
  cloud: {type: mqtt, url: 'mqtt://127.0.0.1:${mosquitto.port}', username: clerk, password: '${INLINE}', batch: {maxAge: 50ms}}
  away: {type: mqtt, url: 'mqtt://127.0.0.1:1', username: clerk, password: {file: password.txt}}
  gone: {type: mqtt, url: 'mqtt://127.0.0.1:2', username: clerk, password: {env: SLUICE_TEST_SECRET}}
${more}`;
  const gateway = makeGateway(t, yaml);
  writeFileSync(path.join(gateway.folder, 'password.txt'), `${FILED}\n`, { mode: 0o600 });
  const env = { SLUICE_TEST_SECRET: FROM_ENV };
  await gateway.up(env);
  const shown: Shown[] = [];
  const show = (where: string, text: unknown): void => {
    shown.push({ where, text: typeof text === 'string' ? text : (JSON.stringify(text) ?? '') });
  };
  const secrets = new Set([TYPED, INLINE, FILED, FROM_ENV]);
  const http = await waitFor('HTTPS', async () => {
    const { http } = await gateway.status();
    return http?.listeners.every(({ fault, port }) => fault === undefined && port > 0) ? http : undefined;
  });
  const https = http.listeners.find(({ tls }) => tls)?.port ?? 0;
  const plain = http.listeners.find(({ tls }) => !tls)?.port ?? 0;
  const ca = readFileSync(path.join(gateway.stateDir, 'tls', 'ca.crt'), 'utf8');
  const broker = await gateway.brokerPort();
  const code = readFileSync(path.join(gateway.stateDir, 'claim'), 'utf8').trim();
  secrets.add(code);
  for (const [, key = ''] of readFileSync(path.join(gateway.stateDir, 'tls', 'own.pem'), 'utf8').matchAll(
    /PRIVATE KEY-----\n([A-Za-z0-9+/=]{20,})/g,
  ))
    secrets.add(key);
  const local = await Peek.start(t, broker);
  const upstream = await Peek.start(t, mosquitto.port);
  const anna = new WebClient({ https, ca });
  t.after(() => anna.close());

  // The claim: wrong in each field, then right.
  const claim = { code, name: 'anna', password: TYPED };
  for (const body of [{ ...claim, code: TYPED }, { ...claim, name: TYPED }, { ...claim, password: [TYPED] }, `{"code":"${TYPED}`])
    assert.ok((await anna.ask('POST', '/api/v1/claim', { body, headers: { origin: anna.origin } })).status >= 400);
  assert.equal((await anna.ask('POST', '/api/v1/claim', { body: claim, headers: { origin: anna.origin } })).status, 200);
  assert.equal((await anna.logIn('anna', TYPED)).status, 200);
  for (const value of anna.cookies.values()) secrets.add(value);
  secrets.add(anna.csrf ?? '?');
  const given = async (at: string, body: object): Promise<Record<string, string>> => {
    const answer = await anna.page('POST', at, { body });
    assert.equal(answer.status, 200, answer.text);
    return answer.body as Record<string, string>;
  };
  const plug = await given('/api/v1/users/add', { name: 'plug-1', device: true, publish: ['tele/#'], subscribe: ['tele/#'] });
  const reader = await given('/api/v1/tokens/add', { name: 'reader', role: 'viewer', lasts: 1e8 });
  const root = await given('/api/v1/tokens/add', { name: 'root-like', role: 'administrator', lasts: 1e8 });
  for (const one of [plug.password, reader.token, root.token]) secrets.add(one ?? '?');
  // What was given went out once, to the one who asked.
  anna.seen.length = 0;

  // HTTPS, plain HTTP and the socket: in every field, header and query.
  for (const at of [
    'session',
    'session/password',
    'users/add',
    'users/password',
    'tokens/add',
    'write',
    'read',
    'capture',
    'shelve',
  ])
    for (const body of [
      { name: TYPED, password: TYPED, next: TYPED, role: TYPED, lasts: TYPED },
      { [TYPED]: TYPED },
      { name: 'plug-1', device: true, publish: [TYPED, `sluice/${TYPED}`] },
      `{"name": "${TYPED}", }`,
    ]) {
      await anna.page('POST', `/api/v1/${at}`, { body });
      show(
        'an error on the socket',
        String(await request(gateway.socket, 'POST', `/api/v1/${at}`, Object(body)).catch((e) => e.message)),
      );
    }
  const bearer = (text: string | undefined) => ({ headers: { authorization: `Bearer ${text}` } });
  for (const text of [TYPED, `${reader.token?.slice(0, -1)}x`, root.token]) {
    await anna.ask('GET', `/api/v1/export?from=${text}&password=${text}`, bearer(text));
    await anna.ask('GET', `/${text}`, { headers: { cookie: `__Host-sluice=${text}`, 'x-sluice-csrf': text } });
    const answer = await fetch(`http://127.0.0.1:${plain}/api/v1/status?token=${text}`, bearer(text));
    show('plain HTTP', await answer.text());
  }
  assert.equal((await anna.logIn('anna', TYPED)).status, 200);
  for (const value of anna.cookies.values()) secrets.add(value);
  secrets.add(anna.csrf ?? '?');
  anna.seen.length = 0;
  for (const at of ['status', 'users', 'tokens', 'claim', 'openapi.json', 'removed', 'waiting', 'export?format=jsonl'])
    assert.equal((await anna.page('GET', `/api/v1/${at}`)).status, 200, at);
  for (const at of ['/metrics', '/readyz', '/healthz', '/']) await anna.page('GET', at);

  // MQTT: wrong passwords, a device, programs; commands and their results; $SYS.
  for (const [username, password] of [
    [TYPED, TYPED],
    ['anna', TYPED],
    ['plug-1', `${plug.password}x`],
    ['reader', TYPED],
  ] as const)
    show('MQTT', await mqttClient(broker, { username, password }, async () => {}));
  show(
    'MQTT of the device',
    await mqttClient(broker, { username: 'plug-1', password: plug.password ?? '' }, async (client) => {
      await client.subscribeAsync('tele/#', { qos: 1 });
      await client.publishAsync('tele/x', 'on', { qos: 1 });
      await client.subscribeAsync(`sluice/${TYPED}/#`).catch(() => {});
    }),
  );
  const seen = await mqttClient(broker, { username: 'root-like', password: root.token ?? '' }, async (client) => {
    const messages: string[] = [];
    client.on('message', (topic) => messages.push(topic));
    await client.subscribeAsync(['$SYS/#', 'sluice/#'], { qos: 1 });
    const command = (body: object) => client.publishAsync('sluice/g1/command', JSON.stringify(body), { qos: 1 });
    await command({ id: 'w1', do: 'write', target: 'pump.speed', value: 7, password: TYPED });
    await command({ id: 'w2', do: TYPED, target: TYPED });
    await waitFor('a result and $SYS', () => messages.some((m) => /result/.test(m)) && messages.some((m) => /\$SYS/.test(m)));
  });
  assert.match(seen, /\$SYS\/broker\/version/);
  show('MQTT of an administrator', seen);

  // A write with a value that the audit names, and one that its point refuses.
  await assert.rejects(request(gateway.socket, 'POST', '/api/v1/write', { point: 'pump.speed', value: WRITTEN }));

  // The command line, with right and with wrong files.
  const at = ['--socket', gateway.socket];
  const capture = startChild(t, process.execPath, [MAIN, 'capture', 'plant', '--for', '5s', ...at]);
  await capture.ended;
  assert.match(all(capture), /\S/);
  show('capture', all(capture));
  for (const args of [
    ['status', ...at],
    ['status', '-v', ...at],
    ['status', '--json', ...at],
    ['export', '--format', 'jsonl', ...at],
    ['user', 'list', ...at],
    ['token', 'list', '--json', ...at],
    ['claim', '--json', ...at],
    ['write', 'pump.speed', TYPED, ...at],
    ['check', gateway.config],
  ]) {
    const child = startChild(t, process.execPath, [MAIN, ...args], { env });
    await child.ended;
    show(
      `sluice ${args.slice(0, 2).join(' ')}`,
      all(child)
        .replaceAll(`"${TYPED}"`, '')
        .replaceAll(TYPED, args[0] === 'write' ? '' : TYPED),
    );
  }
  const broken = [
    yaml(gateway).replace("password: '", "pasword: '"),
    yaml(gateway).replace(`'${INLINE}'`, `['${INLINE}']`),
    yaml(gateway).replace(`'${INLINE}'`, `{text: '${INLINE}'}`),
    yaml(gateway).replace(`'${INLINE}'`, `'${INLINE}`),
    yaml(gateway).replace(`url: 'mqtt://127`, `url: 'mqtt://clerk:${INLINE}@127`),
    yaml(gateway, `password: ${INLINE}\n`),
  ];
  for (const [i, text] of broken.entries()) {
    gateway.write(text);
    const refused = await sluice(t, 'check', gateway.config);
    assert.equal(refused.code, 78, `${i}: ${refused.stdout}`);
    show(`check of broken file ${i}`, refused.stdout + refused.stderr);
    show(`reload of broken file ${i}`, String(await request(gateway.socket, 'POST', '/api/v1/reload').catch((e) => e.message)));
  }

  await waitFor('the events upstream', () => upstream.messages.some(({ text }) => text.includes('"event":"access"')));
  await gateway.stop();
  show('log lines', JSON.stringify(gateway.logs()) + gateway.stderr.join('\n'));
  show('HTTPS', anna.seen.join('\n'));
  for (const { messages } of [local, upstream])
    show('messages', messages.map(({ topic, text }) => `${topic} ${text}`).join('\n'));
  // A password that stands in the configuration stands in the copies that ran well, which nobody but the owner may read.
  const isCopy = (where: string) => /\/config\/[^/]+\.yaml$/.test(where);
  for (const { where, text } of filesOf(gateway).filter((one) => isCopy(one.where))) {
    assert.equal(statSync(where).mode & 0o077, 0, where);
    assert.deepEqual(found([{ where, text }], new Set([...secrets].filter((one) => one !== INLINE))), []);
  }
  const files = filesOf(gateway).filter(({ where }) => !where.endsWith('own.pem') && !isCopy(where));
  assert.ok(files.some(({ where }) => where.endsWith('log.db')) && files.some(({ where }) => where.endsWith('broker.db')));
  assert.deepEqual(found([...shown, ...files], secrets), []);
  for (const one of secrets) assert.ok(one.length > 10, 'every secret is one');
  assert.ok(secrets.size >= 12);
  // The audit names what was asked for: without the value nobody could say what an operator wanted.
  const audited = gateway
    .logs()
    .find(({ point, result, value }) => point === 'pump.speed' && result === 'refused' && value === WRITTEN);
  assert.match(audited?.msg ?? '', /was not set to 4711/);
});
