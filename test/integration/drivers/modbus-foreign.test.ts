/**
 * Programs of other people, both ways: our driver asks pymodbus and libmodbus, and pymodbus and mbpoll (which is libmodbus) ask
 * our simulator, over every way to carry a frame that they know.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { decodeIdentification } from '../../../src/codecs/modbus-pdu.ts';
import { type Child, startChild } from '../../harness/child.ts';
import { type Site, startSite, words } from '../../harness/modbus-site.ts';
import { BAUD, isLine, pacedLine, run, simulated, WAYS, type Way } from '../../harness/simulated.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer, pythonPeer } from '../../peers/peers.ts';

const PYMODBUS = 'apt-get install -y python3-pymodbus python3-serial';
const MBPOLL = 'apt-get install -y mbpoll';
const peers = path.join(import.meta.dirname, '..', '..', 'peers');
/** Generous, since two processes and a line at its pace have to get their turns. */
const TIMEOUT = '5s';

/** Our bus to a server of somebody else. */
async function siteOf(
  t: TestContext,
  way: Way,
  python: string,
  script: string,
  devices: Parameters<typeof startSite>[2],
): Promise<{ site: Site; server: Child }> {
  const ends = isLine(way) ? await pacedLine(t, python) : undefined;
  const args = ends === undefined ? [way] : [way, ends[1], String(BAUD)];
  const server = startChild(t, python, [path.join(peers, script), ...args], { stdin: true });
  const ready = await server.line(/^ready/);
  const bus =
    ends === undefined
      ? { host: '127.0.0.1', port: Number(ready.split(' ')[1]) }
      : { port: ends[0], baudRate: BAUD, dataBits: 8, parity: 'none' };
  return { site: startSite(t, { protocol: `modbus-${way}`, ...bus, timeout: TIMEOUT }, devices), server };
}

const write = { min: -1000, max: 1000, every: '0ms' };
const points = {
  setpoint: { table: 'holding', address: 10, type: 'int16', scale: 0.1, write },
  limit: { table: 'holding', address: 20, type: 'float32', order: 'CDAB', write },
  flag: { table: 'holding', address: 30, type: 'uint16', bit: 3, write: { every: '0ms' } },
  pump: { table: 'coil', address: 5, type: 'bool', write: { every: '0ms' } },
  level: { table: 'input', address: 7, type: 'uint16' },
  door: { table: 'discrete', address: 9, type: 'bool' },
};

async function reading(site: Site, point: string): Promise<unknown> {
  for (const sample of await site.bus.read('plc')) {
    const at = sample.shape.points.findIndex((p) => p.name === point);
    if (at >= 0) return sample.reasons === null ? sample.values[at] : 'bad';
  }
  return undefined;
}

for (const way of WAYS)
  test(`pymodbus as a ${way} server: tables read, one and many written, bits kept, named`, async (t) => {
    const python = pythonPeer(t, 'pymodbus, serial', PYMODBUS);
    if (!python) return;
    const { site, server } = await siteOf(t, way, python, 'pymodbus-server.py', {
      plc: { unit: 1, interval: '1h', points },
      // The same registers, by a device that knows only the functions for many.
      many: { unit: 2, interval: '1h', limits: { writeMultiple: true }, points },
    });
    for (const each of ['holding 30 0xA500', 'input 7 4711', 'discrete 9 1']) server.write(each);
    await waitFor('pymodbus to take its data', () => server.stdout.filter((l) => l === 'done').length === 3);
    await waitFor('the port', () => site.bus.status().state === 'open');
    assert.equal(await reading(site, 'level'), 4711);
    assert.equal(await reading(site, 'door'), true);
    for (const device of ['plc', 'many']) {
      const sign = device === 'plc' ? 1 : -1;
      assert.equal((await site.bus.write(device, 'setpoint', sign * 21.5)).value, sign * 21.5);
      assert.equal((await site.bus.write(device, 'limit', sign * 0.25)).value, sign * 0.25);
      assert.equal((await site.bus.write(device, 'flag', sign > 0)).value, sign > 0);
      assert.equal((await site.bus.write(device, 'pump', sign > 0)).value, sign > 0);
      assert.equal(await reading(site, 'setpoint'), sign * 21.5);
      assert.equal(await reading(site, 'pump'), sign > 0);
      const [raw = 0] = (await site.bus.ask(1, { kind: 'read', table: 'holding', start: 30, count: 1 })).pdu.subarray(2);
      assert.equal(raw, 0xa5, 'the other bits of the register are what they were');
    }
    await assert.rejects(site.bus.write('plc', 'setpoint', 1001), { code: 'write-refused' });
    const { pdu } = await site.bus.ask(1, { kind: 'identify', code: 1, object: 0 });
    const { objects } = decodeIdentification(pdu);
    assert.deepEqual(
      [...objects.values()].map((bytes) => Buffer.from(bytes).toString()),
      ['Somebody Else', 'SE-1', '3.8'],
    );
    // An address that it does not have is told by the device, and the wire is well.
    await assert.rejects(site.bus.ask(1, { kind: 'read', table: 'holding', start: 20_000, count: 1 }), {
      code: 'exception',
    });
    assert.deepEqual(site.bus.status().devices[0]?.counters.crcErrors, 0);
  });

for (const way of ['tcp', 'rtu'] as const)
  test(`libmodbus as a ${way} server: all tables read, registers and coils written`, async (t) => {
    if (peer(t, 'mbpoll', MBPOLL) === undefined) return;
    const python = pythonPeer(t, 'ctypes', 'apt-get install -y python3');
    if (!python) return;
    const { site } = await siteOf(t, way, python, 'libmodbus-server.py', {
      plc: { unit: 1, interval: '1h', points: { ...points, ...words(...Array.from({ length: 200 }, (_, i) => 100 + i)) } },
    });
    await waitFor('the port', () => site.bus.status().state === 'open');
    for (const { shape, values, reasons } of await site.bus.read('plc')) {
      assert.equal(reasons, null);
      for (const [i, point] of shape.points.entries())
        if (/^r\d/.test(point.name)) assert.equal(values[i], 1000 + Number(point.name.slice(1)));
    }
    assert.equal(await reading(site, 'level'), 1007);
    assert.equal(await reading(site, 'door'), true);
    assert.equal(await reading(site, 'pump'), false);
    assert.equal((await site.bus.write('plc', 'setpoint', -12.3)).value, -12.3);
    assert.equal((await site.bus.write('plc', 'limit', 7.5)).value, 7.5);
    assert.equal((await site.bus.write('plc', 'pump', true)).value, true);
    assert.equal((await site.bus.write('plc', 'flag', true)).value, true);
    const { pdu } = await site.bus.ask(1, { kind: 'read', table: 'holding', start: 30, count: 1 });
    assert.equal(Buffer.from(pdu).readUInt16BE(2), 1030 | 8);
    await assert.rejects(site.bus.ask(1, { kind: 'read', table: 'coil', start: 990, count: 20 }), { code: 'exception' });
  });

for (const way of WAYS)
  test(`pymodbus as a ${way} client of the simulator: reads, writes, identifies`, async (t) => {
    const python = pythonPeer(t, 'pymodbus, serial', PYMODBUS);
    if (!python) return;
    const where = await simulated(t, way, python);
    const calls = [
      ['read_holding_registers', 1, 0, 4],
      ['read_input_registers', 1, 10, 1],
      ['read_coils', 1, 0, 2],
      ['read_discrete_inputs', 1, 4, 1],
      ['write_register', 1, 1, 12],
      ['write_registers', 1, 2, [0x4020, 0]],
      ['write_coil', 1, 1, true],
      ['write_coils', 1, 0, [false, true]],
      ['read_holding_registers', 1, 0, 4],
      ['read_coils', 1, 0, 2],
      ['write_register', 1, 4, 1],
      ['read_holding_registers', 1, 3, 2],
      ['write_coil', 1, 2, true],
      ['read_device_information', 1, 1, 0],
    ];
    const { out, code } = await run(python, [path.join(peers, 'pymodbus-client.py'), way, ...where], JSON.stringify(calls));
    assert.equal(code, 0, out);
    assert.deepEqual(JSON.parse(out.split('\n').find((l) => l.startsWith('[[')) ?? out), [
      [4711, 65535, 0x3fc0, 0],
      [65536 - 123],
      [true, false],
      [true],
      ...[true, true, true, true],
      [4711, 12, 0x4020, 0],
      [false, true],
      { exception: 2 },
      { exception: 2 },
      { exception: 2 },
      { identity: { 0: 'Sluice', 1: 'simulated device', 2: '0' } },
    ]);
  });

for (const way of ['tcp', 'rtu'] as const)
  test(`mbpoll as a ${way} client of the simulator: reads and writes`, async (t) => {
    const mbpoll = peer(t, 'mbpoll', MBPOLL);
    const python = pythonPeer(t, 'pty', 'apt-get install -y python3');
    if (mbpoll === undefined || !python) return;
    const where = await simulated(t, way, python);
    const target = way === 'tcp' ? ['-m', 'tcp', '-p', where[0] as string] : ['-m', 'rtu', '-b', String(BAUD), '-P', 'none'];
    const host = way === 'tcp' ? '127.0.0.1' : (where[0] as string);
    const poll = async (...args: string[]) => {
      const values = args.indexOf('--') < 0 ? [] : args.splice(args.indexOf('--'));
      const { out, code } = await run(mbpoll, [...target, '-1', '-0', '-q', '-o', '5', '-a', '1', ...args, host, ...values]);
      return { code, out, values: [...out.matchAll(/^\[\d+\]:\s+(\S+)/gm)].map((m) => m[1]) };
    };
    assert.deepEqual((await poll('-t', '4', '-r', '0', '-c', '2')).values, ['4711', '65535']);
    assert.deepEqual((await poll('-t', '4:float', '-B', '-r', '2', '-c', '1')).values, ['1.5']);
    assert.deepEqual((await poll('-t', '3:int16', '-r', '10')).values, ['-123']);
    assert.deepEqual((await poll('-t', '0', '-r', '0', '-c', '2')).values, ['1', '0']);
    assert.deepEqual((await poll('-t', '1', '-r', '4')).values, ['1']);
    assert.equal((await poll('-t', '4', '-r', '0', '--', '17')).code, 0);
    assert.equal((await poll('-t', '4', '-r', '0', '--', '18', '19')).code, 0);
    assert.equal((await poll('-t', '0', '-r', '0', '--', '0')).code, 0);
    assert.equal((await poll('-t', '0', '-r', '0', '--', '0', '1')).code, 0);
    assert.deepEqual((await poll('-t', '4', '-r', '0', '-c', '2')).values, ['18', '19']);
    assert.deepEqual((await poll('-t', '0', '-r', '0', '-c', '2')).values, ['0', '1']);
    assert.match((await poll('-t', '4', '-r', '500')).out, /Illegal data address/);
  });
