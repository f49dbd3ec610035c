/** `sluice scan` beside servers that answer oddly: it never ends early, and what it suggests passes `check` and reads. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { climate, type OddRequest, oddServer } from '../../fakes/odd-server.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { makeGateway, sluice } from '../../harness/start-gateway.ts';
import { pythonPeer } from '../../peers/peers.ts';

interface Line {
  readonly type: 'line' | 'device' | 'warning' | 'done';
  readonly unit: number;
  readonly message: string;
  readonly suggestions: { profile: string }[];
  readonly found: number;
  readonly units: number;
  readonly unasked: number;
  readonly cancelled: boolean;
}

/** Asks these units, and holds the summary against them. */
async function scanned(t: TestContext, port: number, units: string, ...more: string[]) {
  const { code, stdout, stderr } = await sluice(t, 'scan', `127.0.0.1:${port}`, '--units', units, '--json', ...more);
  const lines = stdout.split('\n').map((line) => JSON.parse(line) as Line);
  const done = lines.at(-1);
  assert.equal(done?.type, 'done', stdout + stderr);
  const [first, last] = units.split('-').map(Number);
  assert.equal(done?.units, (last ?? first ?? 0) - (first ?? 0) + 1);
  assert.equal(done?.cancelled, false);
  const devices = lines.filter((line) => line.type === 'device');
  assert.equal(done?.found, devices.length);
  return { code, devices, done, warnings: lines.filter((line) => line.type === 'warning').map((line) => line.message) };
}

/** Writes the suggestion of a scan: it passes `check`, and the device is read. */
async function assertReads(t: TestContext, said: string, before = ''): Promise<void> {
  const folder = scratch(t, 'suggested');
  const file = path.join(folder, 'gateway.yaml');
  const lines = said.split('\n');
  const from = lines.findIndex((line) => line.startsWith('To read it, write'));
  assert.ok(from >= 0, said);
  const written = lines.slice(from + 1);
  writeFileSync(file, `gateway: {id: g1, stateDir: ${folder}/state}\n${before}${written.join('\n')}\n`);
  const checked = await sluice(t, 'check', file);
  assert.equal(checked.code, 0, `${readFileSync(file, 'utf8')}${checked.stdout}${checked.stderr}`);
  const name = /^ {2}([a-z0-9-]+): \{bus: /m.exec(written.join('\n'))?.[1] ?? '';
  const read = await sluice(t, 'read', name, '-c', file);
  assert.equal(read.code, 0, read.stdout + read.stderr);
  assert.match(read.stdout, /temperature +24\.3 °C/);
}

/** Unit 1 is an XY-MD02; what becomes of requests to the others. */
const odd =
  (others: (request: OddRequest) => void) =>
  (request: OddRequest): void =>
    request.unit === 1 ? climate(request) : others(request);

const SERVERS: Readonly<Record<string, { others: (request: OddRequest) => void; warns?: RegExp }>> = {
  'function 0x80 and "nobody there" (pymodbus)': { others: ({ reply }) => reply([0x80, 0x0b]) },
  'function 0x80 and another exception': {
    others: ({ reply }) => reply([0x80, 0x04]),
    warns: /^units 2 to 6: something answers .* function 0/,
  },
  'the name of another unit': {
    others: ({ reply }) => reply([0x83, 2], { unit: 1 }),
    warns: /^units 2 to 6: something answers as unit 1: ask that one/,
  },
  'transaction 0': { others: ({ reply }) => reply([0x83, 2], { transaction: 0 }), warns: /^units 2 to 6: .* transaction 0/ },
  'a length that is too long': {
    others: ({ reply }) => reply([3, 2, 0, 7], { length: 90 }),
    warns: /^units 2 to 6: .* length/,
  },
  'a length of 0': { others: ({ reply }) => reply([3, 2, 0, 7], { length: 0 }), warns: /^units 2 to 6: .* length/ },
  'another protocol': {
    others: ({ send }) => send(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')),
    warns: /^units 2 to 6: .* not Modbus/,
  },
  'the end of the connection': { others: ({ end }) => end() },
  'the answer to another function': { others: ({ reply }) => reply([0x10, 0, 0, 0, 1]), warns: /^units 2 to 6: .* function 16/ },
};

for (const [what, { others, warns }] of Object.entries(SERVERS))
  test(`a server that answers missing units with ${what}`, { timeout: 400_000 }, async (t) => {
    const server = await oddServer(t, odd(others));
    const { code, devices, warnings, done } = await scanned(t, server.port, '1-6');
    assert.deepEqual([code, done.unasked], [0, 0]);
    assert.deepEqual(
      devices.map(({ unit, suggestions }) => [unit, suggestions[0]?.profile]),
      [[1, 'xy-md02']],
    );
    assert.equal(warnings.length, warns === undefined ? 0 : 1, warnings.join('\n'));
    if (warns !== undefined) assert.match(warnings[0] ?? '', warns);
    for (let unit = 1; unit <= 6; unit++)
      assert.ok(
        server.requests.some((r) => r.unit === unit),
        `unit ${unit} was asked`,
      );
  });

test('a server that ends the connection after each reply: its profile is found, and reads', { timeout: 400_000 }, async (t) => {
  const server = await oddServer(t, (request) => {
    if (request.unit === 1) climate(request);
    request.end();
  });
  const { devices } = await scanned(t, server.port, '1-3');
  assert.deepEqual(
    devices.map(({ unit, suggestions }) => [unit, suggestions[0]?.profile]),
    [[1, 'xy-md02']],
  );
  const { stdout } = await sluice(t, 'scan', `127.0.0.1:${server.port}`, '--units', '1');
  await assertReads(t, stdout);
});

test('a server that gets every reply wrong: no device, and why, for all units at once', { timeout: 400_000 }, async (t) => {
  const server = await oddServer(t, ({ reply, unit }) => reply([3, 2, 0, unit], { transaction: 0 }));
  const { code, devices, warnings } = await scanned(t, server.port, '1-8');
  assert.deepEqual([code, devices], [1, []]);
  assert.deepEqual(warnings.length, 1, warnings.join('\n'));
  assert.match(warnings[0] ?? '', /^units 1 to 8: something answers .* transaction 0/);
  const { stdout } = await sluice(t, 'scan', `127.0.0.1:${server.port}`, '--units', '1-8');
  assert.match(stdout, /^0 devices found$/m);
});

test('a server that takes one client only: the second scan says so', { timeout: 400_000 }, async (t) => {
  const server = await oddServer(t, climate, (open) => open === 1);
  const gateway = makeGateway(
    t,
    ({ section }) => `${section}
buses: {lan: {protocol: modbus-tcp, host: 127.0.0.1, port: ${server.port}}}
devices: {a: {bus: lan, unit: 1, profile: xy-md02, interval: 100ms}}
`,
  );
  gateway.start();
  await gateway.waitForLog(/is open/);
  const { code, done, warnings } = await scanned(t, server.port, '1-4');
  assert.deepEqual([code, done.found], [1, 0]);
  assert.match(warnings.join('\n'), /the connection was closed .* a device with one connection does so/);
  assert.equal(done.unasked, 0);
});

test('a server that goes away in the middle, and does not come back: a summary all the same', { timeout: 400_000 }, async (t) => {
  const server = await oddServer(t, (request) => {
    if (request.unit === 3) server.close();
    else climate(request);
  });
  const { devices, done, warnings } = await scanned(t, server.port, '1-40');
  assert.deepEqual(
    devices.map(({ unit }) => unit),
    [1, 2],
  );
  assert.ok(done.unasked >= 37, `${done.unasked} not asked`);
  assert.match(warnings.join('\n'), /units 3 to 40 could not be asked: .*nothing listens there/);
});

test('through a running gateway, whose connection every odd reply closes, too', { timeout: 400_000 }, async (t) => {
  const server = await oddServer(
    t,
    odd(({ reply }) => reply([0x80, 0x04])),
  );
  const gateway = makeGateway(
    t,
    ({ section }) => `${section}
buses: {lan: {protocol: modbus-tcp, host: 127.0.0.1, port: ${server.port}}}
devices: {a: {bus: lan, unit: 1, profile: xy-md02, interval: 100ms}}
`,
  );
  gateway.start();
  await gateway.waitForLog(/is open/);
  const { code, stdout, stderr } = await sluice(t, 'scan', 'lan', '--units', '1-6', '-c', gateway.config);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /between the polls of the running gateway/);
  assert.match(stdout, /units 2 to 6: something answers to function 0 instead of 3/);
  assert.match(stdout, /^1 device found$/m);
});

test('what a scan of a port, an address or a bus suggests passes check and reads', {
  timeout: 400_000,
}, async (t) => {
  const server = await oddServer(
    t,
    odd(({ reply }) => reply([0x80, 0x0b])),
  );
  const { stdout } = await sluice(t, 'scan', `127.0.0.1:${server.port}`, '--units', '1-3');
  await assertReads(t, stdout);
  const bus = `{protocol: modbus-tcp, host: 127.0.0.1, port: ${server.port}}`;
  const gateway = makeGateway(t, () => `gateway: {id: g1}\nbuses: {lan: ${bus}}\ndevices: {}\n`);
  const known = await sluice(t, 'scan', 'lan', '--units', '1-3', '-c', gateway.config);
  await assertReads(t, known.stdout.replace(/under devices:\n/, 'under devices:\ndevices:\n'), `buses: {lan: ${bus}}\n`);
});

test('the units 0 and 248 to 254 are suggested only where a configuration can have them', { timeout: 400_000 }, async (t) => {
  const server = await oddServer(t, climate);
  const { stdout } = await sluice(t, 'scan', `127.0.0.1:${server.port}`, '--units', '250');
  assert.match(stdout, /unit 250 answers/);
  assert.doesNotMatch(stdout, /To read it/);
  const direct = await sluice(t, 'scan', `127.0.0.1:${server.port}`, '--units', '0');
  await assertReads(t, direct.stdout);
});

test('pymodbus as a foreign server, which answers missing units with function 0x80', { timeout: 400_000 }, async (t) => {
  const python = pythonPeer(t, 'pymodbus', 'apt-get install -y python3-pymodbus');
  if (python === undefined) return;
  const script = path.join(import.meta.dirname, '../../peers/pymodbus-server.py');
  const peer = startChild(t, python, [script, 'tcp', '--answer-missing'], { stdin: true });
  const port = Number((await peer.line(/^ready/)).split(' ')[1]);
  peer.write('input 1 243 451');
  await peer.line(/^done/);
  const { code, devices, done, warnings } = await scanned(t, port, '1-20');
  assert.deepEqual([code, done.unasked, devices.map(({ unit }) => unit), warnings], [0, 0, [1, 2], []]);
  const { stdout } = await sluice(t, 'scan', `127.0.0.1:${port}`, '--units', '1-3');
  assert.match(stdout, /says it is: Somebody Else/);
});
