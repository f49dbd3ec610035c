/** `sluice capture` as tshark sees it, and the call behind it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { AdminServer } from '../../../src/admin/admin-server.ts';
import { request, stream } from '../../../src/admin/client.ts';
import * as limits from '../../../src/admin/limits.ts';
import { PcapngWriter } from '../../../src/codecs/pcapng.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { FakeTarget } from '../../fakes/admin-target.ts';
import { answerTcp, crc, fakeTcp, registerOf, withMbap } from '../../fakes/modbus-device.ts';
import { damagedFrame, rtuFrame, rtuLine } from '../../fakes/rtu-line.ts';
import { startChild } from '../../harness/child.ts';
import { localHttp } from '../../harness/local-http.ts';
import { scratch } from '../../harness/scratch.ts';
import { type Gateway, MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

const TSHARK = 'apt-get install -y tshark';

interface Packet {
  readonly protocol: string;
  readonly unit: string;
  readonly code: string;
  readonly reference: string;
  readonly values: string;
  readonly exception: string;
  readonly time: number;
  readonly data: string;
  readonly info: string;
  readonly checksums: string;
}

function dissect(tshark: string, file: string, unit: 'mbrtu.unit_id' | 'mbtcp.unit_id'): Packet[] {
  const fields = ['_ws.col.Protocol', unit, 'modbus.func_code', 'modbus.reference_num', 'modbus.regval_uint16'];
  fields.push('modbus.exception_code', 'frame.time_epoch', 'data.data', '_ws.col.Info', 'mbrtu.crc16.status');
  const options = ['-o', 'mbrtu.crc_verification:TRUE', '-T', 'fields', ...fields.flatMap((f) => ['-e', f])];
  const { stdout, stderr, status } = spawnSync(tshark, ['-r', file, ...options], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout
    .trimEnd()
    .split('\n')
    .map((row) => {
      const [protocol = '', id = '', code = '', reference = '', values = '', exception = '', time = '', ...rest] =
        row.split('\t');
      const [data = '', info = '', checksums = ''] = rest;
      return { protocol, unit: id, code, reference, values, exception, time: Number(time), data, info, checksums };
    });
}

const fieldConfig = ({ section }: Gateway, bus: string, devices: string) =>
  `${section}\nbuses: {field: ${bus}}\ndevices:\n${devices}`;

test('tshark decodes a serial line: requests, values, exceptions, and noise apart', async (t) => {
  const tshark = peer(t, 'tshark', TSHARK);
  if (tshark === undefined) return;
  let asked = 0;
  const good = rtuFrame(1, 4, 4, 0, 243, 1, 195);
  const damaged = damagedFrame(1, 4, 4, 0, 243, 1, 195);
  const refused = rtuFrame(2, 0x83, 2);
  const line = await rtuLine(t, ({ unit }, send) => send(unit === 2 ? refused : ++asked % 4 === 0 ? damaged : good));
  const gateway = makeGateway(t, (g) =>
    fieldConfig(
      g,
      `{protocol: modbus-rtu-over-tcp, host: 127.0.0.1, port: ${line.port}, baudRate: 115200}`,
      `  a: {bus: field, unit: 1, interval: 200ms, profile: xy-md02}\n  b: {bus: field, unit: 2, interval: 200ms, points: {x: {table: holding, address: 9, type: uint16}}}\n`,
    ),
  );
  await gateway.up();
  const file = path.join(gateway.folder, 'field.pcapng');
  const before = Date.now();
  const replay = path.join(gateway.folder, 'field.jsonl');
  const files = ['-o', file, '--replay', replay];
  const child = startChild(t, process.execPath, [MAIN, 'capture', 'field', ...files, '-c', gateway.config]);
  await waitFor('frames of every kind behind a request of each', () => {
    const lines = readFileSync(replay, 'utf8').split('\n');
    const behind = lines.slice(
      Math.max(...['01', '02'].map((unit) => lines.findIndex((l) => l.includes(`"bytes":"${unit}0`) && l.includes('"out"')))),
    );
    return [good, damaged, refused].every((bytes) => behind.some((l) => l.includes(bytes.toString('hex'))));
  });
  child.signal('SIGINT');
  assert.equal(await child.ended, 0);
  assert.match(child.stderr.join('\n'), /^\d+ frames in .*field\.pcapng and .*field\.jsonl$/);

  const packets = dissect(tshark, file, 'mbrtu.unit_id');
  const modbus = packets.filter((p) => p.data === '');
  assert.ok(modbus.every((p) => p.protocol === 'Modbus RTU'));
  const query = modbus.find((p) => p.unit === '1' && /Query/.test(p.info));
  assert.deepEqual([query?.code, query?.reference], ['4', '1']);
  const response = modbus.slice(modbus.indexOf(query as Packet)).find((p) => p.unit === '1' && /Response/.test(p.info));
  assert.deepEqual([response?.code, response?.values], ['4', '243,451']);
  const exception = modbus.find((p) => p.unit === '2' && p.exception !== '');
  assert.deepEqual([exception?.code, exception?.exception], ['3', '2']);
  assert.ok(packets.some((p) => p.data === damaged.toString('hex')));
  for (const p of modbus) assert.equal(p.checksums, '1', 'the checksum of every frame is the one on the wire');
  for (const p of packets) assert.ok(p.time * 1000 >= before - 1000 && p.time * 1000 <= Date.now(), 'times are UTC');
});

test('tshark decodes a network on any port, and the capture ends by itself', async (t) => {
  const tshark = peer(t, 'tshark', TSHARK);
  if (tshark === undefined) return;
  const device = await fakeTcp(t, (request, reply) => {
    if (request.unit === 2) reply.send(withMbap(Uint8Array.of(2, request.code | 0x80, 2), request.transaction));
    else answerTcp(request, reply);
  });
  const gateway = makeGateway(t, (g) =>
    fieldConfig(
      g,
      `{protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}`,
      `  a: {bus: field, unit: 1, interval: 50ms, points: {x: {table: holding, address: 9, type: uint16}}}\n  b: {bus: field, unit: 2, interval: 50ms, points: {x: {table: input, address: 3, type: uint16}}}\n`,
    ),
  );
  await gateway.up();
  const file = path.join(gateway.folder, 'field.pcapng');
  const replay = path.join(gateway.folder, 'field.jsonl');
  const files = ['-o', file, '--replay', replay, '--for', '2s', '-c', gateway.config];
  // A machine that stands still may have no time for a poll of each in those seconds.
  const packets = await waitFor('a capture with an answer of each', async () => {
    const { code, stderr } = await sluice(t, 'capture', 'field', ...files);
    assert.equal(code, 0, stderr);
    const all = dissect(tshark, file, 'mbtcp.unit_id');
    const from = all.findIndex((p) => p.unit === '1' && /Query/.test(p.info));
    const answered = all.slice(from).some((p) => p.unit === '1' && /Response/.test(p.info));
    return from >= 0 && answered && all.some((p) => p.exception !== '') ? all : undefined;
  });
  assert.ok(packets.length >= 4 && packets.every((p) => p.protocol === 'Modbus/TCP'), JSON.stringify(packets.slice(0, 3)));
  const query = packets.find((p) => p.unit === '1' && /Query/.test(p.info));
  assert.deepEqual([query?.code, query?.reference], ['3', '9']);
  const response = packets.slice(packets.indexOf(query as Packet)).find((p) => p.unit === '1' && /Response/.test(p.info));
  assert.deepEqual([response?.code, response?.values], ['3', String(registerOf(9))]);
  const exception = packets.find((p) => p.exception !== '');
  assert.deepEqual([exception?.unit, exception?.code, exception?.exception], ['2', '4', '2']);
  const sums = spawnSync(tshark, [
    '-r',
    file,
    '-o',
    'ip.check_checksum:TRUE',
    '-o',
    'tcp.check_checksum:TRUE',
    '-Y',
    'ip.checksum.status!=1 or tcp.checksum.status!=1 or tcp.analysis.flags',
  ]);
  assert.equal(String(sums.stdout), '');

  const [head, ...frames] = readFileSync(replay, 'utf8')
    .trimEnd()
    .split('\n')
    .map((l) => JSON.parse(l));
  assert.deepEqual(
    [head.type, head.v, head.bus, head.protocol, head.devices],
    ['capture', 1, 'field', 'modbus-tcp', { a: { unit: 1 }, b: { unit: 2 } }],
  );
  assert.equal(frames.length, packets.length);
  assert.deepEqual(Object.keys(frames[0]), ['way', 'time', 'bytes']);

  for (const [args, words] of [
    [['plant'], /no bus plant with devices; it has: field/],
    [['field', '--for', 'soon'], /--for is a duration/],
    [['field', '-o', '/nowhere/x.pcapng'], /cannot be written/],
  ] as const) {
    const refused = await sluice(t, 'capture', ...args, '-c', gateway.config);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, words);
  }
});

test('ASCII and UDP frames are taken apart as well, identification and odd lengths included', (t) => {
  const tshark = peer(t, 'tshark', TSHARK);
  if (tshark === undefined) return;
  const lrc = (bytes: number[]) => -bytes.reduce((a, b) => a + b, 0) & 255;
  const ascii = (...b: number[]) =>
    Buffer.from(
      `:${Buffer.from([...b, lrc(b)])
        .toString('hex')
        .toUpperCase()}\r\n`,
    );
  const udp = (...b: number[]) => withMbap(Uint8Array.from(b), 7);
  for (const [kind, frame, unit] of [
    ['ascii', ascii, 'mbrtu.unit_id'],
    ['udp', udp, 'mbtcp.unit_id'],
  ] as const) {
    const writer = new PcapngWriter({ kind, name: 'x', program: 'test', host: 'meter.local' });
    const file = path.join(scratch(t), 'x.pcapng');
    const packets = [
      writer.packet('out', 1_795_000_000_000.125, frame(3, 2, 0, 5, 0, 9)),
      writer.packet('in', 1_795_000_000_010.5, frame(3, 2, 2, 0xcd, 1)),
      writer.packet('noise', 1_795_000_000_020, Uint8Array.of(1, 2, 3)),
    ];
    writeFileSync(file, Buffer.concat([writer.header(), ...packets]));
    const [query, response, noise] = dissect(tshark, file, unit);
    assert.deepEqual([query?.unit, query?.code, query?.reference], ['3', '2', '5'], kind);
    assert.match(query?.info ?? '', /Query/);
    assert.equal(query?.time, 1_795_000_000.000125);
    assert.deepEqual([response?.unit, response?.code], ['3', '2'], kind);
    assert.match(response?.info ?? '', /Response/);
    assert.equal(noise?.data, '010203');
  }
  assert.equal(crc(Uint8Array.of(1, 4, 0, 1, 0, 2)), 0x0b20);
});

async function bench(t: TestContext): Promise<{ target: FakeTarget; socket: string; server: AdminServer }> {
  const target = new FakeTarget();
  const socket = path.join(scratch(t, 'admin'), 'sluice.sock');
  const server = new AdminServer({
    ...{ target, socketPath: socket, listen: [localHttp()], logger: silentLogger, clock: systemClock },
  });
  t.after(() => server.stop());
  await server.start();
  await waitFor('HTTP', () => server.http().state === 'listening');
  return { target, socket, server };
}

test('requests by hand can only read, and only over the socket', async (t) => {
  const { target, socket, server } = await bench(t);
  const ask = (body: object) => request(socket, 'POST', '/api/v1/exchange', body);
  const read = { kind: 'read', table: 'holding', start: 0, count: 1 };
  await ask({ bus: 'field', unit: 1, request: read, quiet: true, timeout: 100 });
  assert.deepEqual(target.exchanges, [{ bus: 'field', unit: 1, request: read, timeout: 100, quiet: true }]);
  for (const wrong of [
    { bus: 'field', unit: 1, request: { kind: 'write', table: 'holding', start: 0, values: [1] } },
    { bus: 'field', unit: 1, request: { ...read, kind: 'Read' } },
    { bus: 'field', unit: 1, request: { ...read, table: 'coils' } },
    { bus: 'field', unit: 256, request: read },
    { bus: 'field', unit: 1.5, request: read },
    { bus: '', unit: 1, request: read },
    { bus: 'field', unit: 1 },
    { bus: 'field', unit: 1, request: read, timeout: 1e9 },
  ])
    await assert.rejects(
      ask(wrong),
      (e: unknown) => e instanceof SluiceError && e.code === 'request-invalid',
      JSON.stringify(wrong),
    );
  assert.equal(target.exchanges.length, 1);
  const { address } = server.http();
  const http = await fetch(`http://127.0.0.1:${address?.port}/api/v1/exchange`, { method: 'POST', body: '{}' });
  assert.equal(http.status, 403);
  assert.equal((await fetch(`http://127.0.0.1:${address?.port}/api/v1/capture`, { method: 'POST', body: '{}' })).status, 403);
});

test('the time of a capture begins with the capture, and not with the command', async (t) => {
  const { socket } = await bench(t);
  const file = path.join(scratch(t, 'capture'), 'x.pcapng');
  const { code, stderr } = await sluice(t, 'capture', 'field', '--socket', socket, '-o', file, '--for', '1ms');
  assert.deepEqual([code, stderr], [0, `0 frames in ${file}`]);
  assert.ok(statSync(file).size > 0, 'the head of the file is there');
});

test('a file that cannot be made ends the command at once, with nothing counted', async (t) => {
  const { socket } = await bench(t);
  const file = path.join(scratch(t, 'capture'), 'none', 'x.pcapng');
  const child = startChild(t, process.execPath, [MAIN, 'capture', 'field', '--socket', socket, '-o', file, '--for', '1h']);
  assert.equal(await child.ended, 2);
  assert.deepEqual(child.stderr, [`sluice: ${file} cannot be written: the folder ${path.dirname(file)} does not exist`]);
});

test('captures are few, skip what a slow reader misses and say so, and end with the bus', async (t) => {
  const { target, socket } = await bench(t);
  const open = async () => {
    const lines = stream(socket, '/api/v1/capture', { bus: 'field' });
    const { value } = await lines.next();
    assert.equal((value as { type: string }).type, 'capture');
    return lines;
  };
  const captures = [];
  for (let i = 0; i < limits.MAX_CAPTURES; i++) captures.push(await open());
  await assert.rejects(open(), /at most 4 captures/);
  assert.equal(target.captures.size, limits.MAX_CAPTURES);
  for (const lines of captures.slice(1)) await lines.return(undefined);
  await waitFor('the ends of captures to be seen', () => target.captures.size === 1);

  const [slow] = captures;
  assert.ok(slow);
  const [[push, end] = []] = target.captures;
  const pushed = 40_000;
  for (let i = 0; i < pushed; i++) push?.({ way: 'in', time: i, bytes: 'ff'.repeat(64) });
  let taken = 0;
  let missed = 0;
  while (missed === 0) {
    const { value } = await slow.next();
    const item = value as { type?: string; frames: number };
    if (item.type === 'missed') missed = item.frames;
    else taken++;
  }
  assert.equal(taken + missed, pushed);
  end?.();
  assert.deepEqual(await slow.next(), { value: undefined, done: true });
});
