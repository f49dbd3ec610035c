/**
 * modbus-serial 8, the library that most programs on Node.js use, both ways: our bus asks its servers, and its clients (TCP,
 * buffered RTU, ASCII) ask our simulator. It is a peer of the tests and not part of the product (docs/decisions/modbus-ports.md).
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { startSite, words } from '../../harness/modbus-site.ts';
import { BAUD, pacedLine, run, simulated } from '../../harness/simulated.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { pythonPeer } from '../../peers/peers.ts';

const peers = path.join(import.meta.dirname, '..', '..', 'peers');
const LINE = 'apt-get install -y python3';

const write = { min: 0, max: 60_000, every: '0ms' };
const points = {
  // More registers than one request can hold.
  ...words(...Array.from({ length: 150 }, (_, i) => i)),
  setpoint: { table: 'holding', address: 200, type: 'uint16', write },
  total: { table: 'holding', address: 210, type: 'uint32', write: { min: 0, max: 4_000_000_000, every: '0ms' } },
  pump: { table: 'coil', address: 5, type: 'bool', write: { every: '0ms' } },
  level: { table: 'input', address: 7, type: 'uint16' },
  door: { table: 'discrete', address: 9, type: 'bool' },
};

for (const way of ['tcp', 'rtu'] as const)
  test(`modbus-serial as a ${way} server: all tables read, registers and coils written`, async (t) => {
    const python = pythonPeer(t, 'pty', LINE);
    if (!python) return;
    const ends = way === 'rtu' ? await pacedLine(t, python) : undefined;
    const port = ends === undefined ? await freePort() : 0;
    const where = ends === undefined ? ['tcp', String(port)] : ['rtu', ends[1], String(BAUD)];
    const server = startChild(t, process.execPath, [path.join(peers, 'modbus-serial-server.ts'), ...where]);
    await server.line(/^ready$/);
    const bus = ends === undefined ? { host: '127.0.0.1', port } : { port: ends[0], baudRate: BAUD, parity: 'none' };
    const site = startSite(
      t,
      { ...bus, timeout: '5s' },
      {
        plc: { unit: 1, interval: '1h', points },
        beyond: { unit: 1, interval: '1h', points: { nothing: { table: 'holding', address: 10_000, type: 'uint16' } } },
      },
    );
    await waitFor('the port', () => site.bus.status().state === 'open');
    const seen = new Map<string, unknown>();
    for (const { shape, values, reasons } of await site.bus.read('plc')) {
      assert.equal(reasons, null);
      for (const [i, point] of shape.points.entries()) seen.set(point.name, values[i]);
    }
    for (let address = 0; address < 150; address++) assert.equal(seen.get(`r${address}`), 1000 + address);
    assert.equal(seen.get('level'), 1007);
    assert.equal(seen.get('door'), true);
    assert.equal(seen.get('pump'), true);
    assert.equal(seen.get('setpoint'), 1200);
    assert.equal((await site.bus.write('plc', 'setpoint', 4711)).value, 4711);
    assert.equal((await site.bus.write('plc', 'total', 3_000_000_000)).value, 3_000_000_000);
    assert.equal((await site.bus.write('plc', 'pump', false)).value, false);
    // Its server takes what is written one register at a time, high word first.
    assert.deepEqual(
      server.stdout.filter((line) => line.startsWith('wrote')),
      ['wrote 200 4711', `wrote 210 ${3_000_000_000 >>> 16}`, `wrote 211 ${3_000_000_000 & 0xffff}`, 'wrote 5 false'],
    );
    await site.until('beyond', 1, (outcome) => outcome === 'exception');
  });

for (const way of ['tcp', 'rtu', 'ascii'] as const)
  test(`modbus-serial as a ${way} client of the simulator: reads, writes, exceptions`, async (t) => {
    const python = pythonPeer(t, 'pty', LINE);
    if (!python) return;
    const where = await simulated(t, way, python);
    const calls = [
      ['readHoldingRegisters', 0, 4],
      ['readInputRegisters', 10, 1],
      ['readHoldingRegisters', 500, 1],
      ['writeRegister', 1, 12],
      ['writeRegisters', 2, [0x4020, 0]],
      ['writeCoil', 1, true],
      ['writeCoils', 0, [false, true]],
      ['readHoldingRegisters', 0, 4],
      ['writeRegister', 4, 1],
    ];
    const { out, code } = await run(
      process.execPath,
      [path.join(peers, 'modbus-serial-client.ts'), way, ...where],
      JSON.stringify(calls),
    );
    assert.equal(code, 0, out);
    assert.deepEqual(JSON.parse(out.split('\n').find((each) => each.startsWith('[')) ?? out), [
      [4711, 65535, 0x3fc0, 0],
      [65536 - 123],
      { exception: 2 },
      ...[true, true, true, true],
      [4711, 12, 0x4020, 0],
      { exception: 2 },
    ]);
    // Coils come padded to whole bytes from this library.
    const coils = await run(
      process.execPath,
      [path.join(peers, 'modbus-serial-client.ts'), way, ...where],
      JSON.stringify([
        ['readCoils', 0, 2],
        ['readDiscreteInputs', 4, 1],
      ]),
    );
    const [coil, input] = JSON.parse(coils.out.split('\n').find((each) => each.startsWith('[')) ?? coils.out) as boolean[][];
    assert.deepEqual([coil?.slice(0, 2), input?.slice(0, 1)], [[false, true], [true]]);
  });
