/**
 * Bad input of every kind, through the real program: a clear error each, the process stays up, nothing that is wrong
 * is told as good, and nothing is lost on its way upstream.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { request, text } from '../../../src/admin/client.ts';
import { seeded } from '../../../src/core/seeded.ts';
import {
  type FakeReply,
  type FakeRequest,
  fakeRtu,
  fakeTcp,
  registerOf,
  rightPdu,
  withCrc,
  withMbap,
} from '../../fakes/modbus-device.ts';
import { startChild } from '../../harness/child.ts';
import { site } from '../../harness/site.ts';
import { type Gateway, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { peer } from '../../peers/peers.ts';

const peers = path.join(import.meta.dirname, '../../peers');
const SEED = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Highest resident memory of a process so far, MB. */
function peak(pid: number): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) / 1024;
}

interface Exported {
  readonly seq: number;
  readonly device: string;
  readonly values: Record<string, unknown>;
}

/** Stops the gateway, and holds what its log has against what arrived upstream. */
async function nothingLost(t: TestContext, gateway: Gateway, subscriber: Subscriber): Promise<void> {
  assert.equal(await gateway.stop(), 0, gateway.tail());
  const { stdout } = await sluice(t, 'export', '-c', gateway.config, '--format', 'jsonl');
  const kept = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Exported);
  const consumed = () => new Consumer().feedAll(subscriber.messages());
  await waitFor('everything upstream', () => consumed().records().length >= kept.length);
  const consumer = consumed();
  assert.deepEqual(consumer.judge(), []);
  const arrived = new Map(consumer.records().map((r) => [r.seq, r.values]));
  assert.equal(arrived.size, kept.length);
  for (const record of kept) assert.deepEqual(arrived.get(record.seq), record.values);
  assert.ok(!gateway.stderr.some((line) => /Warning|Unhandled/.test(line)), gateway.stderr.join('\n'));
}

const GOOD = `gateway: {id: g1}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: 1502}}
devices: {d1: {bus: plant, unit: 1, interval: 1s, points: {n: {table: holding, address: 0, type: uint16}}}}
rules: {high: {point: d1.n, above: 5}}
buffer: {maxSize: 64MB}
forwarders: {cloud: {type: mqtt, url: 'mqtt://127.0.0.1:1'}}
`;

test('sixteen kinds of broken configuration: status 78, and for each its place and what to do', async (t) => {
  const gateway = makeGateway(t, () => GOOD);
  const broken: [string, string | Uint8Array, RegExp][] = [
    ['a tab', GOOD.replace('buses:', '\tbuses:'), /tab/i],
    ['an open bracket', GOOD.replace('}}}}', '}}}'), /:\d+:\d+: /],
    ['an unknown key', GOOD.replace('rules:', 'ruels:'), /rules/],
    ['an unknown protocol', GOOD.replace('modbus-tcp', 'modbus-tpc'), /modbus-tcp/],
    ['an unknown bus', GOOD.replace('bus: plant', 'bus: plnt'), /plant/],
    ['an unknown type', GOOD.replace('uint16', 'unit16'), /uint16/],
    ['a duration without a unit', GOOD.replace('interval: 1s', 'interval: 1'), /1s|10s|duration/],
    ['a size without a unit', GOOD.replace('64MB', '64'), /MB/],
    ['a unit out of range', GOOD.replace('unit: 1', 'unit: 300'), /247|255/],
    ['an address out of range', GOOD.replace('address: 0', 'address: 70000'), /65535/],
    ['a rule on no point', GOOD.replace('d1.n', 'd1.x'), /d1\.n|point/],
    ['a rule of two kinds', GOOD.replace('above: 5', 'above: 5, below: 1'), /one|above|below/],
    ['a name in capitals', GOOD.replace('id: g1', 'id: G1'), /small letters/],
    ['a broker without mqtt://', GOOD.replace('mqtt://', 'http://'), /mqtt:\/\//],
    [
      'a secret that is not there',
      GOOD.replace("1'}", "1', password: {env: SLUICE_NOT_SET_ANYWHERE}}"),
      /SLUICE_NOT_SET_ANYWHERE/,
    ],
    ['binary garbage', Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) & 0xff)), /UTF-|NUL|text/],
  ];
  for (const [what, content, words] of broken) {
    writeFileSync(gateway.config, content);
    const run = await sluice(t, 'run', '-c', gateway.config);
    assert.equal(run.code, 78, `${what}: ${run.stderr}`);
    const faults = run.stderr.split('\n').filter((line) => /gateway\.yaml:\d+:\d+: \S/.test(line));
    assert.ok(
      faults.some((line) => words.test(line)),
      `${what}: ${run.stderr}`,
    );
    assert.ok(!/at .*\.ts:\d+/.test(run.stderr), `no stack: ${run.stderr}`);
  }
  writeFileSync(gateway.config, GOOD);
  assert.equal((await sluice(t, 'check', gateway.config)).code, 0, 'it was valid before each was broken');
});

test('files that would cost the parser all memory are refused while the gateway runs on', async (t) => {
  const s = await site(t, { device: fakeTcp });
  assert.ok(s);
  const { device, gateway } = s;
  await gateway.up();
  await waitFor('readings', () => device.requests.length > 10);
  const MB = 1024 * 1024 - 1000;
  const refusal = async (what: string, more: string): Promise<void> => {
    gateway.write(`${s.yaml()}${more}`);
    const refused: unknown = await request(gateway.socket, 'POST', '/api/v1/reload').then(
      () => undefined,
      (error: Error) => error.message,
    );
    assert.match(String(refused), /gateway\.yaml:\d+:\d+: \S/, what);
    const asked = device.requests.length;
    await waitFor(`readings after ${what}`, () => device.requests.length > asked);
  };
  // What a first refusal loads is no memory of a file.
  await refusal('an unknown key', 'colour: red\n');
  const before = peak(gateway.pid);
  const huge: [string, string][] = [
    ['20 MB', '# nothing\n'.repeat(2_000_000)],
    ['a flow', `x: [${'1,'.repeat(MB / 2)}1]\n`],
    ['a list', `x:\n${'- 1\n'.repeat(MB / 4)}`],
    ['empty lists', `x: [${'[],'.repeat(MB / 3)}[]]\n`],
    ['depth', '['.repeat(MB)],
    ['keys', Array.from({ length: MB / 10 }, (_, i) => `k${i}: 1\n`).join('')],
    ['comments', '#\n'.repeat(MB / 2)],
    [
      'aliases',
      `a: &a [1,1,1,1,1,1,1,1,1]\n${Array.from({ length: 9 }, (_, i) => `${'bcdefghij'[i]}: &${'bcdefghij'[i]} [${`*${'abcdefghi'[i]},`.repeat(9)}1]\n`).join('')}`,
    ],
    ['just below the bound', `x: [${'1,'.repeat(39_000)}1]\n`],
  ];
  for (const [what, more] of huge) {
    await refusal(what, more);
    if (what === '20 MB') assert.ok(peak(gateway.pid) - before < 15, `20 MB were read: ${before} and ${peak(gateway.pid)} MB`);
  }
  assert.equal(gateway.over, undefined);
  assert.equal(await gateway.stop(), 0);
});

test('truncated, corrupted, late and foreign Modbus TCP replies: no wrong value upstream', async (t) => {
  t.diagnostic(`seed ${SEED}`);
  const of01 = seeded(SEED);
  const random = (below: number) => Math.floor(of01() * below);
  const corrupt: ((q: FakeRequest, r: FakeReply) => void)[] = [
    (q, r) => r.send(withMbap(rightPdu(q).subarray(0, 3 + random(q.count * 2)), q.transaction)),
    (q, r) => r.send(withMbap(rightPdu(q), q.transaction).subarray(0, random(9 + q.count * 2))),
    (q, r) => r.send(withMbap(rightPdu({ ...q, unit: q.unit + 1 }), q.transaction)),
    (q, r) => r.send(withMbap(rightPdu({ ...q, code: 4 }), q.transaction)),
    (q, r) => r.send(withMbap(rightPdu({ ...q, start: q.start + 50 }), (q.transaction + 1) & 0xffff)),
    (q, r) => r.send(withMbap(rightPdu({ ...q, start: q.start + 50, count: q.count + 1 }), q.transaction)),
    (q, r) => r.send(withMbap(rightPdu(q), q.transaction, { length: random(65_536) })),
    (q, r) => r.send(withMbap(rightPdu(q), q.transaction, { protocol: 1 + random(65_000) })),
    (q, r) => r.send(withMbap(Uint8Array.of(q.unit, q.code | 0x80, random(256)), q.transaction)),
    (_, r) => r.send(Buffer.from(Array.from({ length: 1 + random(600) }, () => random(256)))),
    (_, r) => r.drop(),
    () => {},
    (q, r) => void setTimeout(() => r.send(withMbap(rightPdu({ ...q, start: q.start + 50 }), q.transaction)), 150 + random(300)),
  ];
  const device = await fakeTcp(t);
  const right = device.script;
  device.script = (q, r) => (random(3) === 0 ? corrupt[random(corrupt.length)]?.(q, r) : right(q, r));
  const broker = await Mosquitto.start(t);
  if (broker === undefined) return;
  const subscriber = await Subscriber.start(t, broker.port, ['sluice/#']);
  if (subscriber === undefined) return;
  await survives(
    t,
    subscriber,
    broker.url,
    `{protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, timeout: 100ms}`,
    '10ms',
  );
});

test('damaged, late and noisy Modbus RTU replies at line rate: no wrong value upstream', async (t) => {
  t.diagnostic(`seed ${SEED}`);
  const of01 = seeded(SEED);
  const random = (below: number) => Math.floor(of01() * below);
  const flip = (frame: Buffer) => {
    const bit = random(frame.length * 8);
    const at = bit >> 3;
    frame[at] = (frame[at] ?? 0) ^ (1 << (bit & 7));
    return frame;
  };
  const noise = (n: number) => Buffer.from(Array.from({ length: n }, () => random(256)));
  const corrupt: ((q: FakeRequest, r: FakeReply) => void)[] = [
    (q, r) => r.send(flip(withCrc(rightPdu(q)))),
    (q, r) => r.send(withCrc(rightPdu(q)).subarray(0, random(5 + q.count * 2))),
    (q, r) => r.send(withCrc(rightPdu({ ...q, unit: q.unit + 1 }))),
    (q, r) => r.send(withCrc(rightPdu({ ...q, code: 4 }))),
    (q, r) => r.send(withCrc(rightPdu({ ...q, start: q.start + 50, count: q.count + 1 }))),
    (q, r) => r.send(Buffer.concat([noise(1 + random(20)), withCrc(rightPdu(q))])),
    (q, r) => r.send(Buffer.concat([withCrc(rightPdu(q)), noise(1 + random(20))])),
    (_, r) => r.send(noise(1 + random(300))),
    () => {},
  ];
  const device = await fakeRtu(t, 115_200);
  const broker = await Mosquitto.start(t);
  if (device === undefined || broker === undefined) return;
  const right = device.script;
  device.script = (q, r) => (random(3) === 0 ? corrupt[random(corrupt.length)]?.(q, r) : right(q, r));
  const subscriber = await Subscriber.start(t, broker.port, ['sluice/#']);
  if (subscriber === undefined) return;
  await survives(
    t,
    subscriber,
    broker.url,
    `{protocol: modbus-rtu, port: ${device.path}, baudRate: 115200, timeout: 100ms}`,
    '20ms',
  );
});

/** Runs until hundreds of answers were judged; each good value is what the device holds at that address. */
async function survives(t: TestContext, subscriber: Subscriber, url: string, bus: string, interval: string): Promise<void> {
  const points = [3, 4, 20].map((a) => `r${a}: {table: holding, address: ${a}, type: uint16}`).join(', ');
  const gateway = makeGateway(
    t,
    (g) => `
${g.section}
buses: {field: ${bus}}
devices:
  d1: {bus: field, unit: 1, interval: ${interval}, points: {${points}}}
  d2: {bus: field, unit: 7, interval: ${interval}, points: {${points}}}
buffer: {commitEvery: 200ms}
forwarders: {cloud: {type: mqtt, url: '${url}', batch: {maxAge: 50ms}}}
`,
  );
  gateway.start();
  const judged = () => {
    const records = new Consumer().feedAll(subscriber.messages()).records();
    return {
      records,
      good: records.filter((r) => Object.keys(r.values).length > 0),
      bad: records.filter((r) => Object.keys(r.bad).length > 0),
    };
  };
  await waitFor(
    () => `good and bad readings\n${gateway.tail()}`,
    () => judged().good.length > 100 && judged().bad.length > 50,
    { every: 100 },
  );
  for (const { values } of judged().good)
    for (const [name, value] of Object.entries(values)) assert.equal(value, registerOf(Number(name.slice(1))), name);
  const reasons = new Set(judged().bad.flatMap((r) => Object.values(r.bad)));
  assert.ok(reasons.size > 1, [...reasons].join(' '));
  await nothingLost(t, gateway, subscriber);
}

test('garbage on a serial line: the sensor is found again, and no damaged frame is good', async (t) => {
  const python = peer(t, '/usr/bin/python3', 'apt-get install -y python3');
  const broker = await Mosquitto.start(t);
  if (python === undefined || broker === undefined) return;
  const pty = startChild(t, python, [path.join(peers, 'paced-pty.py'), '9600'], { stdin: true });
  const [near = '', far = ''] = (await pty.line(/^\/dev\//)).split(' ');
  const talker = startChild(t, python, [path.join(peers, 'serial-talker.py'), far], { stdin: true });
  const subscriber = await Subscriber.start(t, broker.port, ['sluice/#']);
  if (subscriber === undefined) return;
  const gateway = makeGateway(
    t,
    (g) => `
${g.section}
buses: {air: {protocol: serial, port: ${near}, baudRate: 9600}}
devices: {dust: {bus: air, profile: sds011}}
buffer: {commitEvery: 200ms}
forwarders: {cloud: {type: mqtt, url: '${broker.url}', batch: {maxAge: 50ms}}}
`,
  );
  gateway.start();
  await waitFor('the port to be open', async () => (await gateway.status()).buses[0]?.state === 'open');
  const good = () =>
    new Consumer()
      .feedAll(subscriber.messages())
      .records()
      .flatMap((r) => Object.entries(r.values))
      .map(([name, value]) => `${name} ${value}`);
  const sent = new Set<string>();
  for (let i = 1; i <= 10; i++) {
    talker.write(`noise ${20 * i} ${i}`);
    // A frame that would be wrong by far, with a wrong checksum.
    talker.write(`sds011 ${7000 + i} ${8000 + i} bad`);
    talker.write('hex aac0aac0aa');
    talker.write(`noise 12 ${i}`);
    const [fine, coarse] = [100 + i, 200 + i];
    talker.write(`sds011 ${fine} ${coarse}`);
    sent.add(`${fine / 10}`).add(`${coarse / 10}`);
    await waitFor(
      () => `frame ${i} upstream: ${good().slice(-6)}\n${gateway.tail(10)}`,
      () => good().some((g) => g.endsWith(` ${fine / 10}`)),
    );
  }
  for (const g of good()) assert.ok(sent.has(g.split(' ')[1] ?? ''), g);
  assert.equal((await gateway.status()).buses[0]?.devices[0]?.state, 'answering');
  await nothingLost(t, gateway, subscriber);
});

test('a password is only at the broker: not in logs, status, metrics, exports or files', async (t) => {
  const SECRET = 'Vertraulich-4711-geheim';
  const device = await fakeTcp(t);
  const broker = await Mosquitto.start(t);
  if (broker === undefined) return;
  const yaml = (g: Gateway, more = '') => `
${g.section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {d1: {bus: plant, unit: 1, interval: 20ms, points: {n: {table: holding, address: 7, type: uint16}}}}
buffer: {commitEvery: 100ms}
broker: {listen: {port: 0}}
forwarders:
  cloud: {type: mqtt, url: '${broker.url}', username: pump, password: {env: PLANTED}, batch: {maxAge: 50ms}}
  other: {type: mqtt, url: 'mqtt://127.0.0.1:1', username: pump, password: {file: ${g.folder}/secret.txt}}
${more}`;
  const gateway = makeGateway(t, yaml);
  writeFileSync(path.join(gateway.folder, 'secret.txt'), `${SECRET}\n`);
  await gateway.up({ PLANTED: SECRET });
  await waitFor('deliveries', async () => ((await gateway.status()).forwarders[0]?.counters.readings ?? 0) > 10);
  const said: string[] = [JSON.stringify(await gateway.status())];
  for await (const piece of text(gateway.socket, '/metrics')) said.push(piece);
  gateway.write(yaml(gateway, 'colour: red\n'));
  gateway.signal('SIGHUP');
  await gateway.waitForLog(/The configuration was refused; nothing was changed/);
  gateway.write(yaml(gateway).replace('{env: PLANTED}', `'${SECRET}'`));
  said.push(JSON.stringify(await request(gateway.socket, 'POST', '/api/v1/reload')));
  gateway.write(yaml(gateway).replace('password: {env: PLANTED}', `password: [${SECRET}]`));
  await assert.rejects(
    request(gateway.socket, 'POST', '/api/v1/reload'),
    (error: Error) => void said.push(error.message) === undefined,
  );
  gateway.write(yaml(gateway).replace(broker.url, `mqtt://pump:${SECRET}@127.0.0.1:${broker.port}`));
  const refused = await sluice(t, 'check', gateway.config, '--json');
  said.push(refused.stdout, refused.stderr);
  gateway.write(yaml(gateway));
  for (const command of ['status', 'export'] as const) {
    const { stdout, stderr } = await sluice(t, command, '-c', gateway.config);
    said.push(stdout, stderr);
  }
  await gateway.kill();
  said.push(...gateway.logs().map((line) => JSON.stringify(line)), ...gateway.stderr);
  for (const folder of [gateway.stateDir, gateway.runtimeDir])
    for (const name of readdirSync(folder, { recursive: true, withFileTypes: true }))
      if (name.isFile()) said.push(readFileSync(path.join(name.parentPath, name.name), 'latin1'));
  assert.ok(said.length > 10);
  for (const heard of said)
    assert.ok(!heard.includes(SECRET), heard.slice(Math.max(0, heard.indexOf(SECRET) - 200)).slice(0, 400));
});
