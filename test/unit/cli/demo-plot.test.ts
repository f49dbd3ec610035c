/** The plot, the plant and the tally of the demonstration. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { GatewayStatus } from '../../../src/admin/target.ts';
import { Plant } from '../../../src/cli/demo/plant.ts';
import { FAULTS, Plot } from '../../../src/cli/demo/plot.ts';
import { Counter } from '../../../src/cli/demo/tally.ts';
import { statusOf } from '../../fakes/admin-target.ts';

const START = Date.UTC(2026, 10, 26);
const number = (plant: Plant, point: string) => Number(plant.values().get(point));

function plotOf() {
  const done: string[] = [];
  const said: string[] = [];
  const plot = new Plot(FAULTS, {
    act: (fault, isOn) => done.push(`${fault} ${isOn ? 'on' : 'off'}`),
    say: (text) => said.push(text),
  });
  plot.begin(1000);
  return { plot, done, said };
}

test('the plot shows an alarm, an outage and its end within the first minute, then begins again', () => {
  const { plot, done, said } = plotOf();
  for (let t = 0; t <= 45_000; t += 100) plot.tick(1000 + t);
  assert.deepEqual(done, ['door on', 'network on', 'door off', 'network off']);
  assert.equal(said.length, 4);
  for (let t = 45_000; t <= 125_000; t += 100) plot.tick(1000 + t);
  assert.deepEqual(done.slice(4), [
    'unplugged on',
    'unplugged off',
    'stopped on',
    'stopped off',
    'noise on',
    'noise off',
    'door on',
  ]);
});

test('what comes next is counted down', () => {
  const { plot } = plotOf();
  assert.deepEqual(plot.coming(1000), { leads: false, text: 'somebody leaves the fridge open', seconds: 8 });
  assert.equal(plot.coming(8900).seconds, 1);
  plot.tick(9000);
  assert.deepEqual(plot.coming(9000), { leads: false, text: 'the network is cut', seconds: 10 });
  for (let t = 0; t <= 110_000; t += 100) plot.tick(1000 + t);
  assert.deepEqual(plot.coming(111_000), { leads: false, text: 'the story begins again', seconds: 6 });
});

test('a key leads: the plot waits, the key ends its fault, the plot begins again', () => {
  const { plot, done } = plotOf();
  assert.equal(plot.press('n', 2000), true);
  for (let t = 2000; t < 30_000; t += 100) plot.tick(t);
  assert.deepEqual(done, ['network on'], 'no scene plays meanwhile');
  assert.deepEqual(plot.coming(2000), { leads: true, text: 'the story continues', seconds: 30 });
  plot.press('u', 30_000);
  plot.press('n', 31_000);
  assert.deepEqual(done, ['network on', 'unplugged on', 'network off']);
  plot.tick(60_999);
  assert.equal(plot.isOn('unplugged'), true);
  plot.tick(61_000);
  assert.deepEqual(done.slice(3), ['unplugged off'], 'what the user began has ended');
  plot.tick(69_000);
  assert.deepEqual(done.slice(4), ['door on']);
});

test('a key that is held down is pressed once, a wrong key does nothing, and space goes on', () => {
  const { plot, done } = plotOf();
  for (let t = 0; t < 5000; t += 33) plot.press('n', 2000 + t);
  assert.deepEqual(done, ['network on']);
  for (const key of ['x', '', 'unknown', 'up', '\u001b', 'ন']) assert.equal(plot.press(key, 8000), false);
  plot.press('space', 9000);
  assert.deepEqual(done, ['network on', 'network off']);
  plot.press('space', 10_000);
  assert.deepEqual(done.slice(2), ['door on'], 'the next scene plays at once');
  assert.equal(plot.coming(10_000).seconds, 10);
});

test('whatever is pressed and when, the faults end when nobody leads', () => {
  const keys = fc.array(fc.tuple(fc.constantFrom('f', 'n', 'u', 'p', 'd', 'space', 'x'), fc.integer({ min: 0, max: 20_000 })), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(keys, (presses) => {
      const { plot, done } = plotOf();
      let now = 1000;
      for (const [key, wait] of presses) {
        now += wait;
        plot.press(key, now);
        plot.tick(now);
      }
      plot.press('f', now + 1000);
      plot.tick(now + 31_000);
      assert.ok(FAULTS.every(({ name }) => !plot.isOn(name)));
      for (const { name } of FAULTS)
        assert.deepEqual(done.filter((d) => d.startsWith(name)).at(-1) ?? `${name} off`, `${name} off`);
    }),
  );
});

test('the values of the plant belong together at every moment', () => {
  const plant = new Plant(START);
  let energy = number(plant, 'meter.energy-import');
  for (let i = 0; i < 2000; i++) {
    plant.doorIsOpen = Math.floor(i / 150) % 2 === 1;
    plant.pumpRuns = Math.floor(i / 90) % 2 === 0;
    plant.step(0.4);
    const at = (name: string) => number(plant, name);
    assert.ok(at('dust.pm2_5') < at('dust.pm10'));
    const product = at('meter.voltage') * at('meter.current') * at('meter.power-factor');
    assert.ok(Math.abs(product - at('meter.power')) <= 0.05 + 1e-9, `${product} is not ${at('meter.power')}`);
    assert.ok(at('meter.energy-import') >= energy);
    energy = at('meter.energy-import');
    assert.ok(at('pump.pressure') > 0 && at('pump.speed') >= 0);
    assert.ok(at('fridge.temperature') > -5 && at('fridge.temperature') < 30);
    for (const [name, value] of plant.values()) if (typeof value === 'number') assert.ok(Number.isFinite(value), name);
  }
});

test('a stopped pump comes to 0 Hz, its pressure and the power fall, and both come back', () => {
  const plant = new Plant(START);
  const run = (seconds: number) => {
    for (let t = 0; t < seconds; t += 0.4) plant.step(0.4);
  };
  run(10);
  const [speed, pressure, power] = ['pump.speed', 'pump.pressure', 'meter.power'].map((name) => number(plant, name));
  assert.ok(speed !== undefined && speed > 40);
  plant.pumpRuns = false;
  assert.equal(plant.values().get('pump.running'), false);
  run(15);
  assert.equal(number(plant, 'pump.speed'), 0);
  assert.ok(number(plant, 'pump.pressure') < 0.1);
  assert.ok(number(plant, 'meter.power') < (power ?? 0) / 2);
  plant.pumpRuns = true;
  run(20);
  assert.ok(number(plant, 'pump.speed') > 40 && Math.abs(number(plant, 'pump.pressure') - (pressure ?? 0)) < 0.8);
});

test('the open fridge passes 8 °C, the closed one comes back below 7.5 °C, each within 15 s', () => {
  const plant = new Plant(START);
  plant.doorIsOpen = true;
  for (let t = 0; t < 8; t += 0.4) plant.step(0.4);
  assert.ok(number(plant, 'fridge.temperature') > 8);
  for (let t = 0; t < 14; t += 0.4) plant.step(0.4);
  plant.doorIsOpen = false;
  for (let t = 0; t < 15; t += 0.4) plant.step(0.4);
  assert.ok(number(plant, 'fridge.temperature') < 7.5);
});

test('the energy counter of a later start is not below that of an earlier one', () => {
  const before = new Plant(START);
  for (let t = 0; t < 3600; t++) before.step(1);
  assert.ok(number(new Plant(START + 3_600_000), 'meter.energy-import') >= number(before, 'meter.energy-import'));
});

function statusAt(read: number, state: 'connected' | 'waiting' | 'connecting', dropped = 0, time = 1000): GatewayStatus {
  const report = statusOf();
  const [forwarder] = report.forwarders;
  assert.ok(forwarder);
  return {
    ...report,
    gateway: { ...report.gateway, time },
    log: { ...report.log, appended: read, dropped },
    forwarders: [{ ...forwarder, state, lag: { data: 0, history: 0 } }],
  };
}

test('what was read is delivered, waits or is lost, and what an outage kept stays counted', () => {
  const counter = new Counter();
  counter.take(statusAt(100, 'connected'), 90);
  assert.deepEqual(counter.now, { read: 100, delivered: 90, waiting: 10, lost: 0, kept: 0 });
  counter.take(statusAt(200, 'waiting', 0, 5000), 100);
  counter.take(statusAt(260, 'connecting', 0, 8000), 100);
  assert.equal(counter.awaySince, 5000);
  assert.deepEqual(counter.now, { read: 260, delivered: 100, waiting: 160, lost: 0, kept: 160 });
  assert.equal(counter.take(statusAt(270, 'connected'), 200), undefined, 'some wait still');
  assert.equal(counter.take(statusAt(270, 'connected'), 270), 160);
  assert.equal(counter.take(statusAt(270, 'connected'), 270), undefined, 'it is said once');
  assert.equal(counter.awaySince, undefined);
  assert.deepEqual(counter.now, { read: 270, delivered: 270, waiting: 0, lost: 0, kept: 160 });
  counter.take(statusAt(280, 'waiting', 3), 270);
  assert.deepEqual(counter.now, { read: 280, delivered: 270, waiting: 7, lost: 3, kept: 167 });
  // The platform has some that the gateway had not counted yet.
  counter.take(statusAt(280, 'connected', 3), 285);
  assert.deepEqual(counter.now, { read: 288, delivered: 285, waiting: 0, lost: 3, kept: 167 });
});

test('a gateway that connects for the first time is not away', () => {
  const counter = new Counter();
  counter.take(statusAt(5, 'connecting'), 0);
  assert.equal(counter.awaySince, undefined);
});
