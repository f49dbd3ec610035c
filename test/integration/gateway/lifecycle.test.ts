/**
 * The life of the daemon: it starts whatever is missing and takes up each thing as it comes, in any order; it stops
 * within its bound whatever hangs, with everything committed; it says in words why it does not start.
 */
// Takes minutes: it starts before the others.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { GatewayStatus, ReadyReport } from '../../../src/admin/target.ts';
import { fakeRtu, fakeTcp, registerOf } from '../../fakes/modbus-device.ts';
import { type Child, startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { Relay } from '../../harness/relay.ts';
import { scratch } from '../../harness/scratch.ts';
import { site } from '../../harness/site.ts';
import { Gateway, MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';
import { CountingDevice } from '../../peers/counting-device.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { cannot } from '../../peers/peers.ts';

const CUT = /took too long/;
const ready = (g: Gateway) => request(g.socket, 'GET', '/readyz') as Promise<ReadyReport>;

/** SIGTERM: status 0, within the bound (else the process says that it was cut), nothing on stderr. */
async function stopsCleanly(gateway: Gateway): Promise<void> {
  assert.equal(await gateway.stop(), 0, gateway.tail());
  const lines = gateway.logs().map((line) => line.msg);
  assert.equal(lines.at(-1), 'Stopped.', gateway.tail());
  assert.ok(!lines.some((line) => CUT.test(line)), gateway.tail());
  assert.deepEqual(gateway.stderr, []);
}

/** Occupies an address of this machine until the returned function is called. */
async function occupied(t: TestContext): Promise<{ port: number; free: () => Promise<void> }> {
  const server: Server = createServer((socket) => socket.destroy());
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const free = () => new Promise<void>((resolve) => void server.close(() => resolve()));
  t.after(free);
  return { port, free };
}

/** Values of a point in the log, in order, and how many of its readings failed: each lost a reply that came too late. */
const exported = async (t: TestContext, gateway: Gateway, point = 'n'): Promise<{ kept: unknown[]; late: number }> => {
  const { code, stdout, stderr } = await sluice(t, 'export', '-c', gateway.config, '--format', 'jsonl');
  assert.equal(code, 0, stderr);
  const records = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { values: Record<string, unknown>; bad?: Record<string, unknown> });
  const kept = records.flatMap(({ values }) => (values[point] === undefined ? [] : [values[point]]));
  return { kept, late: records.filter(({ bad }) => bad?.[point] !== undefined).length };
};

test('the gateway starts alone, says what is missing, and takes each thing up in any order', async (t) => {
  const device = await fakeTcp(t);
  const rtu = await fakeRtu(t, 19_200);
  const broker = await Mosquitto.create(t);
  if (rtu === undefined || broker === undefined) return;
  for (const order of [
    ['device', 'tty', 'upstream', 'broker', 'dashboard'],
    ['dashboard', 'broker', 'upstream', 'tty', 'device'],
  ]) {
    await broker.stop();
    const relay = await Relay.create(t, device.port);
    const [mqttPort, httpPort] = [await occupied(t), await occupied(t)];
    const gateway = makeGateway(
      t,
      (g) => `
${g.section}
buses:
  plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${relay.port}, timeout: 300ms}
  field: {protocol: modbus-rtu, port: ${g.folder}/tty, baudRate: 19200, timeout: 300ms}
devices:
  pump: {bus: plant, unit: 1, interval: 100ms, points: {a: {table: holding, address: 4, type: uint16}}}
  fridge: {bus: field, unit: 1, interval: 100ms, points: {b: {table: holding, address: 5, type: uint16}}}
buffer: {commitEvery: 200ms}
broker: {listen: {port: ${mqttPort.port}}}
dashboard: {listen: {port: ${httpPort.port}}}
forwarders:
  cloud: {type: mqtt, url: '${broker.url}', batch: {maxAge: 100ms}}
`,
    );
    await gateway.up();
    await waitFor('both buses and the forwarder to have tried', async () => {
      const s = await gateway.status();
      return s.buses.every((b) => b.fault !== undefined) && s.forwarders.every((f) => f.fault !== undefined);
    });
    const report = await ready(gateway);
    assert.equal(report.ready, false);
    assert.match(report.reasons.join('\n'), /bus plant is not open: .*127\.0\.0\.1/);
    assert.match(report.reasons.join('\n'), /bus field is not open: .*tty/);
    assert.match((await gateway.status()).forwarders[0]?.fault ?? '', /nothing listens there/);
    const came: Record<string, () => unknown> = {
      device: async () => {
        await relay.start();
        await waitFor('pump to answer', async () => (await gateway.status()).buses[0]?.devices[0]?.state === 'answering');
      },
      tty: async () => {
        symlinkSync(rtu.path, path.join(gateway.folder, 'tty'));
        await waitFor('fridge to answer', async () => (await gateway.status()).buses[1]?.devices[0]?.state === 'answering');
      },
      upstream: async () => {
        await broker.start();
        await waitFor('the forwarder', async () => (await gateway.status()).forwarders[0]?.state === 'connected');
      },
      broker: async () => {
        await mqttPort.free();
        await waitFor('the embedded broker', async () => (await gateway.status()).broker?.state === 'listening');
      },
      dashboard: async () => {
        await httpPort.free();
        await waitFor('HTTP', async () => (await fetch(`http://127.0.0.1:${httpPort.port}/healthz`)).ok);
      },
    };
    for (const what of order) await came[what]?.();
    assert.deepEqual(await ready(gateway), { ready: true, reasons: [] });
    await waitFor('deliveries', async () => ((await gateway.status()).forwarders[0]?.counters.readings ?? 0) > 10);
    await stopsCleanly(gateway);
    const { kept: values } = await exported(t, gateway, 'b');
    assert.ok(values.length > 0 && values.every((v) => v === registerOf(5)));
  }
});

test('an address in use is reported by an event and in the status, and so is its end', async (t) => {
  const [mqttPort, httpPort] = [await occupied(t), await occupied(t)];
  const s = await site(t, {
    device: fakeTcp,
    upstream: { topics: ['sluice/g1/event'] },
    more: `broker: {listen: {port: ${mqttPort.port}}}\ndashboard: {listen: {port: ${httpPort.port}}}`,
  });
  if (s === undefined) return;
  const { subscriber, gateway } = s;
  await gateway.up();
  const told = () =>
    subscriber
      .messages()
      .map(
        (m) =>
          JSON.parse(m.payload) as {
            event: string;
            severity: string;
            data: { part: string; listening: boolean; fault?: string };
          },
      )
      .filter((e) => e.event === 'listen')
      .map(
        ({ severity, data }) =>
          `${severity} ${data.part} ${data.listening} ${data.fault?.includes('another program listens on') ?? ''}`,
      )
      .sort();
  const begun = ['warning broker false true', 'warning dashboard false true'];
  await waitFor(
    () => `both faults as events: ${told()}`,
    () => told().length === 2,
  );
  assert.deepEqual(told(), begun);
  const { http } = await gateway.status();
  assert.equal(http?.state, 'waiting');
  assert.match(http?.fault ?? '', /another program listens on .* dashboard\.listen/);
  const page = await sluice(t, 'status', '--socket', gateway.socket);
  assert.match(page.stdout, /HTTP of the gateway\n +another program listens/);
  await httpPort.free();
  await mqttPort.free();
  await waitFor('both ends as events', () => told().length === 4);
  assert.deepEqual(told(), ['info broker true ', 'info dashboard true ', ...begun]);
  assert.equal((await gateway.status()).http?.state, 'listening');
  await stopsCleanly(gateway);
});

for (const upstream of ['up', 'down', 'silent from the start', 'silent after a while'] as const)
  test(`SIGTERM with the upstream ${upstream}: status 0 in time, all committed`, async (t) => {
    const device = await CountingDevice.start(t, [1]);
    const broker = await Mosquitto.start(t);
    if (device === undefined || broker === undefined) return;
    const subscriber = await Subscriber.start(t, broker.port, ['sluice/#']);
    if (subscriber === undefined) return;
    const relay = await Relay.create(t, broker.port);
    relay.mute = upstream === 'silent from the start';
    if (upstream !== 'down') await relay.start();
    const gateway = makeGateway(
      t,
      (g) => `
${g.section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, retries: 0}}
devices: {d1: {bus: plant, unit: 1, interval: 20ms, points: {n: {table: holding, address: 0, type: uint32}}}}
buffer: {commitEvery: 1h}
forwarders: {cloud: {type: mqtt, url: '${relay.url}', batch: {maxAge: 1h, maxReadings: 10000}}}
`,
    );
    await gateway.up();
    await waitFor('answers', () => device.answers().length > 50);
    if (upstream === 'silent from the start') await waitFor('a connection', () => relay.connections > 0);
    if (upstream === 'silent after a while') {
      await waitFor('the forwarder', async () => (await gateway.status()).forwarders[0]?.state === 'connected');
      // The broker stands still as one on a machine that ran out of memory: connections stay, nothing is answered.
      broker.signal('SIGSTOP');
      t.after(() => broker.signal('SIGCONT'));
    }
    await stopsCleanly(gateway);
    const answers = device.answers().map((a) => a.value);
    const { kept, late } = await exported(t, gateway);
    // The request on the wire at the stop may have lost its answer; all others are kept, each once and in order.
    const lost = answers.filter((value) => !kept.includes(value));
    assert.deepEqual(
      kept,
      answers.filter((value) => !lost.includes(value)),
    );
    t.diagnostic(`${kept.length} of ${answers.length} kept, ${late} late`);
    assert.ok(lost.filter((value) => value < Number(kept.at(-1))).length <= late, `${lost} with ${late} that came too late`);
    assert.ok(lost.length <= late + 1, `${lost} with ${late} that came too late`);
    if (upstream !== 'up') return;
    const consumer = new Consumer().feedAll(subscriber.messages());
    assert.deepEqual(
      consumer.records().flatMap((r) => (r.values.n === undefined ? [] : [r.values.n])),
      kept,
      'a broker that answers has acknowledged everything',
    );
  });

test('SIGTERM while the device hangs as well: status 0 within its bound, everything committed', async (t) => {
  const device = await fakeTcp(t);
  const relay = await Relay.create(t, 1);
  relay.mute = true;
  await relay.start();
  const gateway = makeGateway(
    t,
    (g) => `
${g.section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, timeout: 10s, retries: 0}}
devices: {d1: {bus: plant, unit: 1, interval: 20ms, points: {n: {table: holding, address: 3, type: uint16}}}}
buffer: {commitEvery: 1h}
broker: {listen: {port: 0}}
forwarders: {cloud: {type: mqtt, url: '${relay.url}'}}
`,
  );
  await gateway.up();
  await waitFor('answers', () => device.requests.length > 20);
  device.script = () => {};
  const asked = device.requests.length;
  await waitFor('a request that gets no answer', () => device.requests.length > asked);
  const tail = startChild(t, process.execPath, [MAIN, 'tail', '-c', gateway.config]);
  await stopsCleanly(gateway);
  const { kept, late } = await exported(t, gateway);
  assert.ok(kept.length + late >= asked - 1, `${kept.length} kept and ${late} late of ${asked}`);
  await tail.ended;
});

test('a second gateway on the same state directory is refused in words, and disturbs nothing', async (t) => {
  const s = await site(t, { device: fakeTcp });
  assert.ok(s);
  const { device, gateway } = s;
  await gateway.up();
  const connections = device.connections;
  const second = await sluice(t, 'run', '-c', gateway.config);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /a gateway is running with this state directory .* stop it first: .*, kill \d+/);
  assert.equal(device.connections, connections, 'the second one touched no device');
  assert.equal((await ready(gateway)).ready, true);
  // After a kill the socket is left behind. Exactly one of several that start at once takes the place.
  await gateway.kill();
  const rivals = [1, 2, 3].map(() => startChild(t, process.execPath, [MAIN, 'run', '-c', gateway.config]));
  const isUp = (c: Child) => c.stdout.some((line) => line.includes('The gateway is running'));
  await waitFor('each to run or to end', () => rivals.every((c) => isUp(c) || c.over !== undefined));
  assert.equal(rivals.filter((c) => c.over === undefined).length, 1, rivals.map((c) => c.stderr.join('\n')).join('\n--\n'));
  for (const rival of rivals) if (rival.over !== undefined) assert.equal(rival.over, 1);
});

test('a state directory that cannot be used is refused in words', async (t) => {
  const folder = scratch(t, 'state');
  writeFileSync(path.join(folder, 'file'), 'x');
  mkdirSync(path.join(folder, 'taken'));
  mkdirSync(path.join(folder, 'taken', 'sluice.sock'));
  // A disk that is not mounted.
  symlinkSync(path.join(folder, 'usb'), path.join(folder, 'gone'));
  for (const [stateDir, words] of [
    [path.join(folder, 'file'), /stateDir .*file cannot be used: .*chown/],
    [path.join(folder, 'gone', 'state'), /stateDir .*gone\/state cannot be used: /],
    // A file system that takes no folders, and says that the one above is missing.
    ['/proc/nope/state', /stateDir .*nope\/state cannot be used: /],
    [path.join(folder, 'taken'), /sluice\.sock is in the way and is not a socket; remove it/],
    [path.join(folder, 'x'.repeat(120)), /choose a shorter gateway\.stateDir/],
  ] as const) {
    const file = path.join(folder, 'gateway.yaml');
    writeFileSync(file, `gateway: {id: g1, stateDir: ${stateDir}}\n`);
    const { code, stdout, stderr } = await sluice(t, 'run', '-c', file);
    assert.equal(code, 1, stderr);
    assert.match(stderr, words);
    assert.equal(stdout, '');
    assert.equal(stderr.split('\n').length, 1, 'one sentence, no stack');
  }
});

test('a stop at any moment of the start ends the process, and the next start works', async (t) => {
  const nobody = await freePort();
  const more = `forwarders: {cloud: {type: mqtt, url: 'mqtt://127.0.0.1:${nobody}'}}`;
  const s = await site(t, { device: fakeTcp, broker: true, more });
  assert.ok(s);
  const { gateway } = s;
  for (let i = 0; i < 12; i++) {
    gateway.start();
    // Spread over the start, from before the first line of the program to after the last of the start.
    await new Promise((resolve) => setTimeout(resolve, i * 50));
    gateway.signal('SIGHUP');
    const how = await gateway.stop();
    // Before Node runs our first line the signal has its default effect.
    assert.ok(how === 0 || how === 'SIGTERM' || how === 'SIGHUP', `${how}\n${gateway.tail()}`);
  }
  await gateway.up();
  await waitFor('a reading', async () => (await gateway.status()).log.appended > 0);
  // Twice is not harder than once: the stop is bounded anyhow, and cutting it would lose the commit.
  gateway.signal('SIGTERM');
  gateway.signal('SIGINT');
  gateway.signal('SIGTERM');
  await stopsCleanly(gateway);
});

test('the log on stdout is JSON lines; a refused configuration is whole on stderr, status 78', async (t) => {
  const devices = '  d1: {bus: plant, unit: 1, interval: 20ms, points: {n: {table: holding, address: 3, type: uint16}}}';
  const s = await site(t, { device: fakeTcp, devices, rules: '  high: {point: d1.n, above: 1}' });
  assert.ok(s);
  const { gateway } = s;
  const out = path.join(gateway.folder, 'out.txt');
  const child = startChild(t, '/bin/sh', ['-c', `exec "${process.execPath}" "${MAIN}" run -c "${gateway.config}" > "${out}"`]);
  await waitFor('an alarm', () => readFileSync(out, 'utf8').includes('"rule":"high"'));
  assert.equal(await child.stop(), 0);
  for (const line of readFileSync(out, 'utf8').trimEnd().split('\n')) {
    const parsed = JSON.parse(line) as Record<string, unknown>;
    assert.equal(typeof parsed.level, 'number');
    assert.equal(typeof parsed.time, 'number');
    assert.match(String(parsed.msg), /\w{3}/);
  }
  assert.deepEqual(child.stderr, []);

  // With the state of before, the gateway would run with the last configuration that ran well.
  rmSync(gateway.stateDir, { recursive: true });
  gateway.write(`
gateway: {id: 'G 1', stateDir: ${gateway.stateDir}, colour: red}
buses: {plant: {protocol: modbus-tpc, host: 127.0.0.1}}
devices: {d1: {bus: plan, unit: 1, interval: 20, points: {n: {table: holding, address: -3, type: uint17}}}}
rules: {high: {point: d1.m, abov: 1}}
`);
  const refused = await sluice(t, 'run', '-c', gateway.config);
  assert.equal(refused.code, 78);
  assert.equal(refused.stdout, '');
  const faults = refused.stderr.split('\n').filter((line) => /gateway\.yaml:\d+:\d+: ./.test(line));
  for (const word of ['colour', 'modbus-tpc', 'plan', 'abov'])
    assert.ok(
      faults.some((f) => f.includes(word)),
      refused.stderr,
    );
});

test('commands against a gateway that runs and against one that does not', async (t) => {
  const device = await fakeTcp(t);
  const folder = scratch(t, 'site');
  const init = await sluice(t, 'init', path.join(folder, 'site'));
  assert.equal(init.code, 0, init.stderr);
  const starter = path.join(folder, 'site', 'gateway.yaml');
  assert.equal((await sluice(t, 'check', starter)).code, 0);
  const unmade = await sluice(t, 'init', '/proc/nope');
  assert.equal(unmade.code, 1);
  assert.match(unmade.stderr, /\/proc\/nope cannot be made: .*name another folder/);
  const again = await sluice(t, 'init', path.join(folder, 'site'));
  assert.equal(again.code, 2);
  assert.match(again.stderr, /exists already/);

  const gateway = makeGateway(
    t,
    (g) => `
gateway: {id: g1, name: "Pump\\u001b[31m house", stateDir: ${g.stateDir}, runtimeDir: ${g.runtimeDir}}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {d1: {bus: plant, unit: 1, interval: 50ms, points: {n: {table: holding, address: 3, type: uint16, unit: bar}, m: {table: holding, address: 4, type: uint16}, e: {table: holding, address: 5, type: uint64, scale: 0.5}}}}
rules: {high: {point: d1.n, above: 1}, energy: {point: d1.e, above: 0}}
buffer: {commitEvery: 100ms}
`,
  );
  const c = ['-c', gateway.config];
  for (const command of [
    ['status', ...c],
    ['status', '--json', ...c],
    ['tail', ...c],
  ]) {
    const { code, stdout, stderr } = await sluice(t, ...command);
    assert.equal(code, 1, command.join(' '));
    assert.match(stderr, /^sluice: no gateway is running here: .*Start it with "sluice run"/, command.join(' '));
    assert.equal(stdout, '');
  }
  // Reading needs no gateway: the wire is free.
  const alone = await sluice(t, 'read', 'd1.n', ...c);
  assert.equal(alone.code, 0, alone.stderr);
  const early = await sluice(t, 'export', ...c);
  assert.equal(early.code, 1);
  assert.match(early.stderr, /there is no log at .*has the gateway run/);
  const nowhere = await sluice(t, 'status', '-c', path.join(folder, 'none.yaml'));
  assert.equal(nowhere.code, 78);
  assert.match(nowhere.stderr, /none\.yaml/);

  await gateway.up();
  await waitFor('readings', async () => (await gateway.status()).log.appended > 4);
  const text = await sluice(t, 'status', ...c);
  assert.equal(text.code, 0, text.stderr);
  assert.match(text.stdout, /^ {2}d1 +answering/m);
  assert.match(text.stdout, /ALARM +high/);
  assert.ok(!text.stdout.includes('\u001b'), 'neither colours nor what a name brings reach a pipe');
  const json = JSON.parse((await sluice(t, 'status', '--json', ...c)).stdout) as GatewayStatus;
  assert.equal(json.gateway.id, 'g1');
  const read = await sluice(t, 'read', 'd1.n', '--json', ...c);
  assert.equal(read.code, 0, read.stderr);
  assert.deepEqual(
    (JSON.parse(read.stdout) as { readings: { point: string; value: number }[] }).readings.map((r) => [r.point, r.value]),
    [['n', registerOf(3)]],
  );
  // Also a scaled one: what others would round is a text everywhere.
  const energy = await sluice(t, 'read', 'd1.e', '--json', ...c);
  assert.equal(typeof (JSON.parse(energy.stdout) as { readings: { value: unknown }[] }).readings[0]?.value, 'string');
  assert.equal(typeof json.alarms.find((a) => a.rule === 'energy')?.value, 'string');
  for (const [target, words] of [
    ['d2', /no device d2; the devices are: d1/],
    ['d1.x', /no point x; it has: n, m, e/],
  ] as const) {
    const wrong = await sluice(t, 'read', target, ...c);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, words);
  }
  const tail = startChild(t, process.execPath, [MAIN, 'tail', '--json', ...c]);
  await waitFor('ten lines of tail', () => tail.stdout.length >= 10);
  for (const line of tail.stdout) assert.equal((JSON.parse(line) as { type: string }).type, 'reading');
  const csv = await sluice(t, 'export', '--from', '1h', ...c);
  assert.equal(csv.code, 0, csv.stderr);
  assert.ok(csv.stdout.split('\n').length > 3);
  const bySocket = await sluice(t, 'export', '--points', 'd1.n', '--socket', gateway.socket);
  assert.equal(bySocket.code, 0, bySocket.stderr);
  assert.match(bySocket.stdout, /,d1,n,/);
  const unknown = async () => {
    const { code, stdout, stderr } = await sluice(t, 'export', '--points', 'd1,nobody,d1.x', ...c);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /no readings of nobody, d1\.x: write a device or device\.point/);
  };
  await unknown();
  const never = await sluice(t, 'export', '--from', 'yesterday', ...c);
  assert.equal(never.code, 2);
  assert.match(never.stderr, /"yesterday" is not a time/);
  device.script = () => {};
  const silent = await sluice(t, 'read', 'd1', ...c);
  assert.equal(silent.code, 1);
  assert.notEqual(`${silent.stdout}${silent.stderr}`, '');
  await stopsCleanly(gateway);
  assert.equal(await tail.ended, 0, tail.stderr.join('\n'));
  await unknown();
  const gone = await sluice(t, 'export', '--socket', gateway.socket);
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /no gateway is running here/);
});

test('a command that needs a gateway and was not told which asks for it', async (t) => {
  if (existsSync('/etc/sluice')) return cannot(t, 'be without a configuration: /etc/sluice is there');
  for (const command of [['status'], ['tail'], ['read', 'fridge'], ['export']]) {
    const { code, stderr } = await sluice(t, ...command);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /no \/etc\/sluice\/gateway\.yaml; .*-c FILE.*--socket PATH/);
  }
});

test('the state directory is made below missing folders, and nobody else may look into it', async (t) => {
  const gateway = new Gateway(scratch(t, 'gateway'));
  t.after(() => gateway.kill());
  gateway.write(`gateway: {id: g1, stateDir: deep/er/state, runtimeDir: ${gateway.runtimeDir}}\n`);
  await gateway.up();
  const dir = path.join(gateway.folder, 'deep/er/state');
  assert.equal(statSync(dir).mode & 0o007, 0);
  assert.equal(statSync(path.join(dir, 'sluice.sock')).mode & 0o007, 0);
  assert.equal(await gateway.stop(), 0);
});

test('a dozen forwarders: all connect, and nothing is grumbled about', async (t) => {
  const broker = await Mosquitto.start(t);
  if (broker === undefined) return;
  const relays = await Promise.all(Array.from({ length: 12 }, () => Relay.start(t, broker.port)));
  const gateway = makeGateway(
    t,
    (g) => `
${g.section}
forwarders:
${relays.map((relay, i) => `  f${i}: {type: mqtt, url: '${relay.url}'}`).join('\n')}
`,
  );
  gateway.start();
  await waitFor('all to be connected', async () => (await gateway.status()).forwarders.every((f) => f.state === 'connected'));
  await stopsCleanly(gateway);
});
