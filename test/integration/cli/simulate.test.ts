/** The simulator against our own drivers over real sockets and pseudo-terminals, and against pymodbus. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { PtyLine } from '../../../src/cli/simulate/line.ts';
import { Simulation } from '../../../src/cli/simulate/simulation.ts';
import type { GatewayConfig } from '../../../src/config/kinds.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import type { Sample } from '../../../src/core/point.ts';
import { reasonAt } from '../../../src/core/point.ts';
import { DRIVERS, kinds } from '../../../src/gateway/registry.ts';
import { startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { scratch } from '../../harness/scratch.ts';
import { MAIN, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer, pythonPeer } from '../../peers/peers.ts';

const SOCAT = 'apt-get install -y socat';

function configure(yaml: string): GatewayConfig {
  const { config, faults } = loadConfigText(`gateway: {id: g, stateDir: state}\n${yaml}`, '/tmp/gateway.yaml', kinds, {
    profileDirs: [],
  });
  assert.deepEqual(faults, []);
  assert.ok(config);
  return config;
}

async function serve(t: TestContext, config: GatewayConfig, options: Partial<ConstructorParameters<typeof Simulation>[1]> = {}) {
  const simulation = new Simulation(config, { clock: systemClock, ...options });
  await simulation.start();
  t.after(() => simulation.stop());
  return simulation;
}

/** Polls a bus of the configuration with the gateway's own driver. */
function poll(t: TestContext, config: GatewayConfig, name: string, port?: number): Sample[] {
  const bus = config.buses.get(name);
  assert.ok(bus);
  const driver = DRIVERS.find((one) => one.protocol === bus.protocol);
  assert.ok(driver);
  const samples: Sample[] = [];
  const devices = [...config.devices.values()].filter((device) => device.bus === name);
  const settings = port === undefined ? bus.settings : { ...bus.settings, port };
  const running = driver.create({ ...bus, settings }, devices, {
    clock: systemClock,
    logger: silentLogger,
    emit: (sample: Sample) => void samples.push(sample),
    tell: () => {},
  });
  t.after(() => running.stop());
  running.start();
  return samples;
}

const good = (sample: Sample) => reasonAt(sample, 0) === 0;
const last = (samples: Sample[]) => samples.at(-1);

const TCP = `
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: 1502, timeout: 200ms}}
devices:
  pump:
    bus: plant
    unit: 1
    interval: 20ms
    points:
      pressure: {table: holding, address: 0, type: float32, order: CDAB, unit: bar}
      speed: {table: holding, address: 4, type: uint16, scale: 0.1, unit: Hz}
  meter: {bus: plant, unit: 7, interval: 20ms, points: {total: {table: input, address: 20, type: uint64}}}
`;

test('simulated network devices hold values, keep units apart, switch faults and come back', async (t) => {
  const config = configure(TCP);
  const simulation = await serve(t, config, { tcpPorts: new Map([['plant', 0]]) });
  simulation.set('pump', 'pressure', 4.25);
  simulation.set('meter', 'total', 2n ** 60n);
  const samples = poll(t, config, 'plant', simulation.portOf('plant'));
  const of = (device: string) => samples.filter((sample) => sample.shape.device === device);
  await waitFor('both devices', () => of('pump').some(good) && of('meter').some(good));
  assert.equal(of('pump').find(good)?.values[0], 4.25);
  assert.equal(of('meter').find(good)?.values[0], 2n ** 60n);

  simulation.faults.set('exception', 'pump', '2');
  await waitFor('an exception', () => last(of('pump')) && !good(last(of('pump')) as Sample));
  simulation.faults.set('exception', 'pump', 'off');
  await waitFor('the end of it', () => last(of('pump')) && good(last(of('pump')) as Sample));

  const port = simulation.portOf('plant');
  simulation.faults.set('down', 'plant', 'on');
  await waitFor('the bus to be gone', () => last(of('meter')) && !good(last(of('meter')) as Sample));
  simulation.faults.set('down', 'plant', 'off');
  await waitFor('the bus to be back', () => last(of('meter')) && good(last(of('meter')) as Sample));
  assert.equal(simulation.portOf('plant'), port);

  simulation.set('pump', 'pressure', undefined);
  await waitFor('the value to move', () => last(of('pump')) && last(of('pump'))?.values[0] !== 4.25);
  assert.throws(() => simulation.set('pump', 'speed', 1e9), /cannot be written/);
  assert.throws(() => simulation.set('pump', 'colour', 1), /no point/);
});

test('damaged, late and absent replies of a simulated serial line are distinguished', async (t) => {
  if (peer(t, 'socat', SOCAT) === undefined) return;
  const link = path.join(scratch(t), 'field');
  const config = configure(`
buses: {field: {protocol: modbus-rtu, port: ${link}, baudRate: 115200, timeout: 100ms, retries: 0}}
devices:
  fridge: {bus: field, unit: 1, interval: 20ms, points: {t: {table: input, address: 1, type: int16, scale: 0.1, unit: Cel}}}
  other: {bus: field, unit: 2, interval: 20ms, points: {t: {table: input, address: 1, type: int16, scale: 0.1, unit: Cel}}}
`);
  const simulation = await serve(t, config, { ptys: new Map([['field', link]]) });
  simulation.set('fridge', 't', -3.5);
  simulation.set('other', 't', 8);
  const samples = poll(t, config, 'field');
  const of = (device: string) => samples.filter((sample) => sample.shape.device === device);
  await waitFor('both devices', () => of('fridge').some(good) && of('other').some(good));
  for (const [kind, target, amount] of [
    ['crc', 'fridge', '100%'],
    ['silent', 'fridge', 'on'],
    ['late', 'fridge', '150ms'],
    ['garbage', 'field', '100%'],
  ] as const) {
    simulation.faults.set(kind, target, amount);
    await waitFor(`${kind} to be seen`, () => last(of('fridge')) && !good(last(of('fridge')) as Sample));
    simulation.faults.set(kind, target, 'off');
    const before = of('fridge').length;
    await waitFor(`the end of ${kind}`, () => of('fridge').slice(before).some(good));
  }
  for (const sample of of('fridge').filter(good)) assert.equal(sample.values[0], -3.5);
  for (const sample of of('other').filter(good)) assert.equal(sample.values[0], 8);
  await simulation.stop();
  assert.equal(existsSync(link), false, 'the link goes with the simulation');
});

test('talkers: by a pseudo-terminal of ours and by a port that exists', async (t) => {
  const socat = peer(t, 'socat', SOCAT);
  if (socat === undefined) return;
  const folder = scratch(t);
  const [ours, theirs] = [path.join(folder, 'ours'), path.join(folder, 'theirs')];
  startChild(t, socat, [`PTY,link=${ours},rawer`, `PTY,link=${theirs},rawer`]);
  await waitFor('the pair', () => existsSync(ours) && existsSync(theirs));
  const config = configure(`
buses:
  air: {protocol: serial, port: ${path.join(folder, 'air')}}
  scale: {protocol: serial, port: ${theirs}}
devices:
  dust:
    bus: air
    interval: 50ms
    frame: {type: bytes, start: AA C0, stop: AB, length: 10, checksum: {type: sum8, from: 2, to: 7}}
    decode: {type: binary, endian: little, fields: {pm2_5: {offset: 2, type: uint16}, pm10: {offset: 4, type: uint16}}}
    points: {pm2_5: {scale: 0.1, unit: ug/m3}, pm10: {scale: 0.1, unit: ug/m3}}
  weight:
    bus: scale
    interval: 50ms
    frame: {type: line}
    decode: {type: regex, pattern: '(?<kg>[\\d.]+) kg', template: 'ST,GS,+{kg} kg'}
    points: {kg: {unit: kg}}
`);
  const simulation = await serve(t, config, {
    ptys: new Map([['air', path.join(folder, 'air')]]),
    ports: new Map([['scale', ours]]),
  });
  simulation.set('dust', 'pm10', 12.3);
  simulation.set('weight', 'kg', 7.5);
  const dust = poll(t, config, 'air');
  const weight = poll(t, config, 'scale');
  await waitFor('dust', () => dust.some((sample) => good(sample) && sample.values[1] === 12.3));
  await waitFor('weight', () => weight.some((sample) => good(sample) && sample.values[0] === 7.5));
  simulation.faults.set('crc', 'dust', '50%');
  simulation.faults.set('garbage', 'air', '50%');
  const before = dust.length;
  await waitFor('frames between the noise', () => dust.slice(before).filter(good).length >= 5);
  for (const sample of dust.filter(good)) assert.equal(sample.values[1], 12.3);
});

test('an instrument that is asked: answers, silence, lateness, damage', async (t) => {
  if (peer(t, 'socat', SOCAT) === undefined) return;
  const link = path.join(scratch(t), 'co2');
  const config = configure(`
buses: {line: {protocol: serial, port: ${link}}}
devices:
  co2:
    bus: line
    interval: 50ms
    request: {bytes: FF 01 86 00 00 00 00 00 79, timeout: 150ms}
    frame: {type: bytes, start: FF 86, length: 9, checksum: {type: sum8-negated, from: 1}}
    decode: {type: binary, fields: {ppm: {offset: 2, type: uint16}}}
    points: {ppm: {unit: '[ppm]'}}
`);
  const simulation = await serve(t, config, { ptys: new Map([['line', link]]) });
  simulation.set('co2', 'ppm', 544);
  const samples = poll(t, config, 'line');
  await waitFor('a reply', () => samples.some(good));
  for (const [kind, target, amount] of [
    ['silent', 'co2', 'on'],
    ['late', 'co2', '250ms'],
    ['crc', 'co2', '100%'],
    ['down', 'line', 'on'],
  ] as const) {
    simulation.faults.set(kind, target, amount);
    await waitFor(`${kind} to be seen`, () => last(samples) && !good(last(samples) as Sample));
    simulation.faults.set(kind, target, 'off');
    const before = samples.length;
    await waitFor(`the end of ${kind}`, () => samples.slice(before).some(good));
  }
  for (const sample of samples.filter(good)) assert.equal(sample.values[0], 544);
  assert.throws(() => simulation.faults.set('exception', 'co2', '2'), /does not speak Modbus/);
});

test('pymodbus reads the simulator; its input changes values; a signal ends it', async (t) => {
  const python = pythonPeer(t, 'pymodbus', 'apt-get install -y python3-pymodbus');
  if (python === undefined) return;
  const port = await freePort();
  const gateway = makeGateway(t, () => `gateway: {id: g, stateDir: state}\n${TCP.replace('1502', String(port))}`);
  const child = startChild(t, process.execPath, [MAIN, 'simulate', gateway.config, '--seed', '3'], { stdin: true });
  assert.match(
    await child.line(/^plant:/),
    /modbus-tcp on 127\.0\.0\.1:\d+: pump unit 1 \(pressure, speed\); meter unit 7 \(total\)/,
  );
  child.write('set pump.speed 12.5');
  child.write('set pump.colour red');
  child.write('exception meter 2');
  await child.line(/no point pump\.colour/);
  const script = `
import json, sys
from pymodbus.client import ModbusTcpClient
c = ModbusTcpClient('127.0.0.1', port=int(sys.argv[1])); assert c.connect()
def ask(kind, address, count, unit):
    try: r = kind(address, count=count, slave=unit)
    except TypeError: r = kind(address, count=count, device_id=unit)
    return r.exception_code if r.isError() else r.registers
h, i = c.read_holding_registers, c.read_input_registers
print(json.dumps([ask(h, 4, 1, 1), ask(h, 0, 2, 1), ask(i, 20, 4, 7), ask(h, 500, 1, 1), ask(h, 0, 1, 99)]))
`;
  let answers: unknown[] = [];
  await waitFor(
    () => `pymodbus to see the changes: ${JSON.stringify(answers)}`,
    async () => {
      const { stdout } = await promisify(execFile)(python, ['-c', script, String(port)]);
      answers = JSON.parse(stdout) as unknown[];
      return Array.isArray(answers[0]) && answers[0][0] === 125 && answers[2] === 2;
    },
  );
  assert.equal((answers[1] as number[]).length, 2);
  assert.deepEqual(answers.slice(3), [2, 11]);
  assert.equal(await child.stop('SIGTERM'), 0);
});

test('what cannot be served is refused or told in words', async (t) => {
  const gateway = makeGateway(
    t,
    () => `gateway: {id: g, stateDir: state}\n${TCP.replace('1502', '15021').replace('host: 127.0.0.1', 'host: 10.1.2.3')}`,
  );
  const run = async (...args: string[]) => {
    const child = startChild(t, process.execPath, [MAIN, 'simulate', ...args]);
    return { code: await child.ended, words: child.stderr.join('\n') };
  };
  for (const [args, code, words] of [
    [['/nowhere.yaml'], 78, /nowhere\.yaml/],
    [[gateway.config, '--fault', 'deaf:pump'], 2, /no fault "deaf"/],
    [[gateway.config, '--pty', 'field=/tmp/x'], 2, /no bus field in .*; the buses are: plant/],
    [[gateway.config, '--pty', 'field'], 2, /Write BUS=VALUE/],
    [[gateway.config, '--listen', '10.255.255.1'], 1, /does not have that address/],
    [[], 2, /missing required argument/],
  ] as const) {
    const result = await run(...args);
    assert.match(result.words, words);
    assert.equal(result.code, code, result.words);
  }
  const serial = makeGateway(
    t,
    () =>
      'gateway: {id: g, stateDir: state}\nbuses: {f: {protocol: modbus-rtu, port: /dev/x}}\ndevices: {d: {bus: f, profile: xy-md02}}\n',
  );
  const nothing = await run(serial.config);
  assert.deepEqual([nothing.code, nothing.words], [2, 'sluice: nothing is served']);
  const config = configure(
    'buses: {f: {protocol: modbus-rtu, port: /dev/x}}\ndevices: {d: {bus: f, points: {p: {table: coil, address: 0, type: bool}}}}',
  );
  const simulation = await serve(t, config);
  assert.match(simulation.served[0]?.why ?? '', /--pty f=\/dev\/x .*--port f=PATH/);
});

test('a path that is taken is not taken over; a link that a killed simulator left is', async (t) => {
  if (peer(t, 'socat', SOCAT) === undefined) return;
  const folder = scratch(t, 'pty');
  const settings = { baudRate: 9600, dataBits: 8, parity: 'none', stopBits: 1 };
  const link = path.join(folder, 'line');
  symlinkSync(path.join(folder, 'gone'), link);
  const first = new PtyLine(link, settings);
  t.after(() => first.close());
  await first.open(() => {});
  const end = realpathSync(link);
  await assert.rejects(
    new PtyLine(link, settings).open(() => {}),
    /line exists already: end the simulator that made it/,
  );
  assert.equal(realpathSync(link), end);
  const file = path.join(folder, 'notes.txt');
  writeFileSync(file, 'mine');
  await assert.rejects(
    new PtyLine(file, settings).open(() => {}),
    /notes\.txt exists already: give another path/,
  );
  assert.equal(readFileSync(file, 'utf8'), 'mine');
});
