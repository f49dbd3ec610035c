import assert from 'node:assert/strict';
import { truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { nodeRefusal } from '../../../src/cli/require-node.ts';
import { FaultBoard } from '../../../src/cli/simulate/faults.ts';
import { ModbusDevice } from '../../../src/cli/simulate/modbus-device.ts';
import { plausibleValue } from '../../../src/cli/simulate/plausible.ts';
import { Simulation } from '../../../src/cli/simulate/simulation.ts';
import { simulate } from '../../../src/cli/simulate.ts';
import { encodePoint } from '../../../src/codecs/modbus-encode.ts';
import type { ModbusPoint } from '../../../src/codecs/modbus-point.ts';
import { pointInfo } from '../../../src/codecs/modbus-point.ts';
import { compileRequest } from '../../../src/codecs/modbus-registers.ts';
import type { GatewayConfig, ResolvedDevice } from '../../../src/config/kinds.ts';
import { POINT_TYPES } from '../../../src/core/point.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const board = () =>
  new FaultBoard({
    devices: new Map([
      ['fridge', 'rtu'],
      ['pump', 'tcp'],
      ['dust', 'talker'],
    ]),
    buses: new Set(['field', 'plant', 'air']),
  });

test('values depend on seed, name and time alone', () => {
  const look = { type: 'float32', unit: 'Cel' };
  assert.equal(plausibleValue(look, 'a', 'b', 1, 100, 0), plausibleValue(look, 'a', 'b', 1, 100, 0));
  assert.notEqual(plausibleValue(look, 'a', 'b', 1, 100, 0), plausibleValue(look, 'a', 'b', 2, 100, 0));
  assert.notEqual(plausibleValue(look, 'a', 'b', 1, 100, 0), plausibleValue(look, 'a', 'c', 1, 100, 0));
});

test('every number moves as far as the steps of its point can show', () => {
  const looks = [
    { type: 'uint16', unit: 'Hz', scale: 0.1 },
    { type: 'uint16', unit: 'Hz' },
    { type: 'uint16', unit: 'V', scale: 0.1 },
    { type: 'int16', unit: 'kV' },
    { type: 'float32', unit: 'Hz' },
  ];
  for (const look of looks)
    for (const name of ['speed', 'frequency']) {
      const step = look.type === 'float32' ? 0.001 : (look.scale ?? 1);
      const shown = Array.from({ length: 300 }, (_, s) =>
        Math.round((plausibleValue(look, 'pump', name, 1, s, 0) as number) / step),
      );
      assert.ok(new Set(shown).size >= 3, `${name} ${JSON.stringify(look)}: ${[...new Set(shown)]}`);
    }
});

test('counters only grow, temperatures stay around 5, bools flip', () => {
  const at = (look: { type: string; unit?: string }, s: number) => plausibleValue(look, 'd', 'p', 1, s, 0);
  let before = 0;
  const bools = new Set<unknown>();
  for (let s = 0; s < 3600; s += 10) {
    const energy = at({ type: 'float32', unit: 'kW.h' }, s) as number;
    assert.ok(energy >= before);
    before = energy;
    const temperature = at({ type: 'int16', unit: 'Cel' }, s) as number;
    assert.ok(temperature > 2 && temperature < 8, `${temperature}`);
    bools.add(at({ type: 'bool' }, s));
  }
  assert.ok(before > (at({ type: 'float32', unit: 'kW.h' }, 0) as number));
  assert.equal(bools.size, 2);
});

test('every value fits the registers of its point, whatever type, scale and unit', () => {
  const units = fc.constantFrom('Cel', '%', 'V', 'W', 'kW.h', 'ppm', 'hPa', 'Pa', 'mV', undefined);
  const points = fc.record({
    type: fc.constantFrom(...POINT_TYPES.filter((type) => type !== 'bool')),
    scale: fc.constantFrom(1, 0.1, 0.01, 0.0001, 10, -1),
    offset: fc.constantFrom(0, -40, 100),
    unit: units,
  });
  fc.assert(
    fc.property(points, fc.integer({ min: 0, max: 1e7 }), fc.integer(), ({ type, scale, offset, unit }, seconds, seed) => {
      const number = type !== 'string' && type !== 'datetime';
      const point: ModbusPoint = {
        ...{ name: 'p', table: 'holding', address: 0, type, unit },
        ...(number ? { scale, offset } : { length: type === 'datetime' ? 2 : 8 }),
      };
      assert.ok(encodePoint(point, plausibleValue(point, 'd', 'p', seed, seconds, 1_795_000_000_000)).length > 0);
    }),
  );
});

test('a bit field and a scaled register of a simulated device read back as what it shows', () => {
  const points = {
    power: { table: 'holding', address: 0, type: 'int16', scaleFactor: 'power-sf', unit: 'W' },
    'power-sf': { table: 'holding', address: 1, type: 'int16' },
    mode: { table: 'holding', address: 2, type: 'uint32', bits: { first: 20, count: 5 } },
    fault: { table: 'holding', address: 2, type: 'uint32', bit: 31 },
    low: { table: 'holding', address: 4, type: 'uint8' },
    high: { table: 'holding', address: 4, type: 'uint8', order: 'BA' },
  };
  const device: ResolvedDevice = { name: 'd', bus: 'b', settings: { unit: 1 }, points: new Map(Object.entries(points)) };
  const config = {
    buses: new Map([['b', { name: 'b', protocol: 'modbus-tcp', settings: {} }]]),
    devices: new Map([['d', device]]),
  } as unknown as GatewayConfig;
  const clock = new ManualClock();
  const simulation = new Simulation(config, { clock });
  const modbus = Object.entries(points).map(([name, keys]) => ({ ...(keys as Omit<ModbusPoint, 'name'>), name }));
  const decode = compileRequest({ device: 'd', points: modbus.map(pointInfo) }, modbus, 0);
  const look = () => {
    const reply = new ModbusDevice(device, (d, p) => simulation.value(d, p)).answer(Uint8Array.of(3, 0, 0, 0, 5));
    const sample = decode(reply.subarray(2), 0);
    assert.equal(sample.reasons, null);
    return Object.fromEntries(modbus.map(({ name }, i) => [name, sample.values[i]]));
  };
  assert.equal(look()['power-sf'], -1);
  assert.ok(Number(look().power) > 400 && Number(look().power) < 1400, `${look().power}`);
  for (const [name, value] of Object.entries({ power: 12.5, mode: 21, fault: true, low: 7, high: 200 }))
    simulation.set('d', name, value);
  assert.deepEqual(look(), { power: 12.5, 'power-sf': -1, mode: 21, fault: true, low: 7, high: 200 });
  simulation.set('d', 'power-sf', 1);
  simulation.set('d', 'power', 1250);
  assert.deepEqual(look(), { power: 1250, 'power-sf': 1, mode: 21, fault: true, low: 7, high: 200 });
  assert.throws(() => simulation.set('d', 'mode', 32), /outside 0 to 31/);
});

test('faults are set and taken back, and wrong ones are refused with what is possible', () => {
  const faults = board();
  let changes = 0;
  faults.onChange(() => changes++);
  faults.addOption('crc:fridge:10%');
  faults.addOption('late:fridge:300ms');
  faults.addOption('exception:pump:2');
  faults.addOption('silent:dust');
  faults.addOption('garbage:air');
  assert.deepEqual(faults.device('fridge'), { crc: 0.1, late: 300 });
  assert.deepEqual(faults.device('pump'), { exception: 2 });
  assert.deepEqual(faults.device('dust'), { silent: true });
  assert.deepEqual(faults.bus('air'), { garbage: 1 });
  faults.set('late', 'fridge', 'off');
  assert.deepEqual(faults.device('fridge'), { crc: 0.1, late: undefined });
  assert.equal(changes, 6);
  for (const [option, words] of [
    ['deaf:fridge', /no fault "deaf".*silent:DEVICE/],
    ['silent:freezer', /no device freezer.*fridge, pump, dust/],
    ['garbage:fridge', /no bus fridge.*field, plant, air/],
    ['crc:pump:10%', /no checksum.*garbage/],
    ['late:dust:1s', /talks by itself/],
    ['late:fridge:soon', /300ms/],
    ['crc:fridge:200%', /10%/],
    ['exception:fridge:0', /write for example 4/],
    ['silent:fridge:maybe', /on or off/],
  ] as const)
    assert.throws(() => faults.addOption(option), words);
});

test('a device answers what it has, and says by which exception what it has not', () => {
  const point = (settings: object) => settings as Record<string, unknown>;
  const device: ResolvedDevice = {
    name: 'd',
    bus: 'b',
    settings: { unit: 1, limits: { maxRegisters: 10, maxBits: 16, maxGap: 2, gaps: [{ table: 'input', from: 1, to: 1 }] } },
    points: new Map([
      ['a', point({ table: 'holding', address: 100, type: 'uint16' })],
      ['flag', point({ table: 'holding', address: 103, type: 'uint16', bit: 3 })],
      ['other', point({ table: 'holding', address: 103, type: 'uint16', bit: 0 })],
      ['far', point({ table: 'holding', address: 107, type: 'uint16' })],
      ['coil', point({ table: 'coil', address: 9, type: 'bool' })],
      ['first', point({ table: 'input', address: 0, type: 'uint16' })],
      ['third', point({ table: 'input', address: 2, type: 'uint16' })],
    ]),
  };
  const values: Record<string, number | boolean> = { a: 0x1234, flag: true, other: true, far: 7, coil: true };
  const simulated = new ModbusDevice(device, (_, name) => values[name] ?? 0);
  const ask = (code: number, start: number, count: number) =>
    Buffer.from(simulated.answer(Uint8Array.of(code, start >> 8, start & 255, count >> 8, count & 255))).toString('hex');
  assert.equal(ask(3, 100, 4), '03081234000000000009');
  assert.equal(ask(1, 9, 1), '010101');
  assert.equal(ask(3, 101, 2), '030400000000');
  // A hole of three is more than the device allows to be read along.
  assert.equal(ask(3, 103, 5), '8302');
  assert.equal(ask(4, 0, 1), '04020000');
  assert.equal(ask(4, 0, 3), '8402', 'a gap that must not be read');
  assert.equal(ask(4, 100, 1), '8402');
  assert.equal(ask(3, 100, 11), '8303');
  assert.equal(ask(3, 100, 0), '8303');
  assert.equal(ask(7, 100, 1), '8701');
  const { maxGap: _, ...without } = device.settings.limits as Record<string, unknown>;
  const open = new ModbusDevice({ ...device, settings: { unit: 1, limits: without } }, () => 0);
  assert.equal(open.answer(Uint8Array.of(3, 0, 103, 0, 5)).length, 12, 'without maxGap every hole may be read along');
});

test('writes change what is read back, within the registers of points; set takes them back', () => {
  const point = (settings: object) => settings as Record<string, unknown>;
  const simulated = new ModbusDevice(
    {
      name: 'd',
      bus: 'b',
      made: { vendor: 'Eastron', model: 'SDM120' },
      settings: { unit: 1, limits: { maxRegisters: 125, maxBits: 2000, maxGap: 8 } },
      points: new Map([
        ['f', point({ table: 'holding', address: 10, type: 'float32' })],
        ['b', point({ table: 'holding', address: 14, type: 'uint16', bit: 2 })],
        ['c', point({ table: 'coil', address: 3, type: 'bool' })],
        ['d', point({ table: 'coil', address: 4, type: 'bool' })],
        ['i', point({ table: 'input', address: 0, type: 'uint16' })],
      ]),
    },
    (_, name) => (name === 'f' || name === 'i' ? 0 : false),
  );
  const ask = (hex: string) => Buffer.from(simulated.answer(Buffer.from(hex.replaceAll(' ', ''), 'hex'))).toString('hex');
  assert.equal(ask('06 000A 4020'), '06000a4020');
  assert.equal(ask('03 000A 0002'), '030440200000');
  assert.equal(ask('10 000A 0002 04 3FC0 0001'), '10000a0002');
  assert.equal(ask('03 000A 0005'), '030a3fc00001000000000000');
  assert.equal(ask('06 000E FFFF'), '06000effff');
  assert.equal(ask('05 0003 FF00'), '050003ff00');
  assert.equal(ask('0F 0003 0002 01 02'), '0f00030002');
  assert.equal(ask('01 0003 0002'), '010102');
  for (const [request, why] of [
    ['06 000C 0001', 'a hole may be read, not written'],
    ['10 000B 0002 04 0000 0000', 'the second is no point'],
    ['05 0005 FF00', 'no such coil'],
    ['06 0000 0001', 'input registers are not written'],
  ] as const)
    assert.match(ask(request), /^[89]\d02$/, why);
  for (const wrong of ['05 0003 0100', '06 000A', '10 000A 0002 03 000000', '10 000A 0000 00', '0F 0003 0002 02 0000'])
    assert.match(ask(wrong), /^[89][0-9a-f]03$/, wrong);
  simulated.forget('f');
  assert.equal(ask('03 000A 0002'), '030400000000');
  assert.equal(ask('03 000E 0001'), '0302ffff');
  assert.equal(
    ask('2B 0E 01 00'),
    `2b0e018100000300${'07'}${Buffer.from('Eastron').toString('hex')}0106${Buffer.from('SDM120').toString('hex')}020130`,
  );
  assert.equal(ask('2B 0E 04 01'), `2b0e0481000001010${6}${Buffer.from('SDM120').toString('hex')}`);
  assert.equal(ask('2B 0E 04 09'), 'ab02');
  assert.equal(ask('2B 0D 01 00'), 'ab01');
});

test('an older Node is refused in words', () => {
  assert.match(nodeRefusal('v20.20.2') ?? '', /needs Node 24 or newer, and this is v20\.20\.2/);
  assert.equal(nodeRefusal('v24.0.0'), undefined);
  assert.equal(nodeRefusal('v26.1.0'), undefined);
});

test('a port that is none and a recording without a bound are refused in words', async (t) => {
  const dir = scratch(t, 'simulate');
  const [config, recording] = [path.join(dir, 'gateway.yaml'), path.join(dir, 'long.jsonl')];
  writeFileSync(config, 'gateway: {id: g}\nbuses: {plant: {protocol: modbus-tcp, host: 127.0.0.1}}\n');
  for (const port of ['abc', '99999', '-1', '1.5'])
    await assert.rejects(simulate([config, '--tcp-port', `plant=${port}`]), /write a port from 1 to 65535/, port);
  writeFileSync(recording, '');
  truncateSync(recording, 65 * 1024 ** 2);
  await assert.rejects(simulate([config, '--replay', `plant=${recording}`]), /at most 64MB are played; record a shorter time/);
  await assert.rejects(simulate([config, '--replay', `plant=${dir}/none`]), /cannot be read: there is no such file or folder$/);
});
