/** The last good configuration as a file: what is believed, what is kept, and what a damaged or foreign one does. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { keepLastGood, likelyStateDirs, readLastGood } from '../../../src/care/last-good.ts';
import { readConfig } from '../../../src/cli/config-file.ts';
import { ranOf } from '../../../src/cli/pushed-config.ts';
import { lastGoodConfig } from '../../../src/cli/start-config.ts';
import { readYamlFile } from '../../../src/config/yaml-source.ts';
import type { ReadProfile } from '../../../src/core/configuring.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { scratch } from '../../harness/scratch.ts';
import { asRoot } from '../../peers/peers.ts';

const keep = (dir: string, text: string, profiles: ReadProfile[] = [], file = '/etc/sluice/gateway.yaml', version = '1.0.0') =>
  keepLastGood(dir, { file, text, profiles }, version, 1_795_000_000_000);
const texts = (dir: string, file = '/etc/sluice/gateway.yaml') => readLastGood(dir, file).map(({ text }) => text);

test('two texts are kept, newest first, of this configuration file alone, and once each', async (t) => {
  const dir = scratch(t, 'good');
  assert.deepEqual(texts(dir), []);
  assert.equal(await keep(dir, 'a: 1\n'), true);
  const written = statSync(path.join(dir, 'config/last-good.yaml'));
  assert.equal(written.mode & 0o777, 0o600);
  assert.equal(await keep(dir, 'a: 1\n'), false);
  assert.equal(statSync(path.join(dir, 'config/last-good.yaml')).ino, written.ino, 'the same text is not written again');
  await keep(dir, 'a: 2\n');
  await keep(dir, 'a: 3\n');
  assert.deepEqual(texts(dir), ['a: 3\n', 'a: 2\n']);
  assert.equal(await keep(dir, 'a: 3\n', [], undefined, '1.1.0'), true, 'another version ran it');
  assert.deepEqual(texts(dir), ['a: 3\n', 'a: 2\n']);
  assert.deepEqual(texts(dir, '/etc/other.yaml'), []);
  assert.match(readFileSync(path.join(dir, 'config/last-good.yaml'), 'utf8'), /^# The last configuration that ran well/);
});

test('profiles beside the configuration are kept under their content, and go with it', async (t) => {
  const dir = scratch(t, 'good');
  const profile = (text: string): ReadProfile => ({ file: path.join(dir, 'meter.yaml'), text });
  await keep(dir, 'a: 1\n', [profile('one')]);
  const [first] = readLastGood(dir, '/etc/sluice/gateway.yaml');
  assert.equal(readFileSync(String(first?.profiles[0]), 'utf8'), 'one');
  assert.equal(await keep(dir, 'a: 1\n', [profile('two')]), true, 'the profile changed');
  await keep(dir, 'a: 2\n', []);
  await keep(dir, 'a: 3\n', []);
  assert.equal(existsSync(String(first?.profiles[0])), false);
});

test('a profile that was changed since the start is kept as it ran', async (t) => {
  const dir = scratch(t, 'good');
  const [file, profile] = [path.join(dir, 'gateway.yaml'), path.join(dir, 'profiles/own-meter.yaml')];
  mkdirSync(path.dirname(profile));
  const good =
    'title: own\nvendor: v\nmodel: m\nfamily: modbus\nsources: [a]\npoints: {n: {table: holding, address: 0, type: uint16}}\n';
  writeFileSync(profile, good);
  writeFileSync(
    file,
    `gateway: {id: g, stateDir: state}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: 1}}
devices: {d1: {bus: plant, unit: 1, profile: own-meter}}
`,
  );
  const { read } = readConfig(file);
  assert.ok(read);
  const ran = ranOf(file, read);
  const stateDir = path.join(dir, 'state');
  await keepLastGood(stateDir, ran, '1.0.0', 1_795_000_000_000);
  // A mistake in the profile, and a stop before the minute of a reload is over.
  writeFileSync(profile, good.replace('points:', 'points: ['));
  await keepLastGood(stateDir, ran, '1.0.0', 1_795_000_060_000);
  assert.equal(readConfig(file).config, undefined);
  assert.equal(lastGoodConfig(file).config?.gateway.id, 'g', 'the next start runs');
});

test('a damaged, foreign, open or linked file is not believed, and the one before it is', async (t) => {
  const dir = scratch(t, 'good');
  await keep(dir, 'a: 1\n');
  await keep(dir, 'a: 2\n');
  const file = path.join(dir, 'config/last-good.yaml');
  const whole = readFileSync(file);
  const random = seeded(7);
  for (let i = 0; i < 300; i++) {
    const bytes = Buffer.from(whole);
    const from = Math.floor(random() * bytes.length);
    for (let at = from; at < Math.min(bytes.length, from + 1 + (i % 40)); at++) bytes[at] = Math.floor(random() * 256);
    writeFileSync(file, i % 3 === 0 ? bytes.subarray(0, from) : bytes);
    for (const text of texts(dir)) assert.ok(['a: 1\n', 'a: 2\n'].includes(text), `${i}: ${JSON.stringify(text)}`);
    assert.ok(texts(dir).includes('a: 1\n'));
  }
  writeFileSync(file, whole);
  chmodSync(file, 0o666);
  assert.deepEqual(texts(dir), ['a: 1\n'], 'another user could have written it');
  chmodSync(file, 0o600);
  renameSync(file, `${file}.real`);
  symlinkSync(`${file}.real`, file);
  assert.deepEqual(texts(dir), ['a: 1\n'], 'a link');
});

test('root reads the file of the service, and keeps the one before it beside a newer one', async (t) => {
  if (!asRoot(t, 'give a file to another user')) return;
  const dir = scratch(t, 'good');
  const file = path.join(dir, 'config/last-good.yaml');
  await keep(dir, 'a: 1\n');
  const [service, stranger] = [4711, 4712];
  chownSync(file, service, service);
  assert.deepEqual(texts(dir), ['a: 1\n']);
  const { ino } = statSync(file);
  assert.equal(await keep(dir, 'a: 1\n'), false, 'it is found in the background as well');
  assert.equal(statSync(file).ino, ino);
  await keep(dir, 'a: 2\n');
  assert.deepEqual(texts(dir), ['a: 2\n', 'a: 1\n']);
  // A file that others may write is nobody's word.
  chownSync(file, stranger, stranger);
  chmodSync(file, 0o622);
  assert.deepEqual(texts(dir), ['a: 1\n']);
});

test('a cut between the two renames leaves one that is whole', async (t) => {
  const dir = scratch(t, 'good');
  await keep(dir, 'a: 1\n');
  renameSync(path.join(dir, 'config/last-good.yaml'), path.join(dir, 'config/last-good.previous.yaml'));
  assert.deepEqual(texts(dir), ['a: 1\n']);
  await keep(dir, 'a: 2\n');
  assert.deepEqual(texts(dir), ['a: 2\n', 'a: 1\n']);
});

test('the state folder is found where its section is misspelt or its line is too far left', (t) => {
  const dir = scratch(t, 'good');
  const file = path.join(dir, 'gateway.yaml');
  for (const text of [
    'gatway: {id: g1, stateDir: there}\n',
    'gateway:\n  id: g1\nstateDir: there\n',
    'a: [{b: {stateDir: there}}]\ngateway: {id: g1}\n',
  ]) {
    writeFileSync(file, text);
    assert.equal(likelyStateDirs(file, {})[0], path.join(dir, 'there'), text);
    assert.deepEqual(
      likelyStateDirs('elsewhere.yaml', {}, readYamlFile(file))[0],
      path.resolve('there'),
      'a start reads it once',
    );
  }
  writeFileSync(file, 'gateway: {id: g1}\n# stateDir: there\n');
  assert.equal(likelyStateDirs(file, {})[0], '/var/lib/sluice');
});

test('the state folder is found in a text that cannot be read as YAML', (t) => {
  const dir = scratch(t, 'good');
  const file = path.join(dir, 'gateway.yaml');
  mkdirSync(path.join(dir, 'x'));
  writeFileSync(file, `\tgateway: {id: 1, stateDir: "here", \0\xff`);
  assert.deepEqual(likelyStateDirs(file, { STATE_DIRECTORY: '/srv/s:/srv/t' }), [
    path.join(dir, 'here'),
    ...['/srv/s', '/var/lib/sluice', path.join(dir, 'state')],
  ]);
  assert.deepEqual(likelyStateDirs(path.join(dir, 'none'), {}), ['/var/lib/sluice', path.join(dir, 'state')]);
  assert.deepEqual(likelyStateDirs(path.join(dir, 'x'), {}), ['/var/lib/sluice', path.join(dir, 'state')], 'a folder');
});
