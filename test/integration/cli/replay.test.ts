/** A fault from the field at a desk: captured from a running gateway, played back, seen again. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { type FrameKind, parseRecording } from '../../../src/cli/simulate/recording.ts';
import { Simulation } from '../../../src/cli/simulate/simulation.ts';
import type { GatewayConfig } from '../../../src/config/kinds.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import type { Sample } from '../../../src/core/point.ts';
import { reasonAt } from '../../../src/core/point.ts';
import { reasonName } from '../../../src/core/reasons.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { createBus } from '../../../src/gateway/registry-create.ts';
import { fakeTcp, withMbap } from '../../fakes/modbus-device.ts';
import { damagedFrame, rtuFrame, rtuLine } from '../../fakes/rtu-line.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { type Gateway, MAIN, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

/** What happens in the field once the capture runs, poll after poll; before and after it the register holds 0. */
const SESSION = ['1', '2', 'crc', '4', 'timeout', 'exception', '7', '8'];
type Act = 'good' | 'crc' | 'timeout' | 'exception';

/** Gives each poll of the session its turn, once it is let go. */
class Director {
  #next = -1;
  begin(): void {
    this.#next = 0;
  }
  rest(): void {
    this.#next = -1;
  }
  get over(): boolean {
    return this.#next >= SESSION.length + 3;
  }
  turn(): { act: Act; value: number } {
    const word = this.#next < 0 ? '0' : (SESSION[this.#next] ?? '0');
    if (this.#next >= 0) this.#next++;
    return /^\d$/.test(word) ? { act: 'good', value: Number(word) } : { act: word as Act, value: 9 };
  }
}

function fridgeGateway(t: TestContext, bus: string): Gateway {
  return makeGateway(
    t,
    ({ section }) => `${section}
buses: {field: {${bus}, timeout: 400ms, retries: 0}}
devices:
  fridge: {bus: field, unit: 3, interval: 250ms, points: {t: {table: holding, address: 7, type: uint16}}}
  other: {bus: field, unit: 4, interval: 250ms, points: {t: {table: holding, address: 7, type: uint16}}}
`,
  );
}

/** Once more where a pause made a session another one: the gateway counts what came of each of its polls. */
async function record(t: TestContext, gateway: Gateway, director: Director): Promise<string> {
  return waitFor('a session without a pause', async () => {
    const { file, lost } = await recordOnce(t, gateway, director);
    return lost === SESSION.filter((word) => word === 'timeout').length ? file : undefined;
  });
}

/** @returns `lost`: requests that had no answer in time from the begin of the session on */
async function recordOnce(t: TestContext, gateway: Gateway, director: Director): Promise<{ file: string; lost: number }> {
  await gateway.up();
  const timeouts = async (): Promise<number> =>
    (await gateway.status()).buses[0]?.devices.reduce((sum, { counters }) => sum + (counters.timeouts ?? 0), 0) ?? 0;
  const file = path.join(gateway.folder, 'fault.jsonl');
  rmSync(file, { force: true });
  const child = startChild(t, process.execPath, [MAIN, 'capture', 'field', '--replay', file, '-c', gateway.config]);
  await waitFor('frames in the file', () => existsSync(file) && readFileSync(file, 'utf8').split('\n').length > 8);
  const before = await timeouts();
  director.begin();
  await waitFor('the end of the session', () => director.over);
  const lost = (await timeouts()) - before;
  child.signal('SIGINT');
  assert.equal(await child.ended, 0);
  await gateway.stop();
  director.rest();
  return { file, lost };
}

/** Polls the played bus with the gateway's own driver: a value or a reason for each poll of the fridge. */
async function played(
  t: TestContext,
  gateway: Gateway,
  file: string,
): Promise<{ outcomes: () => string[]; unrecorded: string[] }> {
  const { config } = loadConfig(gateway.config, kinds, { profileDirs: [] }) as { config: GatewayConfig };
  const unrecorded: string[] = [];
  const simulation = new Simulation(config, {
    clock: systemClock,
    tcpPorts: new Map([['field', 0]]),
    replays: new Map([['field', parseRecording(readFileSync(file, 'utf8'), file)]]),
    unrecorded: (_bus, request) => void unrecorded.push(request),
  });
  await simulation.start();
  t.after(() => simulation.stop());
  const bus = config.buses.get('field');
  assert.ok(bus);
  const samples: Sample[] = [];
  const emit = (sample: Sample) => void samples.push(sample);
  const devices = [...config.devices.values()];
  const made = createBus({ ...bus, settings: { ...bus.settings, port: simulation.portOf('field') } }, devices, {
    ...{ clock: systemClock, logger: silentLogger, emit, tell: () => {} },
  });
  t.after(() => made.stop());
  made.start();
  const fridge = () => samples.filter((s) => s.shape.device === 'fridge');
  return {
    unrecorded,
    outcomes: () => fridge().map((s) => (reasonAt(s, 0) === 0 ? String(s.values[0]) : reasonName(reasonAt(s, 0)))),
  };
}

const inOrder = (outcomes: readonly string[], what: readonly string[]) => outcomes.join(' ').includes(what.join(' '));

test('a serial replay repeats damage, a late reply and an exception in order, and loops', async (t) => {
  const director = new Director();
  const line = await rtuLine(t, ({ unit, code }, send) => {
    if (unit !== 3) return send(rtuFrame(unit, code, 2, 0, 5));
    const { act, value } = director.turn();
    if (act === 'exception') send(rtuFrame(3, code | 0x80, 4));
    else if (act === 'timeout') setTimeout(() => send(rtuFrame(3, code, 2, 0, 99)), 600);
    else send((act === 'crc' ? damagedFrame : rtuFrame)(3, code, 2, 0, value));
  });
  const gateway = fridgeGateway(t, `protocol: modbus-rtu-over-tcp, host: 127.0.0.1, port: ${line.port}, baudRate: 115200`);
  const file = await record(t, gateway, director);
  const { outcomes, unrecorded } = await played(t, gateway, file);
  await waitFor(
    () => `the session; there were ${outcomes().join(' ')}`,
    () => inOrder(outcomes(), SESSION),
  );
  await waitFor('the session once more', () => inOrder(outcomes().slice(outcomes().indexOf('8')), SESSION));
  assert.ok(!outcomes().includes('99'), 'a late reply is never a value');
  assert.deepEqual(unrecorded, []);
});

test('a network: the replies carry the transaction ids of today', async (t) => {
  const director = new Director();
  const device = await fakeTcp(t, ({ unit, code, transaction }, reply) => {
    const send = (...pdu: number[]) => reply.send(withMbap(Uint8Array.of(unit, ...pdu), transaction));
    if (unit !== 3) return send(code, 2, 0, 5);
    const { act, value } = director.turn();
    if (act === 'exception' || act === 'crc') send(code | 0x80, 4);
    else if (act === 'timeout') setTimeout(() => send(code, 2, 0, 99), 600);
    else send(code, 2, 0, value);
  });
  const gateway = fridgeGateway(t, `protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}`);
  const file = await record(t, gateway, director);
  const { outcomes } = await played(t, gateway, file);
  const expected = SESSION.map((word) => (word === 'crc' ? 'exception' : word));
  await waitFor(
    () => `the session; there were ${outcomes().join(' ')}`,
    () => inOrder(outcomes(), expected),
  );
  assert.ok(!outcomes().includes('99'));

  // The same by the command line.
  const child = startChild(t, process.execPath, [
    MAIN,
    'simulate',
    gateway.config,
    '--replay',
    `field=${file}`,
    '--tcp-port',
    'field=0',
    '--json',
  ]);
  const { where } = JSON.parse(await child.line(/^\{/));
  assert.match(where, /^127\.0\.0\.1:[1-9]\d*$/);
  writeFileSync(gateway.config, readFileSync(gateway.config, 'utf8').replace('modbus-tcp', 'modbus-rtu-over-tcp'));
  const other = startChild(t, process.execPath, [MAIN, 'simulate', gateway.config, '--replay', `field=${file}`]);
  assert.equal(await other.ended, 2);
  assert.match(other.stderr.join('\n'), /field is modbus-rtu-over-tcp, and the capture is of modbus-tcp/);
});

test('datagrams: lost, damaged and late ones come again as they were', async (t) => {
  const director = new Director();
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  socket.on('message', (request, from) => {
    const [transaction, unit, code] = [request.readUInt16BE(0), request[6] ?? 0, request[7] ?? 0];
    const send = (...pdu: number[]) => socket.send(withMbap(Uint8Array.of(unit, ...pdu), transaction), from.port, from.address);
    if (unit !== 3) return send(code, 2, 0, 5);
    const { act, value } = director.turn();
    if (act === 'exception') send(code | 0x80, 4);
    else if (act === 'crc') send(code, 4, 0, 9, 0, 9);
    else if (act === 'timeout') setTimeout(() => send(code, 2, 0, 99), 600);
    else send(code, 2, 0, value);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const gateway = fridgeGateway(t, `protocol: modbus-udp, host: 127.0.0.1, port: ${socket.address().port}`);
  const file = await record(t, gateway, director);
  const { outcomes, unrecorded } = await played(t, gateway, file);
  const expected = SESSION.map((word) => (word === 'crc' ? 'bad-reply' : word));
  await waitFor(
    () => `the session; there were ${outcomes().join(' ')}`,
    () => inOrder(outcomes(), expected),
  );
  assert.ok(!outcomes().includes('99'), 'a late reply is never a value');
  assert.deepEqual(unrecorded, []);
});

const HEAD = (protocol: string) => JSON.stringify({ type: 'capture', v: 1, protocol });
const frame = (way: string, time: number, bytes: Uint8Array) =>
  JSON.stringify({ way, time, bytes: Buffer.from(bytes).toString('hex') });

test('a late reply goes to the request that it answers, noise to the one before it', () => {
  const first = rtuFrame(1, 3, 0, 0, 0, 2);
  const second = rtuFrame(2, 3, 0, 0, 0, 1);
  const text = [
    HEAD('modbus-rtu'),
    frame('out', 1000, first),
    frame('out', 1100, second),
    frame('in', 1120, rtuFrame(1, 3, 4, 0, 1, 0, 2)),
    '{"type":"missed","frames":3}',
    frame('noise', 1130, Uint8Array.of(7)),
    frame('in', 1140, rtuFrame(2, 0x83, 2)),
    frame('out', 2000, first),
  ].join('\n');
  const { requests, kind } = parseRecording(text, 'x');
  assert.equal(kind satisfies FrameKind, 'rtu');
  const shown = (request: Buffer) =>
    requests.get(request.subarray(0, -2).toString('hex'))?.map((o) => o.map((a) => [a.after, a.bytes.length]));
  assert.deepEqual(shown(first), [[[120, 9]], []]);
  assert.deepEqual(shown(second), [
    [
      [30, 1],
      [40, 5],
    ],
  ]);
});

test('a serial line is played on a pseudo-terminal, at the pace of its baud rate', async (t) => {
  if (peer(t, 'socat', 'apt-get install -y socat') === undefined) return;
  const link = path.join(scratch(t), 'field');
  const file = path.join(scratch(t), 'gateway.yaml');
  writeFileSync(
    file,
    `gateway: {id: g1, stateDir: state}
buses: {field: {protocol: modbus-rtu, port: ${link}, baudRate: 19200, timeout: 300ms, retries: 0}}
devices: {fridge: {bus: field, unit: 3, interval: 150ms, points: {t: {table: holding, address: 7, type: uint16}}}}
`,
  );
  const ask = rtuFrame(3, 3, 0, 7, 0, 1);
  const turn = (at: number, way: string, bytes: Uint8Array) => [frame('out', at, ask), frame(way, at + 20, bytes)];
  const text = [
    HEAD('modbus-rtu'),
    ...turn(1000, 'in', rtuFrame(3, 3, 2, 0, 1)),
    ...turn(2000, 'noise', damagedFrame(3, 3, 2, 0, 2)),
    ...turn(3000, 'in', rtuFrame(3, 0x83, 4)),
    frame('out', 4000, ask),
  ].join('\n');
  const { config } = loadConfig(file, kinds, { profileDirs: [] });
  assert.ok(config);
  const replays = new Map([['field', parseRecording(text, 'x')]]);
  const simulation = new Simulation(config, { clock: systemClock, ptys: new Map([['field', link]]), replays });
  await simulation.start();
  t.after(() => simulation.stop());
  const samples: Sample[] = [];
  const bus = config.buses.get('field');
  assert.ok(bus);
  const made = createBus(bus, [...config.devices.values()], {
    ...{ clock: systemClock, logger: silentLogger, emit: (sample: Sample) => void samples.push(sample), tell: () => {} },
  });
  t.after(() => made.stop());
  made.start();
  const outcomes = () => samples.map((s) => (reasonAt(s, 0) === 0 ? String(s.values[0]) : reasonName(reasonAt(s, 0))));
  const once = ['1', 'crc', 'exception', 'timeout'];
  // A pause makes a time-out of any of them; it plays on without end.
  await waitFor(
    () => `two rounds in a row; there were ${outcomes().join(' ')}`,
    () => inOrder(outcomes(), [...once, ...once]),
  );
});

test('what is no capture is refused with its line', () => {
  const request = frame('out', 1, rtuFrame(1, 3, 0, 0, 0, 2));
  for (const [text, words] of [
    ['', /x:1: this is not a capture; make it with sluice capture/],
    ['{"type":"capture","v":2,"protocol":"modbus-rtu"}', /x:1: this is not a capture/],
    [HEAD('serial'), /x:1: captures of serial cannot be played/],
    [HEAD('modbus-rtu'), /x:1: there is no request/],
    [`${HEAD('modbus-rtu')}\n${request}\n{"way":"in"}`, /x:3: this is not a frame/],
    [`${HEAD('modbus-rtu')}\n${frame('out', 1, Uint8Array.of(1, 2, 3, 4))}`, /x:2: this request is damaged/],
    [`${HEAD('modbus-rtu')}\n${frame('up', 1, Uint8Array.of(1))}`, /x:2: "way" is out, in or noise/],
  ] as const)
    assert.throws(
      () => parseRecording(text, 'x'),
      (e: unknown) => e instanceof SluiceError && e.code === 'usage' && words.test(e.message),
      text,
    );
});
