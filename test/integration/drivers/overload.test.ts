/** A bus that is asked for more than it carries: what is in alarm is read more often, nobody starves, and operators are told. */
// Needs a quiet machine: other programs must keep its pace.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { validConfig } from '../../../src/cli/config-file.ts';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { Gateway } from '../../../src/gateway/gateway.ts';
import { type FakeDevice, fakeTcp, rightPdu, withMbap } from '../../fakes/modbus-device.ts';
import { Peek } from '../../harness/mqtt-peek.ts';
import { scratch } from '../../harness/scratch.ts';
import { makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

/** They are so far apart that each takes a request. */
const ADDRESSES = [0, 200, 400, 600, 800, 1000];
const points = ADDRESSES.map((a) => `      r${a}: {table: holding, address: ${a}, type: uint16}`).join('\n');

/** How often each address was asked for in the next `n` requests. */
async function counts(device: FakeDevice, n: number): Promise<number[]> {
  const from = device.requests.length;
  await waitFor(`${n} requests`, () => device.requests.length >= from + n);
  const asked = device.requests.slice(from, from + n);
  return ADDRESSES.map((address) => asked.filter((r) => r.start === address).length);
}
const even = (all: number[]) => Math.max(...all) - Math.min(...all) <= 2;
const favoured = ([alarmed = 0, ...others]: number[]) => alarmed >= 2 * Math.max(...others) && Math.min(...others) > 0;

test('a point in alarm is read more often, also after a reload and a restart; nobody starves', async (t) => {
  let level = 0;
  const device = await fakeTcp(t, (request, reply) => {
    const pdu = rightPdu(request);
    if (request.start === 0) pdu.writeUInt16BE(level, 3);
    setTimeout(() => reply.send(withMbap(pdu, request.transaction)), 15);
  });
  const yaml = (interval: string) => `
gateway: {id: g1, stateDir: state, runtimeDir: run}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices:
  tank:
    bus: plant
    unit: 1
    interval: ${interval}
    points:
${points}
rules: {high: {point: tank.r0, above: 5}}
`;
  const gateway = makeGateway(t, () => yaml('20ms'));
  await gateway.up();
  assert.ok(even(await counts(device, 60)), 'without an alarm all are read alike');
  level = 9;
  await waitFor('the alarm', () => gateway.logs().some((line) => line.state === 'active-unacknowledged'));
  const alarmed = await counts(device, 60);
  assert.ok(favoured(alarmed), alarmed.join(' '));

  gateway.write(yaml('25ms'));
  gateway.signal('SIGHUP');
  await gateway.waitForLog(/^Reloaded\.$/);
  const reloaded = await counts(device, 60);
  assert.ok(favoured(reloaded), `after a reload: ${reloaded.join(' ')}`);

  assert.equal(await gateway.stop(), 0);
  await gateway.up();
  const restarted = await counts(device, 60);
  assert.ok(favoured(restarted), `after a restart: ${restarted.join(' ')}`);

  level = 0;
  await waitFor('its end', () => gateway.logs().some((line) => line.state === 'normal'));
  const calm = await counts(device, 60);
  assert.ok(even(calm), `after the alarm: ${calm.join(' ')}`);
});

/** So much of a pause counts, ms: half of the interval of the device. A machine that stands still would leave out polls by itself. */
const MOST_PAUSE = 150;

/** A clock that may hurry: half a minute of it is then one second of the machine. */
class HurriedClock implements Clock {
  #pace = 1;
  #from = performance.now();
  #passed = 0;
  readonly #wall = Date.now();
  readonly #ticks = setInterval(() => this.monotonic(), MOST_PAUSE / 10);

  monotonic(): number {
    const now = performance.now();
    this.#passed += Math.min(now - this.#from, MOST_PAUSE) * this.#pace;
    this.#from = now;
    return this.#passed;
  }
  wall(): number {
    return this.#wall + this.monotonic();
  }
  after(ms: number, run: () => void): () => void {
    return systemClock.after(ms / this.#pace, run);
  }
  exactly(ms: number, run: () => void): () => void {
    return this.after(ms, run);
  }
  hurry(): void {
    this.monotonic();
    this.#pace = 30;
  }
  calm(): void {
    this.monotonic();
    clearInterval(this.#ticks);
    this.#pace = 1;
  }
}

test('an overload is told once when it begins and once when it ends, on the topic of events', async (t) => {
  let delay = 0;
  const device = await fakeTcp(t, (request, reply) => {
    setTimeout(() => reply.send(withMbap(rightPdu(request), request.transaction)), delay);
  });
  const clock = new HurriedClock();
  let running: Gateway | undefined;
  // Before its folder goes.
  t.after(() => {
    clock.calm();
    return running?.stop();
  });
  const folder = scratch(t, 'overload');
  const file = path.join(folder, 'gateway.yaml');
  writeFileSync(
    file,
    `
gateway: {id: g1, stateDir: state, runtimeDir: run}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, timeout: 60s}}
devices:
  tank:
    bus: plant
    unit: 1
    interval: 10s
    points:
${points}
broker: {listen: {port: 0}}
`,
  );
  const { config } = validConfig(file);
  const gateway = new Gateway({
    config,
    clock,
    logger: silentLogger,
    onFatal: (error) => assert.fail(error),
  });
  running = gateway;
  await gateway.start(() => Promise.reject(new Error('nobody reloads here')));
  const { port } = await waitFor('the embedded broker', () => gateway.broker?.status().address);
  const peek = await Peek.start(t, port, 'sluice/g1/event');
  const told = () => peek.messages.map((m) => JSON.parse(m.text)).filter((e) => e.event === 'overload');
  // The overload and the hurry begin here, after the listener. A slow machine overloads the bus at its start, and nobody would hear it.
  delay = 80;
  clock.hurry();
  await waitFor('the beginning', () => told().length > 0);
  await counts(device, 40);
  assert.equal(gateway.plant.buses[0]?.status().load?.overloaded, true);
  delay = 0;
  await waitFor('the end', () => told().length > 1);
  await counts(device, 40);
  assert.deepEqual(
    told().map((e) => [e.severity, e.data.bus]),
    [
      ['warning', 'plant'],
      ['info', 'plant'],
    ],
  );
  const [begin] = told();
  assert.ok(begin.data.missed > 0 && begin.data.missed <= begin.data.due);
  assert.match(begin.message, /plant is overloaded: \d+ of \d+ polls were left out/);
});
