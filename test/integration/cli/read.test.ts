/** `sluice read` on the wire: frames, raw addresses, byte orders; with a running gateway and without one. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { ReadReply } from '../../../src/admin/target.ts';
import { answerTcp, type FakeDevice, fakeTcp, registerOf, type Script, withMbap } from '../../fakes/modbus-device.ts';
import { startChild } from '../../harness/child.ts';
import { type Gateway, MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';

/** Input registers hold the float 230.5 at 10, low word first; holding registers end at 99. */
const script: Script = (request, reply) => {
  const pdu = (...bytes: number[]) => reply.send(withMbap(Uint8Array.from([request.unit, ...bytes]), request.transaction));
  if (request.code === 3 && request.start + request.count > 100) pdu(0x83, 2);
  else if (request.code === 4 && request.start === 10 && request.count === 2) pdu(4, 4, 0x80, 0, 0x43, 0x66);
  else if (request.code === 4) pdu(0x84, 2);
  else answerTcp(request, reply);
};

function meterGateway(t: test.TestContext, device: FakeDevice, gateway?: string): Gateway {
  return makeGateway(
    t,
    ({ section }) => `${section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, timeout: 2s}}
devices:
  meter:
    bus: plant
    unit: 7
    interval: 1h
    limits: {maxGap: 8}
    points:
      voltage: {table: input, address: 10, type: float32, order: CDAB, unit: V}
      speed: {table: holding, address: 4, type: uint16}
      gone: {table: holding, address: 100, type: uint16}
${gateway ?? ''}`,
  );
}

for (const running of [true, false]) {
  const how = running ? 'through the running gateway' : 'from the wire while none runs';
  test(`read ${how}: values, frames, exceptions in words, raw addresses`, async (t) => {
    const device = await fakeTcp(t, script);
    const gateway = meterGateway(t, device);
    if (running) {
      await gateway.up();
    }
    const read = (...args: string[]) => sluice(t, 'read', ...args, '-c', gateway.config);

    const plain = await read('meter.speed', '--json');
    assert.equal(plain.code, 0, plain.stderr);
    assert.equal(JSON.parse(plain.stdout).readings[0].value, registerOf(4));
    // One of its registers is refused: the others are there, and it says why.
    const whole = await read('meter');
    assert.equal(whole.code, 1, whole.stderr);
    assert.match(whole.stdout, /meter\.voltage +230\.5 V/);
    assert.match(whole.stdout, /meter\.speed +\d+/);
    assert.match(whole.stdout, /exception 2: it does not have one of these/);
    if (running) {
      const { readings, faults } = (await request(gateway.socket, 'POST', '/api/v1/read', { device: 'meter' })) as ReadReply;
      assert.deepEqual(
        readings.map((r) => [r.point, r.value, r.quality, r.reason]),
        [
          ['speed', registerOf(4), 'good', undefined],
          ['gone', null, 'bad', 'exception'],
          ['voltage', 230.5, 'good', undefined],
        ],
      );
      assert.deepEqual(
        faults.map((f) => [f.points, f.code]),
        [[['gone'], 'exception']],
      );
    }
    const raw = await read('meter.voltage', '--raw');
    assert.equal(raw.code, 0, raw.stderr);
    assert.match(raw.stdout, /meter, unit 7 on plant: input 10 to 11/);
    assert.match(raw.stdout, /→ [0-9a-f]{2} [0-9a-f]{2} 00 00 00 06 07 04 00 0a 00 02/);
    assert.match(raw.stdout, /← [0-9a-f]{2} [0-9a-f]{2} 00 00 00 07 07 04 04 80 00 43 66/);
    assert.match(raw.stdout, /answered after \d+\.\d ms/);
    assert.match(raw.stdout, /meter\.voltage +230\.5 V/);

    const gone = await read('meter.gone', '--raw');
    assert.equal(gone.code, 1);
    assert.match(gone.stdout, /← [0-9a-f ]+ 07 83 02/);
    assert.match(gone.stdout, /unit 7 on 127\.0\.0\.1:\d+ answers holding 100 with exception 2: it does not have one of these/);

    const json = JSON.parse((await read('meter', '--raw', '--json')).stdout);
    assert.equal(json.bus, 'plant');
    const voltage = json.requests.find((r: { request: { table: string } }) => r.request.table === 'input');
    assert.equal(voltage.readings[0].value, 230.5);
    assert.equal(voltage.pdu, '040480004366');

    const address = await read('meter', '--table', 'holding', '--address', '8', '--count', '2');
    assert.equal(address.code, 0, address.stderr);
    assert.match(address.stdout, /holding 8 {2}0x00ff {2}255\n {2}holding 9 {2}0x011e {2}286/);
  });
}

test('read --orders shows every type, order, function and offset, and marks the plausible', async (t) => {
  const device = await fakeTcp(t, script);
  const gateway = meterGateway(t, device);
  const { code, stdout, stderr } = await sluice(t, 'read', 'meter.voltage', '--orders', '--json', '-c', gateway.config);
  assert.equal(code, 0, stderr);
  interface Cell {
    type: string;
    order: string;
    raw: number;
    plausible: boolean;
  }
  const { grids } = JSON.parse(stdout) as { grids: { table: string; address: number; error: string | null; cells: Cell[] }[] };
  assert.deepEqual(
    grids.map((g) => `${g.table} ${g.address}`),
    ['input 10', 'input 9', 'holding 10', 'holding 9'],
  );
  const [asked] = grids;
  const cell = (type: string, order: string) => asked?.cells.find((c) => c.type === type && c.order === order);
  assert.deepEqual(cell('float32', 'CDAB'), { type: 'float32', order: 'CDAB', raw: 230.5, value: 230.5, plausible: true });
  // The same four bytes in the other orders.
  assert.equal(cell('float32', 'ABCD')?.plausible, false);
  assert.equal(cell('uint32', 'ABCD')?.raw, 0x80004366);
  assert.equal(cell('uint32', 'CDAB')?.raw, 0x43668000);
  assert.equal(cell('uint32', 'BADC')?.raw, 0x00806643);
  assert.equal(cell('uint32', 'DCBA')?.raw, 0x66430080);
  assert.equal(cell('int16', 'AB')?.raw, -32768);
  assert.equal(cell('int16', 'BA')?.raw, 128);
  assert.match(grids[1]?.error ?? '', /exception 2/);

  const text = await sluice(t, 'read', 'meter', '--table', 'input', '--address', '10', '--orders', '-c', gateway.config);
  assert.match(text.stdout, /input 10 \(function 4\): registers 8000 4366/);
  assert.match(text.stdout, /float32 +\S+ +230\.5 \*/);
});

test('--orders without a point shows every point in registers, under its name', async (t) => {
  const device = await fakeTcp(t, script);
  const gateway = meterGateway(t, device);
  const { stdout, stderr } = await sluice(t, 'read', 'meter', '--orders', '-c', gateway.config);
  const heads = stdout.split('\n').filter((line) => /^meter\.\w+:$/.test(line));
  assert.deepEqual(heads, ['meter.voltage:', 'meter.speed:', 'meter.gone:'], stderr);
  assert.match(stdout, /float32 +\S+ +230\.5 \*/);
  const json = JSON.parse((await sluice(t, 'read', 'meter', '--orders', '--json', '-c', gateway.config)).stdout);
  assert.deepEqual([...new Set(json.grids.map(({ point }: { point: string }) => point))], ['voltage', 'speed', 'gone']);
});

test('what cannot be read is refused in words, and a socket that was named must answer', async (t) => {
  const device = await fakeTcp(t, script);
  const { config, socket } = meterGateway(t, device);
  const read = (...args: string[]) => sluice(t, 'read', ...args, '-c', config);
  for (const [args, code, words] of [
    [['meter.colour'], 1, /has no point colour; it has: voltage, speed, gone/],
    [['pump'], 1, /no device pump; the devices are: meter/],
    [['meter', '--address', '4'], 2, /--table holding\|input\|coil\|discrete --address 0/],
    [['meter.speed', '--table', 'input', '--address', '4'], 2, /not both/],
    [['meter', '--table', 'coil', '--address', '4', '--orders'], 2, /no byte order/],
    [['meter', '--socket', socket], 1, /no gateway is running here/],
    [['meter', '--address', '70000', '--table', 'input'], 2, /0 to 65535/],
  ] as const) {
    const result = await read(...args);
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, words);
  }
  assert.equal(device.requests.length, 0);
});

test('a reader that has seen enough ends a command quietly', async (t) => {
  const device = await fakeTcp(t, answerTcp);
  const gateway = meterGateway(t, device);
  const sh = startChild(t, '/bin/sh', [
    '-c',
    // The pipe is closed before the first line is written.
    '"$0" "$@" | true; wait',
    ...[process.execPath, MAIN, 'read', 'meter', '-c', gateway.config],
  ]);
  assert.equal(await sh.ended, 0);
  assert.deepEqual(sh.stderr, []);
});
