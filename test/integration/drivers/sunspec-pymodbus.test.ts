/** SunSpec devices made by somebody else: the shipped profiles find their models and read what pymodbus has there. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { PROFILES } from '../../../src/cli/config-file.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { Logger } from '../../../src/core/logger.ts';
import { hasValue, reasonAt, type Sample } from '../../../src/core/point.ts';
import { reasonName } from '../../../src/core/reasons.ts';
import { modbusTcp } from '../../../src/drivers/modbus/kind.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { common, inverter, type SunspecDevice, type SunspecLaid, sunspecDevice } from '../../peers/sunspec-device.ts';

/** A bus whose devices are written as in a configuration, with the profiles of the library. */
function siteOf(t: TestContext, { port }: SunspecDevice, devices: string) {
  const { config, faults } = loadConfigText(
    `gateway: {id: g, stateDir: /nowhere}\nbuses: {lan: {protocol: modbus-tcp, host: 127.0.0.1, port: ${port}}}\ndevices:\n${devices}\n`,
    'gateway.yaml',
    kinds,
    { profileDirs: [PROFILES] },
  );
  assert.deepEqual(faults, []);
  const settings = config?.buses.get('lan');
  assert.ok(config && settings);
  const samples: Sample[] = [];
  const log: string[] = [];
  const note = (_data: object, message: string) => void log.push(message);
  const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger };
  const emit = (sample: Sample) => void samples.push(sample);
  const bus = modbusTcp.create(settings, [...config.devices.values()], { clock: systemClock, logger, emit });
  t.after(() => bus.stop());
  bus.start();
  return { bus, samples, log, fault: (name: string) => bus.status().devices.find((d) => d.name === name)?.fault };
}

/** Point -> value, or the reason why it has none. */
function readings(samples: readonly Sample[]): Record<string, unknown> {
  const told: Record<string, unknown> = {};
  for (const sample of samples)
    for (const [i, { name }] of sample.shape.points.entries()) {
      const reason = reasonAt(sample, i);
      told[name] = hasValue(reason) ? sample.values[i] : reasonName(reason);
    }
  return told;
}
const part = (all: Record<string, unknown>, expected: object) =>
  Object.fromEntries(Object.keys(expected).map((name) => [name, all[name]]));

const MAKER = common('Somebody Else', 'SE-10', '7E1234');
/** A vendor's model that nobody knows. */
const OWN: SunspecLaid = [64_001, 12, { 2: ['H', 7] }];

/** By hand: 1234 × 10^-2 A, 2305 × 10^-1 V, 4998 × 10^-2 Hz, -55 × 10^-1 °C; 0xFFFF and 0x8000 are what it does not have. */
const INVERTER = {
  ...{ current: 12.34, 'current-l1': 12.34, 'current-l2': 'invalid', 'current-l3': 'invalid' },
  ...{ 'voltage-l1': 230.5, 'voltage-l2': 'invalid', 'voltage-l3': 'invalid', frequency: 49.98 },
  ...{ energy: 3_000_000_001, 'dc-power': 'invalid', 'dc-power-sf': 'invalid', temperature: -5.5, state: 'mppt' },
};
const METER: SunspecLaid = [
  203,
  105,
  {
    ...{ 2: ['h', -313], 3: ['h', -105], 4: ['h', -32_768], 5: ['h', -104], 6: ['h', -2] },
    ...{ 7: ['h', 23_005], 8: ['h', 23_010], 9: ['h', 22_990], 10: ['h', 23_015], 15: ['h', -2] },
    ...{ 16: ['h', 5001], 17: ['h', -2], 18: ['h', -72], 19: ['h', -24], 20: ['h', -24], 21: ['h', -24], 22: ['h', 1] },
    ...{ 38: ['I', 1_234_567], 46: ['I', 89], 54: ['h', 1] },
  },
];
const METER_VALUES = {
  ...{ current: -3.13, 'current-l1': -1.05, 'current-l2': 'invalid', 'current-l3': -1.04, voltage: 230.05 },
  ...{ 'voltage-l2': 229.9, frequency: 50.01, power: -720, 'power-l1': -240, 'energy-export': 12_345_670, 'energy-import': 890 },
};

const FLOAT_INVERTER: SunspecLaid = [
  111,
  60,
  // 0x7FC00000 is how a SunSpec device says that it has no such number.
  {
    ...{ 2: ['f', 12.5], 4: ['f', 12.5], 6: ['I', 0x7fc0_0000], 16: ['f', 230.25], 22: ['f', 2875.5], 24: ['f', 50] },
    ...{ 32: ['f', 1e9], 48: ['H', 5] },
  },
];
const FLOAT_METER: SunspecLaid = [
  214,
  124,
  { 2: ['f', -3.125], 10: ['f', 230.5], 26: ['f', 49.75], 28: ['f', -720.5], 60: ['f', 123_456] },
];
const devices = (variant: string) =>
  `  pv: {bus: lan, unit: 1, interval: 20ms, profile: sunspec-inverter${variant}}
  grid: {bus: lan, unit: 2, interval: 20ms, profile: sunspec-meter${variant}}`;

test('models with factors are read at 40000, at 0, and at 50000 behind unknown models', async (t) => {
  const device = await sunspecDevice(t);
  if (device === undefined) return;
  for (const [base, models] of [
    [40_000, [MAKER, inverter(4899), METER]],
    [50_000, [MAKER, OWN, METER, OWN, inverter(4899, 103)]],
    [0, [MAKER, inverter(4899, 102), METER]],
  ] as const) {
    await device.lay(base, models);
    const site = siteOf(t, device, devices(''));
    const expected = { ...INVERTER, power: 489.9 };
    await waitFor(
      () => `polls of both; ${site.log.join('; ')}`,
      () => ['pv', 'grid'].every((name) => site.samples.filter((s) => s.shape.device === name).length > 3),
    );
    const newest = (name: string) => readings(site.samples.filter((s) => s.shape.device === name));
    assert.deepEqual(part(newest('pv'), expected), expected);
    assert.deepEqual(part(newest('grid'), METER_VALUES), METER_VALUES);
    assert.deepEqual(part(readings(await site.bus.read('pv')), expected), expected);
    assert.deepEqual([site.fault('pv'), site.fault('grid')], [undefined, undefined]);
    assert.equal(site.bus.status().devices[0]?.counters.badReplies, 0);
    await site.bus.stop();
  }
});

test('floating point, and the words for a device that has the other variant', async (t) => {
  const device = await sunspecDevice(t);
  if (device === undefined) return;
  await device.lay(40_000, [MAKER, FLOAT_INVERTER, FLOAT_METER]);
  const site = siteOf(t, device, devices('-float'));
  const pv = {
    current: 12.5,
    'current-l2': 'not-a-number',
    'voltage-l1': 230.25,
    power: 2875.5,
    energy: 1e9,
    state: 'throttled',
  };
  const grid = { current: -3.125, voltage: 230.5, frequency: 49.75, power: -720.5, 'energy-export': 123_456 };
  assert.deepEqual(part(readings(await waitFor('a reading', () => site.bus.read('pv'))), pv), pv);
  assert.deepEqual(part(readings(await site.bus.read('grid')), grid), grid);
  await site.bus.stop();

  const other = siteOf(t, device, devices(''));
  const words = await waitFor('words', () => other.fault('pv'));
  assert.match(
    words,
    /does not have SunSpec model 103 or 102 or 101 \(inverter\); it has 1, 111, 214: choose the profile for model 111/,
  );
  const told = readings(await other.bus.read('pv'));
  assert.deepEqual(new Set(Object.values(told)), new Set(['not-there']));
});

test('a firmware update that inserts a model gives no wrong value, and all is found again', async (t) => {
  const device = await sunspecDevice(t);
  if (device === undefined) return;
  // The new model has numbers that look like the inverter's own, at the place where that was.
  const between: SunspecLaid = [
    160,
    128,
    Object.fromEntries(Array.from({ length: 128 }, (_, i) => [i + 2, ['H', 999]] as const)),
  ];
  await device.lay(40_000, [MAKER, inverter(4899)]);
  const sites = ['{}', '{maxRegisters: 12}', '{merge: false}'].map((limits) => {
    const points = '{frequency: {interval: 70ms}}';
    const pv = `  pv: {bus: lan, unit: 1, interval: 20ms, profile: sunspec-inverter, limits: ${limits}, points: ${points}}`;
    return { limits, site: siteOf(t, device, pv) };
  });
  const goodPowers = ({ samples }: { samples: readonly Sample[] }) =>
    samples.flatMap((s) => {
      const i = s.shape.points.findIndex((p) => p.name === 'power');
      return i >= 0 && reasonAt(s, i) === 0 ? [s.values[i]] : [];
    });
  for (const { site } of sites) await waitFor('the first values', () => goodPowers(site).length > 3);
  await device.lay(40_000, [MAKER, between, inverter(5000)]);
  const expected: Record<string, unknown> = { ...INVERTER, power: [489.9, 500] };
  for (const { limits, site } of sites) {
    await waitFor(
      () => `the new values; ${limits} ${site.log.slice(-5).join('; ')}`,
      () => goodPowers(site).filter((power) => power === 500).length > 3,
    );
    assert.deepEqual([...new Set(goodPowers(site))], [489.9, 500], limits);
    for (const sample of site.samples)
      for (const [name, value] of Object.entries(readings([sample]))) {
        if (!(name in expected) || value === 'bad-reply' || value === 'exception') continue;
        const right = [expected[name]].flat();
        // A factor that is not known yet scales nothing.
        assert.ok(right.includes(value) || value === 'invalid', `${limits} ${name}: ${String(value)}`);
      }
    await waitFor('the fault to be over', () => site.fault('pv') === undefined);
    assert.equal(site.log.filter((line) => /inverter is model 101 in register/.test(line)).length, 2, site.log.join('\n'));
  }
});
