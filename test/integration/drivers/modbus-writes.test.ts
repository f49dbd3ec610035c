/** Writing to a device made by somebody else: what pymodbus's own store has afterwards, and what a dead neighbour costs. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { SluiceError } from '../../../src/core/errors.ts';
import type { Value } from '../../../src/core/point.ts';
import { type Child, startChild } from '../../harness/child.ts';
import { type Site, startSite } from '../../harness/modbus-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { pythonPeer } from '../../peers/peers.ts';
import { SettableDevice, storeOf } from '../../peers/settable-device.ts';

const peers = path.join(import.meta.dirname, '..', '..', 'peers');
const bounds = { min: -1000, max: 1000, every: '0ms' };
const any = { every: '0ms' };

const points = {
  setpoint: { table: 'holding', address: 0, type: 'int16', scale: 0.1, unit: 'Cel', write: bounds },
  gain: { table: 'holding', address: 2, type: 'float32', order: 'CDAB', write: bounds },
  total: { table: 'holding', address: 4, type: 'uint64', write: { min: 0, max: 1.8446744073709552e19, every: '0ms' } },
  name: { table: 'holding', address: 8, type: 'string', length: 3, write: any },
  clock: { table: 'holding', address: 12, type: 'datetime', length: 2, write: any },
  mode: { table: 'holding', address: 14, type: 'uint16', enum: { 0: 'off', 1: 'on', 7: 'defrost' }, write: any },
  pump: { table: 'holding', address: 15, type: 'uint16', bit: 9, write: any },
  stage: { table: 'holding', address: 15, type: 'uint16', bits: { first: 4, count: 3 }, write: bounds },
  power: { table: 'holding', address: 16, type: 'int16', scaleFactor: 'power-sf', write: bounds },
  'power-sf': { table: 'holding', address: 17, type: 'int16' },
  valve: { table: 'coil', address: 3, type: 'bool', write: any },
};

/** Value given, value shown, where it is, and what has to be there. */
const writes: readonly [point: string, given: Value, shown: Value, table: 'holding' | 'coil', at: number, has: number[]][] = [
  ['setpoint', '-4.5', -4.5, 'holding', 0, [0xffd3]],
  ['gain', 23.4, 23.4, 'holding', 2, [0x3333, 0x41bb]],
  ['total', '18446744073709551615', 18446744073709551615n, 'holding', 4, [0xffff, 0xffff, 0xffff, 0xffff]],
  ['total', 2n ** 53n + 1n, 2n ** 53n + 1n, 'holding', 4, [0x20, 0, 0, 1]],
  ['name', 'PUMP', 'PUMP', 'holding', 8, [0x5055, 0x4d50, 0]],
  ['clock', '2026-01-31T08:00:00Z', '2026-01-31T08:00:00Z', 'holding', 12, [0x697d, 0xb680]],
  ['mode', 'defrost', 'defrost', 'holding', 14, [7]],
  ['pump', 'on', true, 'holding', 15, [0xa200]],
  ['stage', 5, 5, 'holding', 15, [0xa250]],
  ['power', '12.5', 12.5, 'holding', 16, [1250]],
  ['valve', true, true, 'coil', 3, [1]],
  ['valve', 'off', false, 'coil', 3, [0]],
];

async function writeAll(site: Site, server: Child): Promise<void> {
  // What other bits of the register are, and the scale factor (-2).
  server.write('holding 15 0xa000');
  server.write('holding 17 0xfffe');
  await storeOf(server, 'holding', 17);
  for (const [point, given, shown, table, at, has] of writes) {
    const written = await site.bus.write?.('meter', point, given);
    assert.deepEqual([written?.value, written?.readBack], [shown, true], point);
    assert.deepEqual(await storeOf(server, table, at, has.length), has, point);
  }
}

for (const writeMultiple of [false, true])
  test(`over TCP pymodbus has what was written${writeMultiple ? ', by the functions for many' : ''}`, async (t) => {
    const python = pythonPeer(t, 'pymodbus', 'apt-get install -y python3-pymodbus');
    if (!python) return;
    const server = startChild(t, python, [path.join(peers, 'pymodbus-server.py'), 'tcp'], { stdin: true });
    const port = Number((await server.line(/^ready/)).split(' ')[1]);
    const meter = { unit: 1, interval: '20ms', limits: { writeMultiple }, points };
    await writeAll(startSite(t, { host: '127.0.0.1', port }, { meter }), server);
  });

test('over RTU at 19200 baud pymodbus has what was written, between the polls', async (t) => {
  const python = pythonPeer(t, 'pymodbus, serial', 'apt-get install -y python3-pymodbus python3-serial');
  if (!python) return;
  const pty = startChild(t, python, [path.join(peers, 'paced-pty.py'), '19200'], { stdin: true });
  const [near = '', far = ''] = (await pty.line(/^\/dev\//)).split(' ');
  const server = startChild(t, python, [path.join(peers, 'pymodbus-server.py'), 'rtu', far, '19200'], { stdin: true });
  await server.line(/^ready/);
  const meter = { unit: 1, interval: '250ms', points };
  const site = startSite(t, { port: near, baudRate: 19_200, timeout: '2s' }, { meter });
  await site.until('meter', 2);
  await writeAll(site, server);
  assert.ok(site.outcomes('meter').every((outcome) => outcome === 'good'));
});

test('the exception of a device that refuses the address is told in words', async (t) => {
  const device = await SettableDevice.start(t);
  if (device === undefined) return;
  const far = { table: 'holding', address: 20_000, type: 'uint16', write: bounds };
  const near = { table: 'holding', address: 0, type: 'uint16' };
  const site = startSite(
    t,
    { host: '127.0.0.1', port: device.port },
    { meter: { unit: 1, interval: '20ms', points: { near, far } } },
  );
  await assert.rejects(Promise.resolve(site.bus.write?.('meter', 'far', 1)), (error: SluiceError) => {
    assert.equal(error.code, 'exception');
    assert.match(error.message, /^meter\.far: the device answers with exception 2: it has nothing to write at this address/);
    return true;
  });
});

test('writes to a dead unit fail at once and take nothing from its neighbour', async (t) => {
  const device = await SettableDevice.start(t);
  if (device === undefined) return;
  const one = { p: { table: 'holding', address: 0, type: 'uint16', write: bounds } };
  const site = startSite(
    t,
    { host: '127.0.0.1', port: device.port, timeout: '150ms', retries: 0 },
    {
      // A machine that stands still for a moment makes nobody late who is there.
      alive: { unit: 1, interval: '600ms', timeout: '60s', retries: 5, points: one },
      dead: { unit: 9, interval: '600ms', points: one },
    },
  );
  // Nobody knows yet that it is dead: some of these cost a time-out, each one at most.
  const first = await Promise.allSettled([1, 2, 3, 4].map((value) => site.bus.write?.('dead', 'p', value)));
  for (const outcome of first) {
    assert.equal(outcome.status, 'rejected');
    assert.equal((outcome.reason as SluiceError).code, 'timeout');
  }
  await waitFor('the dead one to be known as dead', async () => {
    const thrown = await site.bus.write?.('dead', 'p', 1).catch((error: unknown) => error);
    return thrown instanceof SluiceError && thrown.data.sent === false;
  });
  await site.until('alive', 1);
  const polled = site.outcomes('alive').length;
  const dead = () => site.bus.status().devices.find((d) => d.name === 'dead');
  const requests = dead()?.counters.requests;
  const probes = site.outcomes('dead').length;
  for (let value = 0; value < 40; value++) {
    assert.equal((await site.bus.write?.('alive', 'p', value))?.value, value);
    await assert.rejects(Promise.resolve(site.bus.write?.('dead', 'p', value)), { code: 'timeout' });
  }
  // That each due poll takes place is counted on a manual clock, in drivers-modbus-wire.test.ts.
  await site.until('alive', polled + 4);
  assert.deepEqual([...new Set(site.outcomes('alive'))], ['good']);
  // Refused at once, without a request: what went out is at most a probe for each of its polls, one of them on its way.
  assert.ok((dead()?.counters.requests ?? 0) - (requests ?? 0) <= site.outcomes('dead').length - probes + 1);
  assert.deepEqual(await device.get('holding', 0), [39]);
});
