/** What the simulator shows by itself: quantities where they are usual, counters, switches, phases. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type PointLook, plausibleValue } from '../../../src/cli/simulate/plausible.ts';

const at = (look: PointLook, point: string, second: number, seed = 1) => {
  const [device = '', name = ''] = point.split('.');
  return plausibleValue(look, device, name, seed, second, 0);
};
/** The values of an hour, with three seeds. */
const shown = (look: PointLook, point: string) =>
  [1, 2, 3].flatMap((seed) => Array.from({ length: 1200 }, (_, i) => Number(at(look, point, i * 3, seed))));

test('a quantity is where it is usual: by its unit, by words in names, else inside its range', () => {
  const to = (max: number) => ({ min: 0, max });
  const usual: readonly (readonly [point: string, look: Omit<PointLook, 'type'>, low: number, high: number])[] = [
    ['mains.voltage', { unit: 'V' }, 220, 240],
    ['meter.voltage-l1-l2', { unit: 'V' }, 385, 415],
    ['sun.battery', { unit: 'V', range: to(60) }, 12, 14],
    ['sun.battery_voltage', { unit: 'V' }, 12, 14],
    ['sun.battery-temperature', { unit: 'Cel' }, 25, 32],
    ['fridge.temperature', { unit: 'Cel' }, 2, 8],
    ['store.temperature', { unit: 'Cel' }, 20, 24],
    ['quality.chlorine', { unit: 'mg/L', range: to(10) }, 0.6, 0.8],
    ['quality.solids', { unit: 'mg/L' }, 200, 450],
    ['quality.ph', { unit: '[pH]', range: to(14) }, 7, 7.5],
    ['quality.turbidity', { unit: '[NTU]', range: to(100) }, 0.2, 0.9],
    ['tank.level', { unit: 'm', range: to(3) }, 1, 2],
    ['basin.level', { unit: 'm', range: to(1) }, 0.3, 0.7],
    ['gauge.level', { unit: 'm', range: to(15) }, 2.3, 2.5],
    ['particles.pm2_5', { unit: 'ug/m3' }, 5, 15],
    ['particles.pm10', { unit: 'ug/m3' }, 12, 36],
    ['gases.no2', { unit: '[ppb]' }, 20, 40],
    ['ears.vibration', { unit: 'mm/s' }, 0, 0.3],
    ['inverter.speed', { unit: 'Hz' }, 27, 49],
    ['gps.lat', { unit: 'deg' }, 23.8, 23.9],
    ['box.mystery', { unit: '[pH]', range: { min: 100, max: 200 } }, 135, 165],
    ['box.mystery', { range: to(14) }, 5, 9],
    ['box.mystery', {}, 25, 75],
  ];
  for (const [point, look, low, high] of usual) {
    const values = shown({ type: 'float32', ...look }, point);
    const [least, most] = [Math.min(...values), Math.max(...values)];
    assert.ok(least >= low && most <= high, `${point} ${JSON.stringify(look)}: ${least} to ${most}`);
    assert.ok(most > least, `${point} moves`);
  }
});

test('what is counted only grows, and begins again at 0 where the counter is full', () => {
  const growth = (look: PointLook, point: string, seconds = 86_400) =>
    Number(at(look, point, seconds)) - Number(at(look, point, 0));
  const rain = growth({ type: 'uint16', scale: 0.2, unit: 'mm' }, 'gauge.rain');
  assert.ok(rain > 5 && rain < 15, `${rain} mm a day`);
  const vehicles = growth({ type: 'uint32' }, 'road.vehicles', 900);
  assert.ok(vehicles > 100 && vehicles < 300, `${vehicles} in 15 minutes`);
  assert.ok(growth({ type: 'uint32', counter: { modulus: 100_000 } }, 'x.y', 100) > 0);
  const full: readonly (readonly [PointLook, string, number])[] = [
    [{ type: 'uint16' }, 'road.vehicles', 65_536],
    [{ type: 'uint16', scale: 0.1, unit: 'm3', counter: { modulus: 10_000 } }, 'meter.volume', 1000],
    [{ type: 'uint32', unit: 'L', range: { min: 0, max: 60_000 } }, 'meter.volume', 60_000],
  ];
  for (const [look, point, modulus] of full) {
    let [before, rolled] = [Number(at(look, point, 0)), 0];
    for (let second = 600; second < 40 * 86_400; second += 600) {
      const now = Number(at(look, point, second));
      if (now < before) rolled++;
      assert.ok(now < before ? before - now > modulus / 2 : now < modulus, `${point}: ${before}, ${now}`);
      before = now;
    }
    assert.ok(rolled > 0, `${point} rolled over`);
  }
  const total = shown({ type: 'float32', unit: 'W' }, 'meter.total-power');
  assert.ok(Math.max(...total) < 1300, 'a total power is no counter');
});

test('what can be written rests until somebody writes it', () => {
  const over = (look: PointLook, point: string) => new Set(Array.from({ length: 300 }, (_, i) => at(look, point, i * 7)));
  assert.deepEqual([...over({ type: 'bool', table: 'coil', write: {} }, 'siren.relay')], [false]);
  assert.deepEqual([...over({ type: 'uint16', enum: { 0: 'off', 1: 'heat' }, write: {} }, 'room.mode')], ['off']);
  assert.deepEqual([...over({ type: 'int16', unit: 'Cel', write: { min: 5, max: 31 } }, 'hall.setpoint')], [18]);
  assert.equal(over({ type: 'bool', table: 'coil' }, 'siren.relay').size, 2);
});

test('the phases of one instrument move together, and are not alike', () => {
  for (const [unit, name, apart] of [
    ['W', 'power', 0.2],
    ['V', 'voltage', 0.02],
  ] as const)
    for (let second = 0; second < 900; second += 10) {
      const phases = [1, 2, 3].map((phase) => Number(at({ type: 'float32', unit }, `meter.${name}-l${phase}`, second)));
      assert.equal(new Set(phases).size, 3);
      const mean = phases.reduce((sum, one) => sum + one) / 3;
      for (const one of phases) assert.ok(Math.abs(one - mean) < apart * mean, `${name}: ${phases}`);
    }
});
