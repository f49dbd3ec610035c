/** Classes of points from files and profiles, what check says about them, the inventory of sensing, and the sample of the page. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { sensingOf } from '../../../src/cli/privacy/inventory.ts';
import { sensingText } from '../../../src/cli/privacy.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { inherit } from '../../../src/config/point-classes.ts';
import { PRIVACY_CLASSES, type PrivacyClass } from '../../../src/core/privacy.ts';
import { kinds } from '../../../src/gateway/registry.ts';

function load(yaml: string) {
  const { config, faults, warnings } = loadConfigText(yaml, '/nowhere/gateway.yaml', kinds, {
    profileDirs: [],
    readSecrets: false,
  });
  assert.deepEqual(faults, []);
  assert.ok(config !== undefined);
  return { config, warnings: warnings.map(({ path, message }) => `${path}: ${message}`) };
}
const SITE = `
gateway: {id: g1}
buses:
  plant: {protocol: modbus-tcp, host: 192.168.1.4}
  gps: {protocol: serial, port: /dev/ttyUSB9, baudRate: 9600}
devices:
  meter:
    bus: plant
    privacy: household
    points:
      pulses: {table: input, address: 0, type: uint16, counter: {modulus: 65536}, privacy: health}
      power: {table: input, address: 2, type: float32}
      frequency: {table: input, address: 4, type: float32, privacy: technical}
  van:
    bus: gps
    frame: {type: line}
    decode: {type: nmea}
    points:
      latitude: {from: RMC.latitude}
      speed: {from: RMC.speed}
`;

test('a point has its own class, that of its counter, that of its kind or that of its device', () => {
  const { points } = load(SITE).config.privacy ?? assert.fail();
  assert.deepEqual(points, {
    'meter.*': 'household',
    'meter.pulses': 'health',
    'meter.pulses-total': 'health',
    'meter.frequency': 'technical',
    'van.latitude': 'location',
  });
});

test('a rule for technical points writes down each point without a class', () => {
  const { points, types } =
    load(
      `${SITE}
  notes: {bus: flows, accept: {prefix: n-, points: 9}, points: {}}
  '7': {bus: plant, unit: 7, privacy: household, points: {'101': {table: input, address: 0, type: uint16}}}
  plate: {bus: plant, unit: 8, points: {label: {table: input, address: 0, type: string, length: 4}}}
nodeRed: {enabled: true}
privacy: {technical: {upstream: {round: 1}}}
`.replace('buses:', 'buses:\n  flows: {protocol: flows}'),
    ).config.privacy ?? assert.fail();
  assert.deepEqual(points, {
    ...{ 'meter.*': 'household', 'meter.pulses': 'health', 'meter.pulses-total': 'health', 'meter.frequency': 'technical' },
    ...{ 'van.latitude': 'location', 'van.speed': 'technical', 'notes.*': 'technical', 'plate.label': 'technical' },
    ...{ '7.*': 'household', '7.101': 'household' },
  });
  assert.deepEqual(
    [types?.['plate.label'], types?.['meter.frequency'], types?.['meter.power'], 'van.speed' in (types ?? {})],
    ['string', 'float32', undefined, true],
  );
});

test('a class is no setting of a device: no bus starts again for it', () => {
  const { config } = load(SITE);
  assert.ok([...(config.devices.get('meter')?.points.values() ?? [])].every((settings) => !('privacy' in settings)));
});

const FORWARDERS: readonly [what: string, yaml: string, expected: readonly RegExp[]][] = [
  [
    'nobody may have them',
    'forwarders: {up: {type: mqtt, url: "mqtt://a"}}',
    [/household leave nowhere: no forwarder has a purpose/, /location leave nowhere/, /health leave nowhere/],
  ],
  ['a purpose', 'forwarders: {up: {type: mqtt, url: "mqtt://a", purpose: billing by the utility}}', []],
  [
    'empty words',
    'forwarders: {up: {type: mqtt, url: "mqtt://a", purpose: for data}}',
    [/"for data" says nothing to the people concerned/],
  ],
  [
    'starved',
    'forwarders: {a: {type: mqtt, url: "mqtt://a", purpose: billing by the utility}, b: {type: mqtt, url: "mqtt://b", filter: {points: [meter.power]}}}',
    [/forwarders\.b: this forwarder gets no reading: .*\(household\); write its purpose/],
  ],
  [
    'meant',
    'privacy: {household: {upstream: never}, location: {upstream: never}, health: {upstream: never}}\nforwarders: {up: {type: mqtt, url: "mqtt://a"}}',
    [],
  ],
  [
    'no windows',
    'privacy: {household: {upstream: {aggregate: 15m}}}\nforwarders: {up: {type: mqtt, url: "mqtt://a", purpose: billing by the utility}}',
    [
      /meter\.power of the class household leave as means of 15m or more, .*write filter: {every: 15m}/,
      /household leave nowhere: no forwarder with a purpose may give them away/,
    ],
  ],
  [
    'windows',
    'privacy: {household: {upstream: {aggregate: 15m}}}\nforwarders: {up: {type: mqtt, url: "mqtt://a", purpose: billing by the utility, filter: {every: 15m}}}',
    [],
  ],
  ['kept for longer', 'privacy: {health: {keep: 60d}}', [/privacy\.health\.keep: this changes nothing: buffer.maxAge/]],
];
for (const [what, yaml, expected] of FORWARDERS)
  test(`check says about privacy: ${what}`, () => {
    const { warnings } = load(`${SITE}${yaml}\n`);
    const unmet = expected.filter((pattern) => !warnings.some((text) => pattern.test(text)));
    assert.deepEqual(unmet, [], warnings.join('\n'));
    assert.equal(warnings.length, expected.length, warnings.join('\n'));
  });

test('a point with the name of a position and no class is asked about', () => {
  const { warnings } = load(SITE.replace('power:', 'lat:'));
  assert.deepEqual(warnings, [], 'the class of the device is an answer');
  const other = load(SITE.replace('    privacy: household\n', '').replace('power:', 'lat:'));
  assert.match(other.warnings.join(), /devices\.meter\.points\.lat: this looks like a position/);
});

test('the sample of the page is valid without a warning, and its inventory says what it does', () => {
  const page = readFileSync(path.join(import.meta.dirname, '../../../docs/how-to/keep-readings-private.md'), 'utf8');
  const sample = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? assert.fail('no sample');
  const { config, warnings } = load(sample);
  assert.deepEqual(warnings, []);
  const sensing = sensingOf(config);
  const of = (word: string) => sensing.classes.find((one) => one.class === word) ?? assert.fail(word);
  assert.deepEqual(
    of('household').destinations.map(({ forwarder, purpose, precision, points }) => ({ forwarder, purpose, precision, points })),
    [{ forwarder: 'utility', purpose: 'billing by the utility', precision: 'means of 15m', points: ['meter.power'] }],
  );
  assert.deepEqual([of('location').destinations, of('location').upstream, of('location').keep], [[], 'never', 7 * 86_400_000]);
  assert.match(
    sensingText(sensing),
    /household: kept 30d; leaves means of 15m or more\n {2}meter\.power \(W\)\n {2}goes to utility \(.*\) for: billing by the utility; means of 15m/,
  );
});

test('each point of the inventory has its reason, and one without any says so', () => {
  const { config } = load(`
gateway: {id: g1}
buses:
  plant: {protocol: modbus-tcp, host: 192.168.1.4}
  sums: {protocol: derived}
devices:
  hall:
    bus: plant
    privacy: environmental
    points:
      temperature: {table: input, address: 0, type: int16, unit: Cel}
      humidity: {table: input, address: 1, type: uint16, unit: '%'}
      noise: {table: input, address: 2, type: uint16}
      light: {table: input, address: 3, type: uint16}
  climate:
    bus: sums
    privacy: environmental
    points:
      dew: {compute: dew-point, from: {temperature: hall.temperature, humidity: hall.humidity}}
rules:
  warm: {point: hall.temperature, above: 30}
  wet: {point: climate.dew, above: 25}
forwarders:
  town: {type: mqtt, url: 'mqtt://town.example', purpose: noise map, filter: {points: [hall.noise]}}
`);
  const sensing = sensingOf(config);
  assert.deepEqual(
    sensing.classes.flatMap(({ points }) => points.map(({ point, rules, feeds }) => [point, rules, feeds])),
    [
      ['hall.temperature', ['warm'], ['climate.dew']],
      ['hall.humidity', [], ['climate.dew']],
      ['hall.noise', [], []],
      ['hall.light', [], []],
      ['climate.dew', ['wet'], []],
    ],
  );
  const lines = sensingText(sensing)
    .split('\n')
    .filter((line) => /^ {2}(hall|climate)\.\w+( \(|,|$)/.test(line));
  assert.deepEqual(lines, [
    '  hall.temperature (°C), watched by warm, computed into climate.dew',
    '  hall.humidity (%), computed into climate.dew',
    '  hall.noise',
    '  hall.light, for no stated reason: no rule watches it, and it goes nowhere',
    '  climate.dew, watched by wet',
  ]);
});

test('a point that follows from others has the strictest class of all that reaches it', () => {
  const names = Array.from({ length: 30 }, (_, i) => `d.p${i}`);
  const own = fc.dictionary(fc.constantFrom(...names), fc.constantFrom<PrivacyClass>(...PRIVACY_CLASSES), { maxKeys: 6 });
  const inputs = fc.uniqueArray(
    fc.tuple(fc.constantFrom(...names), fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 })),
    { selector: ([point]) => point, maxLength: 30 },
  );
  const rank = (of: PrivacyClass | undefined) => (of === undefined ? -1 : PRIVACY_CLASSES.indexOf(of));
  fc.assert(
    fc.property(own, inputs, (given, links) => {
      const classes = { ...given };
      inherit(classes, new Map(links));
      // Naive: walks from each point to everything that it follows from. A class of its own is the end of a way.
      const from = new Map(links);
      for (const name of names) {
        const seen = new Set<string>();
        let strictest = -1;
        const walk = (point: string): void => {
          if (seen.has(point)) return;
          seen.add(point);
          if (given[point] !== undefined) strictest = Math.max(strictest, rank(given[point]));
          else for (const input of from.get(point) ?? []) walk(input);
        };
        walk(name);
        assert.equal(rank(classes[name]), strictest, name);
      }
    }),
  );
});

test('a class reaches the end of a long chain, whatever the order of its points', () => {
  const chain = Array.from({ length: 500 }, (_, i): [string, string[]] => [`d.p${i + 1}`, [`d.p${i}`]]);
  for (const links of [chain, chain.toReversed()]) {
    const classes: Record<string, PrivacyClass> = { 'd.p0': 'health' };
    inherit(classes, new Map(links));
    assert.equal(classes['d.p500'], 'health');
  }
});
