/** Devices made by somebody else: pymodbus over TCP, and over a serial line at 9600 baud that is unplugged. */
import assert from 'node:assert/strict';
import { renameSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Child } from '../../harness/child.ts';
import { startChild } from '../../harness/child.ts';
import { startSite } from '../../harness/modbus-site.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { pythonPeer } from '../../peers/peers.ts';

const INSTALL = 'apt-get install -y python3-pymodbus python3-serial';
const peers = path.join(import.meta.dirname, '..', '..', 'peers');

const points = {
  voltage: { table: 'holding', address: 0, type: 'float32', unit: 'V' },
  energy: { table: 'holding', address: 2, type: 'uint64', order: 'CDAB', scale: 0.01, unit: 'kW.h' },
  frequency: { table: 'holding', address: 6, type: 'uint16', scale: 0.1, unit: 'Hz' },
  model: { table: 'holding', address: 8, type: 'string', length: 3 },
  temperature: { table: 'input', address: 100, type: 'int16', scale: 0.1, unit: 'Cel' },
  running: { table: 'coil', address: 5, type: 'bool' },
  door: { table: 'discrete', address: 3, type: 'bool', enum: { 0: 'shut', 1: 'open' } },
};
const expected = {
  voltage: 230.1,
  energy: 1234567.89,
  frequency: 49.9,
  model: 'PZEM',
  temperature: -12.3,
  running: true,
  door: 'open',
};

/** The registers of `expected`, computed by hand. */
const lines = [
  'holding 0 0x4366 0x199A', // 230.1 as float32
  'holding 2 0xCD15 0x075B 0 0', // 123456789 = 0x075BCD15, low word first
  'holding 6 499',
  'holding 8 0x505A 0x454D 0',
  'input 100 0xFF85', // -123
  'coil 5 1',
  'discrete 3 1',
];

async function load(server: Child, from: readonly string[]): Promise<void> {
  const before = server.stdout.length;
  for (const line of from) server.write(line);
  await waitFor('pymodbus to take its data', () => server.stdout.length >= before + from.length);
}

function valuesOf(
  samples: readonly { shape: { points: readonly { name: string }[] }; values: readonly unknown[]; reasons: unknown }[],
) {
  for (const sample of samples) assert.equal(sample.reasons, null);
  return Object.fromEntries(samples.flatMap((s) => s.shape.points.map((point, i) => [point.name, s.values[i]])));
}

test('pymodbus over TCP: every table, several types, changes seen, exceptions told', async (t) => {
  const python = pythonPeer(t, 'pymodbus', INSTALL);
  if (!python) return;
  const server = startChild(t, python, [path.join(peers, 'pymodbus-server.py'), 'tcp'], { stdin: true });
  const port = Number((await server.line(/^ready/)).split(' ')[1]);
  await load(server, lines);
  const meter = { unit: 1, interval: '20ms', points };
  const beyond = { unit: 2, interval: '20ms', points: { nothing: { table: 'holding', address: 20000, type: 'uint16' } } };
  const site = startSite(t, { host: '127.0.0.1', port }, { meter, beyond });
  assert.deepEqual(valuesOf(await waitFor('a reading', () => site.bus.read('meter'))), expected);
  await site.until('meter', 12);
  await site.until('beyond', 2, (outcome) => outcome === 'exception');
  await load(server, ['holding 6 501']);
  await waitFor('the new value', () =>
    site.samples.some((s) => s.values[s.shape.points.findIndex((p) => p.name === 'frequency')] === 50.1),
  );
  assert.match(site.bus.status().devices[1]?.fault ?? '', /exception 2: it does not have one of these addresses/);
});

/** A line of two linked ptys, whose near end is reached by a name that stays. */
async function plug(t: TestContext, python: string, link: string): Promise<{ pty: Child; far: string }> {
  const pty = startChild(t, python, [path.join(peers, 'paced-pty.py'), '9600'], { stdin: true });
  const [near = '', far = ''] = (await pty.line(/^\/dev\//)).split(' ');
  symlinkSync(near, `${link}.new`);
  renameSync(`${link}.new`, link);
  return { pty, far };
}

test('pymodbus over RTU at 9600 baud, unplugged and plugged in again', async (t) => {
  const python = pythonPeer(t, 'pymodbus, serial', INSTALL);
  if (!python) return;
  const link = path.join(scratch(t, 'rtu'), 'ttyUSB0');
  const serve = async (far: string) => {
    const server = startChild(t, python, [path.join(peers, 'pymodbus-server.py'), 'rtu', far, '9600'], { stdin: true });
    await server.line(/^ready/);
    await load(server, lines);
    return server;
  };
  // The port does not exist yet: that is no reason to give up.
  const meter = { unit: 1, interval: '100ms', points };
  const site = startSite(t, { port: link, baudRate: 9600, timeout: '2s' }, { meter });
  await site.until('meter', 1, (outcome) => outcome === 'disconnected');
  await waitFor('words about the port', () => /no such port/.test(site.bus.status().fault ?? ''));

  const first = await plug(t, python, link);
  const server = await serve(first.far);
  assert.deepEqual(valuesOf(await waitFor('a reading', () => site.bus.read('meter'))), expected);

  await server.stop('SIGKILL');
  await first.pty.stop('SIGKILL');
  await waitFor('the loss to be noticed', () => site.bus.status().state !== 'open');
  const before = site.samples.length;
  await waitFor('readings to say so', () => site.samples.slice(before).some((s) => s.reasons?.[0] === 2));

  const second = await plug(t, python, link);
  await serve(second.far);
  assert.deepEqual(valuesOf(await waitFor('a reading again', () => site.bus.read('meter'))), expected);
  await waitFor('the log to say so', () => site.log.some((line) => /works again/.test(line)));
  assert.equal(
    site.log.filter((line) => /^warn .*no such port/.test(line)).length <= 2,
    true,
    'once for each time it was missing',
  );
});

test('a bus that is stopped while it opens keeps nothing alive', async (t) => {
  // Nobody answers there (RFC 5737), so opening lasts until its time-out of minutes.
  const script = `
    import { modbusTcp } from '${path.join(import.meta.dirname, '../../../src/drivers/modbus/kind.ts')}';
    import { systemClock } from '${path.join(import.meta.dirname, '../../../src/core/clock.ts')}';
    import { silentLogger } from '${path.join(import.meta.dirname, '../../../src/core/logger.ts')}';
    const settings = modbusTcp.bus.parse({ host: '192.0.2.1', timeout: '1m' });
    const context = { clock: systemClock, logger: silentLogger, emit() {} };
    const bus = modbusTcp.create({ name: 'b', protocol: 'modbus-tcp', settings }, [], context);
    bus.start();
    await new Promise((resolve) => setImmediate(resolve));
    await bus.stop();
    console.log('stopped');`;
  const child = startChild(t, process.execPath, ['--input-type=module', '-e', script]);
  await child.line(/^stopped$/);
  await waitFor('the process to end by itself', () => child.over === 0);
});
