/** The shipped rule packs: each fits a site, says where its thresholds are from, and speaks both languages. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { stringify } from 'yaml';
import { formatFault } from '../../../src/config/fault.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { packChoices } from '../../../src/config/pack-choices.ts';
import { applyPack, loadPack, packNames, type RulePack } from '../../../src/config/rule-packs.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { scratch } from '../../harness/scratch.ts';

const PACKS = path.join(import.meta.dirname, '..', '..', '..', 'rule-packs');
const names = packNames(PACKS);

/** Parameters for points that a rule writes. */
const SWITCHES = ['stop'];
/** Keys that may hold a number or a time of ours inside a rule. Every other one is a limit, and so a parameter. */
const OURS = ['deadband', 'onDelay', 'offDelay', 'hold', 'over', 'per', 'p'];
/** What was read in a published document. A value that is not here is ours, or said to be of a document that nobody has read yet. */
const CONFIRMED: Readonly<Record<string, Readonly<Record<string, string | number>>>> = {
  'air-quality': { sensitive: 100, unhealthy: 150, hazardous: 300, 'pm25-day': 15, day: '24h', 'pm10-day': 45 },
  'drinking-water': {
    ...{ 'chlorine-low': 0.2, 'chlorine-treated-low': 0.5, 'chlorine-high': 5 },
    ...{ 'turbidity-disinfect': 1, 'turbidity-high': 5, 'ph-high': 8 },
  },
  'river-gauge': { 'rain-day': 50, 'rain-day-over': '24h', 'rain-long': 300, 'rain-long-over': '10d' },
  'vaccine-fridge': { heat: 30, 'heat-for': '10h' },
};

/** A site that has every point of the pack, in the unit that it wants; its numbers without a default. */
function siteOf(pack: RulePack, wanted: (name: string) => boolean = () => true) {
  const points: Record<string, unknown> = {};
  const given = new Map<string, string>();
  Object.entries(pack.parameters).forEach(([name, { kind, unit, default: value, optional }], i) => {
    if (optional === true && !wanted(name)) return;
    if (kind === 'point') {
      const register = { table: 'holding', address: 2 * i, type: 'uint32', order: 'ABCD' };
      const wire = SWITCHES.includes(name) ? { table: 'coil', address: i, type: 'bool', write: {} } : register;
      points[name] = { ...wire, ...(unit === undefined ? {} : { unit }) };
      given.set(name, `meter.${name}`);
    } else if (value === undefined) given.set(name, '4');
  });
  const base = {
    gateway: { id: 'g1' },
    buses: { field: { protocol: 'modbus-tcp', host: '127.0.0.1', port: 1502 } },
    devices: { meter: { bus: 'field', unit: 1, interval: '10s', points } },
  };
  return { base, given };
}

function load(pack: RulePack, wanted?: (name: string) => boolean) {
  const { base, given } = siteOf(pack, wanted);
  const made = applyPack(pack, given);
  const text = stringify({
    ...base,
    buses: { ...base.buses, ...made.buses },
    devices: { ...base.devices, ...made.devices },
    rules: made.rules,
  });
  return { made, ...loadConfigText(text, '/tmp/gateway.yaml', kinds, { profileDirs: [] }) };
}

test('the packs are those of the page', () => assert.equal(names.length, 10, String(names)));

for (const name of names) {
  const pack = loadPack(PACKS, name);
  test(`${name}: a site with all points is valid, its rules have both languages`, () => {
    const { made, config, faults, warnings } = load(pack);
    assert.deepEqual(faults.map(formatFault), []);
    assert.deepEqual(warnings.map(formatFault), []);
    assert.equal(config?.rules.size, Object.keys(pack.rules ?? {}).length);
    for (const [rule, written] of Object.entries(made.rules)) {
      const { message } = written as { message?: { en?: string; bn?: string } };
      assert.ok(message?.en !== undefined && message.bn !== undefined && /[ঀ-৿]/.test(message.bn), rule);
      assert.doesNotMatch(JSON.stringify(message), /\{\{/, rule);
    }
  });

  const needs = Object.values(pack.parameters).some(({ kind, optional }) => kind === 'point' && optional !== true);
  test(`${name}: a site with the needed points alone is valid`, () => {
    if (!needs) {
      assert.throws(() => load(pack, () => false), /has no rule without a point; give some of:\n {2}--set /);
      return;
    }
    const { made, config, faults } = load(pack, () => false);
    assert.deepEqual(faults.map(formatFault), []);
    assert.equal(config?.rules.size, Object.keys(made.rules).length);
    assert.doesNotMatch(JSON.stringify(made), /\{\{|null/);
  });

  test(`${name}: a default that was read in a source names it`, () => {
    const sources = pack.sources.map(({ id }) => id);
    for (const [parameter, { confirmed, source, about }] of Object.entries(pack.parameters)) {
      if (confirmed === true || source !== undefined) assert.ok(sources.includes(source ?? ''), parameter);
      assert.match(about.bn, /[ঀ-৿]|^PM|^pH$/, parameter);
    }
    const confirmed = Object.entries(pack.parameters).filter(([, parameter]) => parameter.confirmed === true);
    assert.deepEqual(Object.fromEntries(confirmed.map(([key, { default: value }]) => [key, value])), CONFIRMED[name] ?? {});
  });

  test(`${name}: a limit in a rule is a parameter, and says where it is from`, () => {
    for (const [rule, choices] of packChoices(pack))
      for (const { key, value } of choices) {
        const last = key.split('.').at(-1) ?? '';
        assert.ok(OURS.includes(last), `${rule}: ${key} ${value} stands in the rule; make it a parameter with a source`);
      }
  });
}

test('air-quality: each measured pollutant brings its own index and rules, and no other', () => {
  const pack = loadPack(PACKS, 'air-quality');
  for (const gas of ['ozone', 'co', 'so2', 'no2']) {
    const { made, faults } = load(pack, (name) => name === gas);
    assert.deepEqual(faults.map(formatFault), []);
    assert.deepEqual(
      [made.devices, made.rules].map((section) => Object.keys(section)),
      [
        [`air-${gas}-index`, 'air-place'],
        [`air-${gas}-sensitive`, `air-${gas}-unhealthy`, 'air-hazardous'],
      ],
    );
  }
});

test('pump-and-tank: a dry pump runs, and is stopped only where the site names its switch', () => {
  const pack = loadPack(PACKS, 'pump-and-tank');
  const dry = (wanted?: (name: string) => boolean) =>
    load(pack, wanted).made.rules['tank-pump-dry'] as Readonly<Record<string, unknown>>;
  assert.deepEqual(dry().all, [
    { point: 'meter.pressure', below: 0.5, deadband: 0.2 },
    { point: 'meter.pump', equals: 1 },
  ]);
  assert.deepEqual([dry().do, dry().interlock], [[{ write: 'meter.stop', value: false }], ['meter.stop']]);
  const alone = dry((name) => name !== 'stop');
  assert.deepEqual([alone.do, alone.interlock, alone.latch], [undefined, undefined, true]);
  assert.equal(load(pack, (name) => name === 'pump').made.rules['tank-pump-dry'], undefined);
});

test('a given value that ends in no rule is refused, with what it needs', () => {
  const pack = loadPack(PACKS, 'pump-and-tank');
  const fault = (...wanted: string[]) => {
    try {
      load(pack, (name) => wanted.includes(name));
      return undefined;
    } catch (thrown) {
      return (thrown as Error).message;
    }
  };
  const idle = (name: string, needs: string, them = 'it') =>
    `${name} is used by no rule without ${needs}: set ${them} too, or leave ${name} out`;
  assert.equal(fault('stop'), idle('stop', 'pump and pressure', 'them'));
  assert.equal(fault('stop', 'pump'), idle('stop', 'pressure'));
  assert.equal(fault('pressure'), idle('pressure', 'pump'));
  assert.equal(fault('pressure', 'stop'), `${idle('pressure', 'pump')}\n${idle('stop', 'pump')}`);
  assert.deepEqual(
    [fault(), fault('pump'), fault('pump', 'pressure'), fault('pump', 'pressure', 'stop')],
    Array(4).fill(undefined),
  );
});

test('a limit with a default, a name, and words may be given and end in no rule', (t) => {
  const dir = scratch(t, 'packs');
  mkdirSync(path.join(dir, 'own'));
  const about = { en: 'words', bn: 'কথা' };
  const parameters = {
    ...{ name: { kind: 'name', default: 'own', about }, label: { kind: 'name', optional: true, about } },
    ...{ limit: { kind: 'number', default: 3, about }, wait: { kind: 'duration', optional: true, about } },
    ...{ p: { kind: 'point', about }, q: { kind: 'point', optional: true, about }, r: { kind: 'point', optional: true, about } },
    ...{ who: { kind: 'text', optional: true, about }, far: { kind: 'point', optional: true, about } },
  };
  const rules = {
    '{{name}}-one': { point: '{{p}}', above: 1 },
    '{{name}}-two': { point: '{{q}}', above: '{{limit}}', onDelay: '{{wait}}', message: { en: 'Call {{who}}', bn: '{{who}}' } },
    '{{label}}-three': { point: '{{q}}', above: 2 },
    '{{name}}-four': { point: '{{name}}-made.four', above: 4, do: [{ write: '{{far}}', value: 1 }] },
  };
  const devices = { '{{name}}-made': { bus: 'derived', points: { four: { compute: 'sum', from: ['{{q}}', '{{r}}'] } } } };
  const buses = { derived: { protocol: 'derived' } };
  const pack = { title: about, about, sources: [], parameters, buses, devices, rules };
  writeFileSync(path.join(dir, 'own', 'pack.yaml'), stringify(pack, { aliasDuplicateObjects: false }));
  const apply = (given: Readonly<Record<string, string>>) =>
    Object.keys(applyPack(loadPack(dir, 'own'), new Map(Object.entries({ p: 'a.p', ...given }))).rules);
  assert.deepEqual(apply({ name: 'x', label: 'y', limit: '9', who: 'Anna' }), ['x-one']);
  assert.throws(() => apply({ wait: '5m' }), {
    message: 'wait is used by no rule without q and who: set them too, or leave wait out',
  });
  assert.throws(() => apply({ q: 'a.q' }), { message: 'q is used by no rule without r: set it too, or leave q out' });
  assert.deepEqual(apply({ q: 'a.q', label: 'y' }), ['own-one', 'y-three']);
  // The rule that writes looks at a point that is not made.
  assert.throws(
    () => apply({ far: 'a.far' }),
    /far is used by no rule of the pack own as it is set; leave far out, or see: sluice pack show own/,
  );
  assert.deepEqual(apply({ q: 'a.q', r: 'a.r', far: 'a.far' }), ['own-one', 'own-four']);
});

test('a duration in the words of a message is words of its language', () => {
  const pack = loadPack(PACKS, 'clinic-cold-chain');
  const messages = (given: Readonly<Record<string, string>>) => {
    const { rules } = applyPack(pack, new Map(Object.entries({ voltage: 'mains.voltage', ...given }))) as {
      rules: Record<string, { onDelay: string; message: unknown }>;
    };
    return [rules['clinic-power-off']?.onDelay, rules['clinic-power-off']?.message, rules['clinic-power-off-long']?.message];
  };
  assert.deepEqual(messages({ outage: '1h' }), [
    '2m',
    { en: 'No mains power for 2 minutes. Keep the fridges shut.', bn: '2 মিনিট ধরে বিদ্যুৎ নেই। ফ্রিজ বন্ধ রাখুন।' },
    { en: 'No mains power for 1 hour. Prepare the cold boxes.', bn: '1 ঘণ্টা ধরে বিদ্যুৎ নেই। কোল্ড বক্স প্রস্তুত করুন।' },
  ]);
  // A name that looks like a duration is a name.
  const { rules } = applyPack(loadPack(PACKS, 'vaccine-fridge'), new Map(Object.entries({ name: '10m', temperature: 'a.b' })));
  assert.match(JSON.stringify(rules['10m-silent']), /"10m: the sensor is silent/);
});

test('vaccine-fridge: single events and sums of short ones, and 30 °C itself counts', () => {
  const { rules } = load(loadPack(PACKS, 'vaccine-fridge')).made as { rules: Record<string, Record<string, unknown>> };
  assert.deepEqual([rules['fridge-warm']?.above, rules['fridge-warm']?.onDelay], [8, '10h']);
  assert.deepEqual(rules['fridge-warm-in-all']?.beyond, { above: 8, for: '10h', within: '24h' });
  assert.deepEqual([rules['fridge-freezing']?.below, rules['fridge-freezing']?.onDelay], [-0.5, '60m']);
  assert.deepEqual(rules['fridge-freezing-in-all']?.beyond, { below: -0.5, for: '60m', within: '24h' });
  assert.deepEqual(rules['fridge-heat-in-all']?.beyond, { above: 30, equal: true, for: '10h' });
});

test('choices of a pack: numbers and times in its rules, without words, states and actions', () => {
  const rules = {
    one: { point: '{{p}}', stale: '5m', message: { en: '10m', bn: '10m' }, do: [{ write: 'a.b', value: 1 }] },
    two: {
      all: [
        { point: '{{p}}', equals: 1 },
        { point: '{{p}}', average: { above: 3, over: '{{d}}' } },
      ],
      onDelay: '10s',
    },
    three: { point: '{{p}}', above: '{{limit}}' },
  };
  assert.deepEqual(
    [...packChoices({ rules })],
    [
      ['one', [{ key: 'stale', value: '5m' }]],
      [
        'two',
        [
          { key: 'all.2.average.above', value: 3 },
          { key: 'onDelay', value: '10s' },
        ],
      ],
    ],
  );
});

test('air-quality: the index of the place is that of the pollutants that are measured', () => {
  const pack = loadPack(PACKS, 'air-quality');
  const placeOf = (...measured: string[]) => {
    const { made, config, faults } = load(pack, (name) => measured.includes(name));
    assert.deepEqual(faults.map(formatFault), []);
    assert.equal(config?.rules.get('air-hazardous')?.device, 'air-place');
    return (made.devices['air-place'] as { points: { aqi: { from: string[] } } }).points.aqi.from;
  };
  assert.deepEqual(placeOf('pm25'), ['air-index.aqi']);
  assert.deepEqual(placeOf('no2', 'pm25', 'pm10'), ['air-index.aqi', 'air-pm10-index.aqi', 'air-no2-index.aqi']);
  assert.equal(placeOf('pm25', 'pm10', 'ozone', 'co', 'so2', 'no2').length, 6);
  const { made } = load(pack, (name) => name === 'humidity');
  assert.deepEqual([Object.keys(made.devices), Object.keys(made.rules)], [[], ['air-indicative']]);
});

test('what is wrong with the parameters is said in words', () => {
  const pack = loadPack(PACKS, 'vaccine-fridge');
  const fault = (...given: [string, string][]) => {
    try {
      applyPack(pack, new Map(given));
      return undefined;
    } catch (thrown) {
      return (thrown as Error).message;
    }
  };
  assert.match(fault() ?? '', /also needs:\n {2}--set temperature=… {2}the temperature inside the fridge/);
  assert.match(fault(['temprature', 'a.b']) ?? '', /no parameter "temprature".*temperature/);
  assert.match(fault(['temperature', 'fridge']) ?? '', /temperature is a point, written device.point; this is "fridge"/);
  assert.match(fault(['temperature', 'a.b'], ['high', 'warm']) ?? '', /high is a number in °C; this is "warm"/);
  assert.match(fault(['temperature', 'a.b'], ['high', '7,5']) ?? '', /high is written with a point: 7\.5; this is "7,5"/);
  assert.match(fault(['temperature', 'a.b'], ['high-for', '10']) ?? '', /a duration such as/);
  assert.match(fault(['temperature', 'a.b'], ['name', 'A B']) ?? '', /a name of small letters/);
  assert.equal(fault(['temperature', 'a.b'], ['high', '7.5']), undefined);
  assert.throws(() => loadPack(PACKS, 'vacine-fridge'), /did you mean vaccine-fridge|vaccine-fridge/);
  assert.throws(() => loadPack(PACKS, '../src'), /there is no rule pack/);
});

test('a pack with more entries than a site takes is refused, and none of them is dropped', (t) => {
  const dir = scratch(t, 'packs');
  mkdirSync(path.join(dir, 'own'));
  const words = { en: 'words', bn: 'কথা' };
  const write = (count: number) =>
    writeFileSync(
      path.join(dir, 'own', 'pack.yaml'),
      stringify({
        ...{ title: words, about: words, sources: [], parameters: { p: { kind: 'point', about: words } } },
        rules: Object.fromEntries(Array.from({ length: count }, (_, i) => [`r${i}`, { point: '{{p}}', above: i }])),
      }),
    );
  write(200);
  assert.equal(Object.keys(applyPack(loadPack(dir, 'own'), new Map([['p', 'a.b']])).rules).length, 200);
  write(201);
  assert.throws(() => loadPack(dir, 'own'), /rules: there are at most 200 entries; make two packs/);
});
