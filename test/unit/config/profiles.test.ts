/**
 * The whole library: every profile is valid against the real kinds, keeps the habits of the library, and has a case folder
 * whose bytes come out as its documentation says. The readings of a case are worked out from the documentation, never
 * with our decoders.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { caseOf, checkProfile } from '../../../src/cli/profile/check.ts';
import { resolveProfile } from '../../../src/cli/profile/resolve.ts';
import { encodeFrames } from '../../../src/codecs/serial/encode.ts';
import { Talker } from '../../../src/codecs/serial/talker.ts';
import { formatFault } from '../../../src/config/fault.ts';
import type { ResolvedDevice } from '../../../src/config/kinds.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { reasonAt } from '../../../src/core/point.ts';
import { GOOD, reasonName } from '../../../src/core/reasons.ts';
import { pointsOf } from '../../../src/drivers/modbus/check.ts';
import { talkerConfig } from '../../../src/drivers/serial/kind.ts';
import type { SerialDeviceSettings } from '../../../src/drivers/serial/schema.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { scratch } from '../../harness/scratch.ts';

const root = path.join(import.meta.dirname, '../../..');
const library = path.join(root, 'hardware-profiles/devices');
const cases = path.join(root, 'test/cases/profiles');
const profiles = globSync('**/*.yaml', { cwd: library }).sort();

test('the library has the models that it promises', () => {
  const names = profiles.map((file) => path.basename(file, '.yaml'));
  const promised =
    'sdm120 sdm230 sdm630 ddsu666 pzem-016 pzem-017 tracer xy-md02 s-temp-vwc-ec-02 sunspec-inverter sunspec-meter pms5003 sds011 mh-z19 nmea-gps wsdcgq11lm mccgq11lm ts011f pow-r2 tasmota-ds18b20 tasmota-sht3x esphome-dht22 esphome-pmsx003';
  for (const name of promised.split(' ')) assert.ok(names.includes(name), name);
  assert.deepEqual([...new Set(names)], names, 'a name may exist only once');
});

for (const file of profiles) {
  const name = file.slice(0, -'.yaml'.length);
  test(`${name}: valid, sourced, with units, and its cases pass`, () => {
    assert.match(file, /^[a-z0-9-]+\/[a-z0-9-]+\.yaml$/, 'vendor/model.yaml');
    const report = checkProfile(path.join(library, file));
    assert.deepEqual(report.faults.map(formatFault), []);
    assert.ok(report.valid && report.points > 0 && report.caseCount > 0);
    assert.equal(report.cases, path.join(cases, name.replace('/', '-'), 'case.yaml'));
    const { profile, line } = resolveProfile(path.join(library, file), [library]);
    // These come over a network.
    assert.equal('baudRate' in line, !name.startsWith('sunspec/') && profile?.family !== 'mqtt');
  });
}

/** Points that whoever uses the profile could write, without having said so. */
function writable(file: string, folders: readonly string[] = [library]): string[] {
  const { device, faults } = resolveProfile(file, folders);
  assert.ok(device, `${file}: ${faults.map(formatFault).join('; ')}`);
  return [...device.points].filter(([, settings]) => settings.write !== undefined).map(([name]) => name);
}

test('no profile of the library allows a write: a site allows it by point, with own bounds', (t) => {
  for (const file of profiles) assert.deepEqual(writable(path.join(library, file)), [], file);
  // Wherever it stood: at the point, in what all points share, in what is extended.
  const folder = scratch(t, 'writable');
  const head = 'vendor: A\nmodel: B\ntitle: C\nsources: [D manual]\n';
  const point = 'table: holding, address: 1, type: uint16';
  const made = (name: string, text: string) => {
    const file = path.join(folder, `${name}.yaml`);
    writeFileSync(file, `${head}${text}`);
    return file;
  };
  const bounds = 'write: {min: 0, max: 9}';
  const own = made('own', `family: modbus\npoints: {a: {${point}, ${bounds}}, b: {table: input, address: 2, type: uint16}}\n`);
  const shared = made('shared', `family: modbus\ndefaults: {${bounds}}\npoints: {a: {${point}}}\n`);
  const heir = made('heir', 'extends: own\npoints: {c: {table: input, address: 3, type: uint16}}\n');
  for (const file of [own, shared, heir]) assert.deepEqual(writable(file, [folder]), ['a'], file);
});

test('no binary profile takes frames of another length, or zeros for good readings', () => {
  const seen: string[] = [];
  for (const file of profiles) {
    const { device } = resolveProfile(path.join(library, file), [library]);
    const settings = device?.settings as Partial<SerialDeviceSettings> | undefined;
    if (device === undefined || settings?.decode?.type !== 'binary') continue;
    seen.push(path.basename(file, '.yaml'));
    assert.ok(settings.frame !== undefined && 'length' in settings.frame, file);
    assert.equal(typeof settings.frame.length, 'number', `${file}: its frame has one length`);
    const config = talkerConfig(device);
    const talker = new Talker(config);
    const zeros = new Map([...device.points].map(([name]) => [name, 0]));
    const samples = encodeFrames(config, zeros, 0).flatMap((bytes) => talker.push(bytes, 0));
    assert.equal(samples.length, 1, `${file}: the frame of zeros is one`);
    for (const sample of samples)
      for (const [i, { name }] of sample.shape.points.entries()) {
        const reason = reasonAt(sample, i);
        // A reading within the blind zone of an ultrasonic sensor has a value, and it is in doubt.
        const expected = file === 'dyp/a01.yaml' ? 'out-of-range' : 'not-ready';
        assert.equal(reason === GOOD ? 'good' : reasonName(reason), expected, `${file}: ${name}`);
      }
  }
  assert.deepEqual(seen, ['a01', 'sds011', 'pms5003', 'mh-z19']);
});

test('every case folder belongs to a profile', () => {
  const folders = globSync('*', { cwd: cases }).sort();
  assert.deepEqual(folders, profiles.map((file) => file.slice(0, -'.yaml'.length).replace('/', '-')).sort());
});

/** A copy of the XY-MD02 and its case, changed. @returns the faults, without the folder */
function changed(
  t: Parameters<typeof scratch>[0],
  profile: (text: string) => string,
  written: (text: string) => string,
): string[] {
  const folder = scratch(t, 'profile');
  const file = path.join(folder, 'mine.yaml');
  writeFileSync(file, profile(readFileSync(path.join(library, 'generic/xy-md02.yaml'), 'utf8')));
  const text = readFileSync(path.join(cases, 'generic-xy-md02/case.yaml'), 'utf8').replace('xy-md02', 'mine');
  writeFileSync(path.join(folder, 'mine.case.yaml'), written(text));
  assert.equal(caseOf(file), path.join(folder, 'mine.case.yaml'));
  return checkProfile(file, undefined, [library]).faults.map((fault) => formatFault(fault).replaceAll(`${folder}/`, ''));
}
const same = (text: string) => text;

test('profile check tells file, line and column of what is wrong with a profile', (t) => {
  assert.deepEqual(changed(t, same, same), []);
  assert.deepEqual(
    changed(t, (text) => text.replace('unit: Cel', 'unit: °C'), same),
    ['mine.yaml:14:35: points.temperature.unit: "°C" is not a UCUM code; write Cel, which is shown as °C'],
  );
  assert.match(changed(t, (text) => text.replace('type: int16', 'type: int61'), same)[0] ?? '', /^mine\.yaml:12:\d+: .*int16/);
  assert.deepEqual(changed(t, (text) => text.replace('address: 2', 'address: 1'), same).slice(0, 1), [
    'mine.yaml:15:3: points.humidity: humidity and temperature are made of the same registers: leave one out, or correct an address',
  ]);
  // The same address in another table is another register; bits of one register are no overlap.
  const beside = (text: string) => `${text}  other: {table: holding, address: 1, type: uint16, scale: null}\n`;
  const both = (text: string) => `${beside(text)}  third: {table: holding, address: 1, type: uint16, bit: 4, scale: null}\n`;
  assert.ok(changed(t, both, same).every((fault) => /no case has a reading/.test(fault)));
  assert.match(
    changed(t, (text) => text.replace(/sources:.*?notes/s, 'sources: [a friend]\nnotes'), same).join(),
    /^mine\.yaml:5:1: sources: name two independent sources/,
  );
  assert.deepEqual(changed(t, (text) => text.replace(/^line:.*$/m, ''), same).length, 1);
  const added = (text: string) => `${text}  dew-point: {address: 3, unit: Cel}\n`;
  assert.deepEqual(changed(t, added, same), [
    'mine.yaml:16:3: points.dew-point: no case has a reading of dew-point: add one, worked out from the documentation',
  ]);
});

test('profile check tells file, line and column of what comes out otherwise than the case says', (t) => {
  assert.deepEqual(
    changed(t, same, (text) => text.replace('humidity: 54.6', 'humidity: 54.7')),
    ['mine.case.yaml:8:45: cases[0].readings.humidity: the example of the sheet: humidity is 54.6, not 54.7'],
  );
  assert.match(
    changed(t, same, (text) => text.replace(', humidity: 54.6', '')).join(),
    /humidity is 54\.6, but the case does not name it/,
  );
  assert.match(changed(t, same, (text) => text.replace('01 31 02 22', '01 31')).join(), /humidity has no value here/);
  assert.match(
    changed(t, same, (text) => text.replace('uncertain: {temperature: out-of-range, ', 'uncertain: {')).join(),
    /what an SHT20 cannot measure: temperature is uncertain \(out-of-range\), but the case does not name it/,
  );
  assert.match(changed(t, same, (text) => text.replace('01 31 02 22', '01 3')).join(), /mine\.case\.yaml:7:\d+: .*hexadecimal/);
  assert.match(
    changed(t, same, (text) => text.replace('profile: mine', 'profile: other')).join(),
    /this case is of the profile other/,
  );
  assert.match(
    changed(t, same, (text) => text.replace('registers: {input: {1: 01 31 02 22}}', 'text: hello')).join(),
    /needs `registers`/,
  );
  assert.match(changed(t, same, (text) => text.replace('registers:', 'frames: AA\n    registers:')).join(), /a case has one of/);
});

test('a profile without a case, and one that is none', (t) => {
  const folder = scratch(t, 'profile');
  const file = path.join(folder, 'lonely.yaml');
  writeFileSync(file, readFileSync(path.join(library, 'generic/xy-md02.yaml')));
  assert.match(
    checkProfile(file, undefined, [library]).faults.map(formatFault).join(),
    /there is no case: write lonely\.case\.yaml/,
  );
  const missing = checkProfile(path.join(folder, 'nothing.yaml'), undefined, [library]);
  assert.equal(missing.valid, false);
  assert.match(missing.faults.map(formatFault).join(), /nothing\.yaml:1:1: .*(not there|no such file|does not exist)/i);
  // A name that the library has already is told, with both files.
  const twice = path.join(folder, 'xy-md02.yaml');
  writeFileSync(twice, readFileSync(path.join(library, 'generic/xy-md02.yaml')));
  assert.match(
    checkProfile(twice, undefined, [library]).faults.map(formatFault).join(),
    /"xy-md02" is defined twice, in .*lonely|defined twice/,
  );
});

test('a case with a scale factor that comes in a later reply than what it scales', (t) => {
  const folder = scratch(t, 'profile');
  const file = path.join(folder, 'split.yaml');
  writeFileSync(
    file,
    `vendor: Acme
model: S
title: a meter with a scale factor far away
family: modbus
sources: [Acme S manual]
line: {baudRate: 9600}
defaults: {table: holding, type: int16}
points:
  power: {address: 0, scaleFactor: power-sf, unit: W}
  power-sf: {address: 100}
`,
  );
  writeFileSync(
    path.join(folder, 'split.case.yaml'),
    `profile: split
source: the manual says that 04D2 hexadecimal, 1234, with -1 is 123.4 W
cases: [{name: one, registers: {holding: {0: 04 D2, 100: FF FF}}, readings: {power: 123.4, power-sf: -1}}]
`,
  );
  assert.deepEqual(checkProfile(file, undefined, [library]).faults.map(formatFault), []);
});

test('marks of a profile hold by type for the device, by `defaults` for points, or for a point', (t) => {
  const folder = scratch(t, 'profiles');
  writeFileSync(
    path.join(folder, 'marked.yaml'),
    `vendor: Nobody
model: Marked
title: a test
family: modbus
sources: [a test]
device: {invalid: {int16: [0x8000], uint16: [0xFFFF]}}
defaults: {table: holding}
points:
  a: {address: 0, type: int16}
  b: {address: 1, type: uint16, invalid: []}
  c: {address: 2, type: string, length: 2}
`,
  );
  writeFileSync(
    path.join(folder, 'all-alike.yaml'),
    'vendor: Nobody\nmodel: Alike\ntitle: a test\nfamily: modbus\nsources: [a test]\ndefaults: {table: holding, type: int16, invalid: [0x7FFF]}\npoints: {a: {address: 0}, b: {address: 1, invalid: [0x8000]}}\n',
  );
  const text =
    'gateway: {id: g}\nbuses: {b: {protocol: modbus-rtu, port: /dev/ttyUSB0}}\ndevices: {d: {bus: b, profile: marked, points: {b: {type: uint16, invalid: null}}}, e: {bus: b, unit: 2, profile: all-alike}}\n';
  const { config, faults } = loadConfigText(text, '/nowhere/gateway.yaml', kinds, { profileDirs: [folder] });
  assert.deepEqual(faults.map(formatFault), []);
  const marks = (name: string) => pointsOf(config?.devices.get(name) as ResolvedDevice).map((p) => [p.name, p.invalid]);
  assert.deepEqual(marks('d'), [
    ['a', [0x8000]],
    ['b', [0xffff]],
    ['c', undefined],
  ]);
  assert.deepEqual(marks('e'), [
    ['a', [0x7fff]],
    ['b', [0x8000]],
  ]);
});
