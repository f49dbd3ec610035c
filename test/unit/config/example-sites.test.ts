/** The sites of examples/sites hold what their packs give today: a pack that changes changes its sites. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';
import { applyPack, loadPack } from '../../../src/config/rule-packs.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');
const SITES = path.join(ROOT, 'examples', 'sites');

type Given = Readonly<Record<string, string>>;
interface Made {
  /** Parameters, by pack. */
  readonly packs: Readonly<Record<string, Given>>;
  /** Rules that the site adds itself. */
  readonly own: readonly string[];
}

const TANK = { level: 'tank.level', 'level-high': '2.5', pump: 'tank.pump', pressure: 'tank.pressure' };
const MADE: Readonly<Record<string, Made>> = {
  'forest-station': {
    packs: {
      forest: {
        ...{ temperature: 'weather.temperature', humidity: 'weather.humidity', wind: 'weather.wind' },
        ...{ sound: 'ears.sound', vibration: 'ears.vibration' },
      },
    },
    own: [],
  },
  'river-gauge-with-siren': {
    packs: { 'river-gauge': { level: 'gauge.level', danger: '6.2', warning: '5.4', rain: 'gauge.rain' } },
    own: ['siren-sounds'],
  },
  'roadside-air-and-traffic': {
    packs: {
      'air-quality': {
        ...{ pm25: 'particles.pm2_5', pm10: 'particles.pm10', no2: 'gases.no2', humidity: 'particles.humidity' },
      },
      'traffic-counter': { count: 'road.vehicles' },
    },
    own: ['smoke'],
  },
  'solar-farm-pump': {
    packs: {
      'solar-battery': { battery: 'sun.battery', panel: 'sun.panel', 'battery-temperature': 'sun.battery-temperature' },
      'pump-and-tank': { ...TANK, 'longest-run': '8h', stop: 'tank.switch' },
    },
    own: [],
  },
  'town-feeder': {
    packs: {
      'energy-feeder': {
        ...Object.fromEntries(['l1', 'l2', 'l3'].map((phase) => [`voltage-${phase}`, `meter.voltage-${phase}`])),
        ...Object.fromEntries(['l1', 'l2', 'l3'].map((phase) => [`power-${phase}`, `meter.power-${phase}`])),
        ...{ frequency: 'meter.frequency', 'power-max': '60' },
      },
    },
    own: [],
  },
  'vaccine-clinic': {
    packs: {
      'vaccine-fridge': { temperature: 'fridge.temperature' },
      'clinic-cold-chain': { voltage: 'mains.voltage', store: 'store.temperature', humidity: 'store.humidity' },
    },
    own: ['fridge-door'],
  },
  'village-water-point': {
    packs: {
      'drinking-water': {
        ...{ chlorine: 'quality.chlorine', turbidity: 'quality.turbidity', ph: 'quality.ph', volume: 'meter.volume' },
        ...{ 'chlorine-treated': 'tank.chlorine' },
      },
      'pump-and-tank': TANK,
    },
    own: [],
  },
};

test('each site says from which packs it is made', () => assert.deepEqual(Object.keys(MADE), readdirSync(SITES).sort()));

for (const [site, { packs, own }] of Object.entries(MADE))
  test(`${site}: its rules and computed points are those of its packs`, () => {
    const found = parse(readFileSync(path.join(SITES, site, 'gateway.yaml'), 'utf8')) as Record<
      'devices' | 'rules',
      Record<string, unknown>
    >;
    const made = Object.entries(packs).map(([pack, given]) =>
      applyPack(loadPack(path.join(ROOT, 'rule-packs'), pack), new Map(Object.entries(given))),
    );
    const rules = Object.assign({}, ...made.map((one) => one.rules)) as Record<string, unknown>;
    assert.deepEqual(Object.keys(found.rules).sort(), [...Object.keys(rules), ...own].sort());
    for (const [rule, written] of Object.entries(rules)) assert.deepEqual(found.rules[rule], written, rule);
    for (const { devices } of made)
      for (const [device, written] of Object.entries(devices)) assert.deepEqual(found.devices[device], written, device);
  });
