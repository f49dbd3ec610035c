/** The support bundle of a running gateway: its list, and not one form of a planted secret or place, as tar opens it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fakeTcp, registerOf } from '../../fakes/modbus-device.ts';
import { scratch } from '../../harness/scratch.ts';
import { site } from '../../harness/site.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const INLINE = 'Planted+inline/4c71';
const FILED = 'Planted-filed-88ad';
const VILLAGE = 'Planted-village';
/** A reading that says something about a person, with ten digits, which no count or time here has: registers 1200 and 1201. */
const WEIGHT = String(registerOf(1200) * 0x10000 + registerOf(1201));

test('a site with a class that leaves coarser has no values of alarms in its bundle', async (t) => {
  const file = path.join(scratch(t, 'coarser'), 'gateway.yaml');
  const listed = async (more: string): Promise<string> => {
    writeFileSync(
      file,
      `gateway: {id: g1}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1}}
devices: {d1: {bus: plant, points: {n: {table: holding, address: 0, type: uint16}}}}
${more}`,
    );
    const { stdout, stderr } = await sluice(t, 'bundle', '--list', '-c', file);
    return stdout + stderr;
  };
  assert.match(await listed('privacy: {technical: {upstream: {round: 5}}}'), /status of the running gateway, without values/);
  assert.match(await listed('privacy: {technical: {keep: 9h}}'), /status of the running gateway\n/);
});

test('a bundle has what helps, and no secret and no place', { timeout: 600_000 }, async (t) => {
  const s = await site(t, {
    device: fakeTcp,
    devices:
      '  d1: {bus: plant, unit: 1, interval: 30ms, points: {n: {table: holding, address: 0, type: uint16}, kg: {table: holding, address: 1200, type: uint32, privacy: health}}}',
    rules: `  heavy: {point: d1.kg, above: 80}
  apart: {point: d1.n, deviation: {from: d1.kg, by: 3}}
  tried: {point: d1.kg, above: 70, observe: true}`,
  });
  if (s === undefined) return;
  const { gateway } = s;
  const text = s.yaml({
    more: `forwarders:
  one: {type: mqtt, url: 'mqtt://127.0.0.1:1', username: clerk, password: '${INLINE}'}
  two: {type: mqtt, url: 'mqtt://127.0.0.1:2', username: clerk, password: {file: keys/secret.txt}}`,
  });
  gateway.write(`# ${INLINE} in a comment\n${text.replace('{id: g1,', `{id: g1, name: ${VILLAGE},`)}`);
  mkdirSync(path.join(gateway.folder, 'keys'));
  writeFileSync(path.join(gateway.folder, 'keys/secret.txt'), `${FILED}\n`, { mode: 0o600 });
  await gateway.up();
  await waitFor('alarms about the private point', async () => (await gateway.status()).alarms.length === 2);
  const listed = await sluice(t, 'bundle', '--list', '-c', gateway.config);
  assert.equal(listed.code, 0, listed.stderr);
  const names = listed.stdout
    .split('\n')
    .map((line) => line.split(' ')[0])
    .filter((name) => name !== '');
  const folder = scratch(t, 'support');
  const made = await sluice(t, 'bundle', folder, '-c', gateway.config);
  assert.equal(made.code, 0, made.stderr);
  const [file = ''] = readdirSync(folder);
  assert.match(file, /^sluice-support-g1-\d{8}-\d{4}\.tar\.gz$/);
  assert.equal(statSync(path.join(folder, file)).mode & 0o777, 0o600);
  execFileSync('tar', ['-xzf', path.join(folder, file), '-C', folder]);
  const inside = path.join(folder, 'sluice-support');
  const contents = readFileSync(path.join(inside, 'CONTENTS.txt'), 'utf8');
  for (const name of names) {
    // A machine of tests has no journal of a service.
    const there = readdirSync(inside).includes(name ?? '');
    assert.ok(there || contents.includes(`${name}: left out: `), `${name}: ${contents}`);
  }
  for (const name of ['configuration.json', 'doctor.json', 'status.json', 'metrics.txt', 'versions.json'])
    assert.ok(readFileSync(path.join(inside, name), 'utf8').length > 50, name);
  const all = readdirSync(inside)
    .map((name) => readFileSync(path.join(inside, name), 'utf8'))
    .join('\n');
  assert.match(all, /"rule": "heavy"/, 'which alarms stand is shown');
  for (const word of [INLINE, FILED, VILLAGE, WEIGHT])
    for (const form of [
      word,
      encodeURIComponent(word),
      Buffer.from(word).toString('base64').slice(0, -4),
      Buffer.from(word).toString('hex'),
    ])
      assert.ok(!all.includes(form), form);
  assert.match(all, /"file": "keys\/secret\.txt"/, 'where a secret is kept is shown');

  // Without a gateway, and with a broken file, it is made all the same.
  assert.equal(await gateway.stop(), 0, gateway.tail());
  gateway.write(`${text}\nbuses: again\n`);
  const alone = await sluice(t, 'bundle', path.join(folder, 'alone.tar.gz'), '-c', gateway.config);
  assert.equal(alone.code, 0, alone.stderr);
  const list = execFileSync('tar', ['-xzOf', path.join(folder, 'alone.tar.gz'), 'sluice-support/CONTENTS.txt'], {
    encoding: 'utf8',
  });
  assert.match(list, /status\.json: left out: no gateway is running/);
});
