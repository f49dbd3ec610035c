/**
 * Secrets over the doors of the embedded broker and to the upstream broker: passwords of people, secrets of devices and tokens,
 * right and wrong ones, and the password of the forwarder. None of them is in a log line, a file, a message, an answer or a capture.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { request, stream } from '../../../src/admin/client.ts';
import { startChild } from '../../harness/child.ts';
import { Raw, remaining, Sub, text } from '../../harness/embedded-broker.ts';
import { scratch } from '../../harness/scratch.ts';
import { type Gateway, MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';
import { findProgram } from '../../peers/peers.ts';

const PERSON = 'planted-7731-of-anna';
const UPSTREAM = 'planted-7732-upstream';
const WRONG = 'planted-7733-wrong';

/** Mosquitto that takes the user `gate` with the password UPSTREAM alone. */
async function upstream(t: TestContext): Promise<Mosquitto | undefined> {
  const program = findProgram('mosquitto_passwd');
  const file = path.join(scratch(t, 'upstream'), 'passwords');
  if (program !== undefined) {
    writeFileSync(file, '', { mode: 0o600 });
    execFileSync(program, ['-b', file, 'gate', UPSTREAM], { stdio: 'ignore' });
  }
  return Mosquitto.start(t, { extra: ['allow_anonymous false', `password_file ${file}`] });
}

function files(folder: string): (readonly [name: string, bytes: string])[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).flatMap((name) => {
    try {
      return [[path.join(folder, name), readFileSync(path.join(folder, name), 'latin1')] as const];
    } catch {
      return [];
    }
  });
}

/** As it is, and in the forms in which a dump or a payload would have it. */
function forms(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [secret, bytes.toString('hex'), bytes.toString('base64').slice(0, -4), encodeURIComponent(secret)];
}

async function tail(gateway: Gateway, lines: string[]): Promise<void> {
  try {
    for await (const item of stream(gateway.socket, '/api/v1/tail')) lines.push(JSON.stringify(item));
  } catch {
    // The gateway ended.
  }
}

test('no secret of a client or of the upstream broker is where it does not belong', { timeout: 400_000 }, async (t) => {
  const cloud = await upstream(t);
  if (cloud === undefined) return;
  const secrets = scratch(t, 'secrets');
  const password = path.join(secrets, 'password');
  const config = (g: Gateway, user: string) =>
    [
      `${g.section}`,
      'broker: {listen: {port: 0}}',
      'buses: {radio: {protocol: mqtt}}',
      'devices: {plug: {bus: radio, topic: plug/state, points: {power: {unit: W}}}}',
      `forwarders: {cloud: {type: mqtt, url: 'mqtt://127.0.0.1:${cloud.port}', username: ${user}, password: {file: ${password}}}}`,
      '',
    ].join('\n');
  writeFileSync(password, WRONG, { mode: 0o600 });
  const gateway = makeGateway(t, (g) => config(g, 'gate'));
  await gateway.up();
  const port = await gateway.brokerPort();
  const ask = (where: string, body: object) => request(gateway.socket, 'POST', where, body);
  await ask('/api/v1/users/add', { name: 'anna', role: 'administrator', password: PERSON });
  const device = { name: 'plug', device: true, publish: ['plug/#'], subscribe: ['plug/#'] };
  const { password: plug } = (await ask('/api/v1/users/add', device)) as { password: string };
  const { token } = (await ask('/api/v1/tokens/add', { name: 'flows', role: 'viewer', lasts: 3_600_000 })) as { token: string };
  const outside: string[] = [];
  void tail(gateway, outside);
  const as = ['-u', 'anna', '-P', PERSON, '-q', '1'];
  const sub = await Sub.start(t, port, [...as, '-i', 'reader', '-c', '-t', '#', '-t', '$SYS/#']);
  if (sub === undefined) return;
  const capture = startChild(t, process.execPath, [MAIN, 'capture', 'radio', '-c', gateway.config]);

  const answers: Buffer[] = [];
  const connect = async (user: string, secret: string, id: string): Promise<Raw> => {
    const raw = await Raw.open(t, port);
    await raw.connect(id, 0xc0, [text(user), text(secret)]);
    return raw;
  };
  // Wrong ones of every kind of account, an unknown account, and a secret that belongs to somebody else.
  for (const [user, secret] of [
    ['anna', WRONG],
    ['plug', WRONG],
    ['flows', WRONG],
    ['nobody', WRONG],
    ['anna', plug],
    ['plug', token],
    ['flows', PERSON],
  ] as const) {
    const raw = await connect(user, secret, 'wrong');
    await waitFor('the refusal', () => raw.closed);
    answers.push(raw.bytes);
  }
  // Packets that break a rule behind, or with, a secret.
  const broken = await Raw.open(t, port);
  const body = Buffer.concat([text('MQTT'), Buffer.from([4, 0xc3, 0, 0]), text('x'), text('anna'), text(PERSON)]);
  broken.send(0x10, remaining(body.length), body);
  await waitFor('the end', () => broken.closed);
  answers.push(broken.bytes);
  for (const [user, secret] of [
    ['plug', plug],
    ['flows', token],
    ['anna', PERSON],
  ] as const) {
    const raw = await connect(user, secret, `right-${user}`);
    assert.equal(raw.bytes[3], 0, user);
    raw.subscribe(['plug/#'], 1);
    await waitFor('the SUBACK', () => raw.bytes.length > 8);
    // A second CONNECT ends the connection (MQTT-3.1.0-2).
    const again = Buffer.concat([text('MQTT'), Buffer.from([4, 0xc0, 0, 0]), text('x'), text(user), text(secret)]);
    raw.send(0x10, remaining(again.length), again);
    await waitFor('the end', () => raw.closed);
    answers.push(raw.bytes);
  }
  // What a session keeps goes to broker.db.
  const publisher = await connect('plug', plug, 'publisher');
  // Again and again: the capture says nothing when it begins.
  for (let id = 7; !capture.stdout.some((line) => line.includes('plug/state')); id++) {
    publisher.packet(0x33, text('plug/state'), Buffer.from([0, id]), Buffer.from('{"power":7}'));
    await waitFor('the PUBACK', () => publisher.bytes.includes(Buffer.from([0x40, 2, 0, id])));
    await sleep(500);
  }
  await sub.message('plug/state');
  await sub.message('$SYS/broker/clients/connected');

  const refused = async () => (await gateway.status()).forwarders.find(({ name }) => name === 'cloud')?.fault;
  await waitFor('the refusal of the upstream broker', refused);
  assert.match((await refused()) ?? '', /user|authori/);
  const verbose = await sluice(t, 'status', '--verbose', '--socket', gateway.socket);
  writeFileSync(password, UPSTREAM, { mode: 0o600 });
  // Another client id: a changed forwarder connects anew.
  await gateway.reload(config(gateway, "gate, clientId: 'again'"));
  await waitFor(
    'the upstream broker',
    async () => (await gateway.status()).forwarders.find(({ name }) => name === 'cloud')?.state === 'connected',
  );
  outside.push(verbose.stdout, verbose.stderr, JSON.stringify(await gateway.status()));
  outside.push((await sluice(t, 'check', gateway.config)).stdout, ...capture.stdout, ...capture.stderr);
  outside.push(JSON.stringify(sub.messages()), ...answers.map((bytes) => bytes.toString('latin1')));
  outside.push(JSON.stringify(await request(gateway.socket, 'GET', '/api/v1/users')));
  await gateway.kill();
  outside.push(...gateway.logs().map((line) => JSON.stringify(line)), ...gateway.stderr);
  const kept = [...files(gateway.stateDir), ...files(gateway.runtimeDir)];
  assert.ok(kept.some(([name]) => name.endsWith('broker.db')) && kept.some(([name]) => name.endsWith('log.db')));
  // The search finds what is there.
  assert.ok(kept.some(([, bytes]) => bytes.includes('{"power":7}')) && outside.some((words) => words.includes('"anna"')));
  for (const [what, secret] of Object.entries({ PERSON, plug, token, WRONG, UPSTREAM }))
    for (const form of forms(secret)) {
      for (const words of outside) assert.ok(!words.includes(form), `${what} is in ${words.slice(0, 300)}`);
      for (const [name, bytes] of kept) assert.ok(!bytes.includes(form), `${what} is in ${name}`);
    }
});
