/** Safe values at a stop, on a device made by somebody else: many of them, beside writes that wait, in the middle of a reload. */
// Needs a quiet machine: a stop has a bounded time for all safe values, and each of them needs a turn of the device.
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { SluiceError } from '../../../src/core/errors.ts';
import { BAUD, pacedLine } from '../../harness/simulated.ts';
import { type Gateway, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { pythonPeer } from '../../peers/peers.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

/** `count` points over two units; the safe value of point n is `base` + n. Unit 9 is not there. */
function safeConfig(g: Gateway, bus: string, count: number, base: number): string {
  const point = (n: number) =>
    `p${n}: {table: holding, address: ${n}, type: uint16, write: {min: 0, max: 60000, every: 0ms, safe: {value: ${base + n}, onStop: true}}}`;
  const points = (unit: number) =>
    Array.from({ length: count }, (_, n) => n)
      .filter((n) => 1 + (n % 2) === unit)
      .map((n) => `      ${point(n)}`)
      .join('\n');
  return `
${g.section}
buses: {plant: {${bus}, timeout: 1s, retries: 0}}
devices:
  one:
    bus: plant
    unit: 1
    interval: ${base}ms
    points:
${points(1)}
  two:
    bus: plant
    unit: 2
    interval: ${base}ms
    points:
${points(2)}
  dead: {bus: plant, unit: 9, interval: 1h, points: {p: {table: holding, address: 0, type: uint16, write: {min: 0, max: 9, every: 0ms}}}}
`;
}

/** A device on a network or on a paced line; undefined after a skip. */
async function deviceOn(t: TestContext, way: 'tcp' | 'rtu'): Promise<{ device: SettableDevice; bus: string } | undefined> {
  const python = pythonPeer(t, 'pty', 'apt-get install -y python3');
  if (python === undefined) return undefined;
  const ends = way === 'rtu' ? await pacedLine(t, python) : undefined;
  const device = await SettableDevice.start(t, ends === undefined ? undefined : { path: ends[1], baud: BAUD });
  if (device === undefined) return undefined;
  const bus =
    ends === undefined
      ? `protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, inFlight: 1`
      : `protocol: modbus-rtu, port: ${ends[0]}, baudRate: ${BAUD}, parity: none`;
  return { device, bus };
}

async function safeGateway(t: TestContext, count: number, way: 'tcp' | 'rtu' = 'tcp') {
  const made = await deviceOn(t, way);
  if (made === undefined) return undefined;
  const { device, bus } = made;
  const gateway = makeGateway(t, (g) => safeConfig(g, bus, count, 100));
  await gateway.up();
  const devices = async () => (await gateway.status()).buses[0]?.devices ?? [];
  await waitFor('the devices', async () => {
    const [one, two, dead] = await devices();
    return one?.state === 'answering' && two?.state === 'answering' && (dead?.counters.timeouts ?? 0) >= 1;
  });
  const write = (point: string, value: number) => request(gateway.socket, 'POST', '/api/v1/write', { point, value });
  /** Resolves when one request to the dead device is on the wire, and no more writes are taken. */
  const fill = async (): Promise<Promise<unknown>[]> => {
    const before = (await devices())[2]?.counters.requests ?? 0;
    const pending = Array.from({ length: 9 }, () => write('dead.p', 1));
    await assert.rejects(Promise.race(pending), (error: SluiceError) => /8 writes wait on this bus already/.test(error.message));
    await waitFor('the first of them on the wire', async () => ((await devices())[2]?.counters.requests ?? 0) > before);
    return pending;
  };
  return { device, bus, gateway, write, fill };
}

const safe = (count: number, base: number) => Array.from({ length: count }, (_, n) => base + n);
const told = (gateway: Gateway) => gateway.logs().filter(({ msg }) => /was set to its safe value/.test(msg)).length;
const failures = (gateway: Gateway) => gateway.logs().filter(({ msg }) => /could not be set to its safe value/.test(msg));

for (const [count, way] of [
  [12, 'tcp'],
  [64, 'tcp'],
  [12, 'rtu'],
] as const)
  test(`all of ${count} safe values on one ${way} bus are set at a stop`, async (t) => {
    const s = await safeGateway(t, count, way);
    if (s === undefined) return;
    assert.equal(await s.gateway.stop(), 0);
    assert.deepEqual(failures(s.gateway), []);
    assert.equal(told(s.gateway), count);
    assert.deepEqual(await s.device.get('holding', 0, count), safe(count, 100));
  });

for (const way of ['tcp', 'rtu'] as const)
  test(`eight writes that wait for a dead device on ${way} hold up no safe value, and undo none`, async (t) => {
    const s = await safeGateway(t, 12, way);
    if (s === undefined) return;
    const pending = await s.fill();
    assert.equal(await s.gateway.stop(), 0);
    assert.deepEqual(failures(s.gateway), []);
    assert.equal(told(s.gateway), 12);
    assert.deepEqual(await s.device.get('holding', 0, 12), safe(12, 100));
    const ends = await Promise.allSettled(pending);
    assert.ok(ends.every(({ status }) => status === 'rejected'));
  });

/**
 * A stop during a reload, or right behind it on a slow machine; the safe values are those of the new configuration either way.
 * @returns which of the two it was, as the log says it; undefined after a skip
 */
async function stopDuringReload(t: TestContext): Promise<'middle' | 'over' | undefined> {
  const s = await safeGateway(t, 12);
  if (s === undefined) return undefined;
  const pending = await s.fill();
  // The old bus has a request on the wire that nobody answers: the reload waits for its end, and the stop comes meanwhile.
  s.gateway.write(safeConfig(s.gateway, s.bus, 12, 200));
  s.gateway.signal('SIGHUP');
  const at = (msg: string) => s.gateway.logs().findIndex((line) => line.msg === msg);
  // A bus that is being stopped takes nothing any more.
  const read = () => request(s.gateway.socket, 'POST', '/api/v1/read', { device: 'one' });
  await waitFor('the exchange of the buses, or its end', async () => {
    const code = await read().then(
      () => 'done',
      (error: SluiceError) => error.code,
    );
    return code === 'bus-closed' || at('Reloaded.') >= 0;
  });
  assert.equal(await s.gateway.stop(), 0);
  assert.deepEqual(failures(s.gateway), []);
  assert.equal(told(s.gateway), 12);
  assert.deepEqual(await s.device.get('holding', 0, 12), safe(12, 200));
  await Promise.allSettled(pending);
  const [reloaded, stopping] = [at('Reloaded.'), at('Stopping.')];
  assert.ok(stopping >= 0, s.gateway.tail());
  return reloaded >= 0 && reloaded < stopping ? 'over' : 'middle';
}

/** Stops that may come too late, one after the other. */
const TRIES = 5;

test('a stop in the middle of a reload sets the safe values of the new configuration', { timeout: 400_000 }, async (t) => {
  for (let n = 1; n <= TRIES; n++) {
    const met = await stopDuringReload(t);
    if (met === undefined) return;
    t.diagnostic(`stop ${n}: ${met === 'middle' ? 'in the middle of the reload' : 'the reload was over'}`);
    if (met === 'middle') return;
  }
  assert.fail(`each of ${TRIES} stops came when the reload was over`);
});
