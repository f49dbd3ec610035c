/**
 * The sites of examples/sites as a user takes them: each runs against its simulation, raises an alarm when an instrument shows a fault,
 * and is well again; each story gives its timeline.
 */
// Takes minutes: it starts before the others.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const SITES = path.join(import.meta.dirname, '..', '..', '..', 'examples', 'sites');

interface Play {
  /** Values at which nothing is wrong. */
  readonly well: readonly string[];
  /** What an instrument shows, and the rule that says so. */
  readonly fault: string;
  readonly rule: string;
  readonly back: string;
}

const PLAYS: Readonly<Record<string, Play>> = {
  'vaccine-clinic': {
    well: ['fridge.temperature 4', 'store.temperature 22', 'store.humidity 50', 'mains.voltage 230'],
    ...{ fault: 'fridge.temperature 15', rule: 'fridge-door', back: 'fridge.temperature 5' },
  },
  'village-water-point': {
    well: [
      ...[
        'quality.chlorine 0.5',
        'quality.turbidity 0.4',
        'quality.ph 7.2',
        'tank.level 1.5',
        'tank.pressure 3',
        'tank.pump false',
      ],
      'meter.volume 100',
    ],
    ...{ fault: 'tank.level 2.7', rule: 'tank-high', back: 'tank.level 2' },
  },
  'river-gauge-with-siren': {
    well: ['gauge.level 4', 'gauge.rain 10'],
    ...{ fault: 'gauge.level 7', rule: 'siren-sounds', back: 'gauge.level 4' },
  },
  'roadside-air-and-traffic': {
    well: ['particles.pm2_5 20', 'particles.pm10 40', 'particles.humidity 50', 'gases.no2 30', 'road.vehicles 100'],
    ...{ fault: 'particles.pm2_5 400', rule: 'smoke', back: 'particles.pm2_5 20' },
  },
  'forest-station': {
    well: ['weather.temperature 25', 'weather.humidity 60', 'weather.wind 2', 'ears.sound 40', 'ears.vibration 0.1'],
    ...{ fault: 'ears.vibration 3', rule: 'forest-vehicle', back: 'ears.vibration 0.1' },
  },
  'solar-farm-pump': {
    well: [
      'sun.battery 12.8',
      'sun.panel 400',
      'sun.battery-temperature 30',
      'tank.level 1.5',
      'tank.pump false',
      'tank.pressure 0',
    ],
    ...{ fault: 'tank.level 2.7', rule: 'tank-high', back: 'tank.level 2' },
  },
  'town-feeder': {
    well: [
      ...['l1', 'l2', 'l3'].flatMap((phase) => [`meter.voltage-${phase} 230`, `meter.power-${phase} 5000`]),
      'meter.frequency 50',
    ],
    ...{ fault: 'meter.voltage-l3 260', rule: 'feeder-voltage-high', back: 'meter.voltage-l3 230' },
  },
};

test('each site has a play', () => assert.deepEqual(Object.keys(PLAYS).sort(), readdirSync(SITES).sort()));

for (const [site, { well, fault, rule, back }] of Object.entries(PLAYS)) {
  const file = path.join(SITES, site, 'gateway.yaml');

  test(`${site}: healthy, in alarm, and healthy again`, { timeout: 400_000 }, async (t) => {
    const ports = { line: await freePort(), broker: await freePort() };
    const gateway = makeGateway(t, ({ runtimeDir }) =>
      readFileSync(file, 'utf8')
        .replace('port: 1502', `port: ${ports.line}`)
        .replace('port: 1883', `port: ${ports.broker}`)
        .replace('stateDir: state ', `runtimeDir: ${runtimeDir}\n  stateDir: state `)
        .replaceAll(/interval: \d+s/g, 'interval: 200ms')
        .replaceAll(/every: \d+(s|m)$/gm, 'every: 200ms'),
    );
    const simulator = startChild(t, process.execPath, [MAIN, 'simulate', gateway.config], { stdin: true });
    await simulator.line(/line: modbus-tcp on/);
    for (const set of well) simulator.write(`set ${set}`);
    gateway.start();
    await gateway.waitForLog(/is running/);
    const alarms = async (): Promise<string> => (await sluice(t, 'alarm', 'list', '-c', gateway.config)).stdout;
    const values = async (): Promise<string> => (await sluice(t, 'status', '-c', gateway.config)).stdout;
    await waitFor('all devices', async () => !/silent|waits/.test(await values()));
    assert.doesNotMatch(await alarms(), /ALARM/);
    simulator.write(`set ${fault}`);
    await waitFor(`the alarm ${rule}`, async () => (await alarms()).includes(`${rule} (`));
    if (site === 'river-gauge-with-siren')
      await waitFor('the siren', async () =>
        /siren\.relay +true/.test((await sluice(t, 'read', 'siren', '-c', gateway.config)).stdout),
      );
    simulator.write(`set ${back}`);
    await waitFor('its end', async () => !(await alarms()).includes(`${rule} (`));
    if (site === 'river-gauge-with-siren')
      await waitFor('silence', async () =>
        /siren\.relay +false/.test((await sluice(t, 'read', 'siren', '-c', gateway.config)).stdout),
      );
    assert.equal(await gateway.stop(), 0);
  });
}
