/** The shipped rule packs: each fits a site, says where its thresholds are from, and speaks both languages. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { stringify } from 'yaml';
import { formatFault } from '../../../src/config/fault.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { applyPack, loadPack, packNames, type RulePack } from '../../../src/config/rule-packs.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { scratch } from '../../harness/scratch.ts';

const PACKS = path.join(import.meta.dirname, '..', '..', '..', 'rule-packs');
const names = packNames(PACKS);

/** A site that has every point of the pack, in the unit that it wants; its numbers without a default. */
function siteOf(pack: RulePack, wanted: (name: string) => boolean = () => true) {
  const points: Record<string, unknown> = {};
  const given = new Map<string, string>();
  Object.entries(pack.parameters).forEach(([name, { kind, unit, default: value, optional }], i) => {
    if (optional === true && !wanted(name)) return;
    if (kind === 'point') {
      points[name] = { table: 'holding', address: 2 * i, type: 'uint32', order: 'ABCD', ...(unit === undefined ? {} : { unit }) };
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
  });
}

test('air-quality: each measured pollutant brings its own index and rules, and no other', () => {
  const pack = loadPack(PACKS, 'air-quality');
  for (const gas of ['ozone', 'co', 'so2', 'no2']) {
    const { made, faults } = load(pack, (name) => name === gas);
    assert.deepEqual(faults.map(formatFault), []);
    assert.deepEqual(
      [made.devices, made.rules].map((section) => Object.keys(section)),
      [[`air-${gas}-index`], [`air-${gas}-sensitive`, `air-${gas}-unhealthy`]],
    );
  }
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
