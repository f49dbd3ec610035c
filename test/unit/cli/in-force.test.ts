/** Commands that answer about the site take the configuration in force, whether it is the file on the board or not. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { configInForce, lookInForce } from '../../../src/cli/in-force.ts';
import { pushed } from '../../harness/pushed.ts';
import { scratch } from '../../harness/scratch.ts';
import { sluice } from '../../harness/start-gateway.ts';

interface More {
  readonly password: string;
  readonly name: string;
  readonly privacy?: boolean;
}

function yamlOf(stateDir: string, { password, name, privacy = false }: More): string {
  return `gateway: {id: g1, stateDir: ${stateDir}, name: ${name}}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: 1502}}
devices:
  d1: {bus: plant, unit: 1, interval: 1s, points: {kg: {table: holding, address: 0, type: uint16${privacy ? ', privacy: health' : ''}}}}
forwarders: {cloud: {type: mqtt, url: 'mqtt://127.0.0.1:1', username: clerk, password: '${password}'}}
`;
}

const BOARD = { password: 'Planted-board-1', name: 'Planted-town' };
const UPSTREAM = { password: 'Planted-upstream-2', name: 'Planted-village', privacy: true };

test('what a start would put in force is what counts', async (t) => {
  const dir = scratch(t, 'in-force');
  const state = path.join(dir, 'state');
  const file = path.join(dir, 'gateway.yaml');
  const board = yamlOf(state, BOARD);
  writeFileSync(file, board);
  const name = (): string | undefined => configInForce(file, false).gateway.name;
  assert.equal(name(), 'Planted-town');
  await pushed(state, yamlOf(state, UPSTREAM), board, 'trial');
  assert.equal(name(), 'Planted-town', 'a trial is over at the next start');
  assert.equal(lookInForce(file, { readSecrets: false }).known.length, 2);
  await pushed(state, yamlOf(state, UPSTREAM), board);
  assert.equal(name(), 'Planted-village');
  writeFileSync(path.join(state, 'config', 'upstream-2.yaml'), 'damaged');
  assert.equal(name(), 'Planted-town', 'a text that cannot be used');
  await pushed(state, yamlOf(state, UPSTREAM), board);
  appendFileSync(file, '# by hand\n');
  assert.equal(name(), 'Planted-town', 'a person changed the file');
  assert.deepEqual(
    lookInForce(file, { readSecrets: false }).known.map(({ config }) => config?.gateway.name),
    ['Planted-town', 'Planted-village'],
  );
});

test('the support bundle knows secrets and private points of the configuration from upstream', async (t) => {
  const dir = scratch(t, 'in-force');
  const state = path.join(dir, 'state');
  const file = path.join(dir, 'gateway.yaml');
  writeFileSync(file, yamlOf(state, BOARD));
  assert.doesNotMatch((await sluice(t, 'bundle', '--list', '-c', file)).stdout, /without values of alarms/);
  await pushed(state, yamlOf(state, UPSTREAM), yamlOf(state, BOARD));
  assert.match((await sluice(t, 'bundle', '--list', '-c', file)).stdout, /without values of alarms/);
  const made = path.join(dir, 'made.tar.gz');
  const { code, stderr } = await sluice(t, 'bundle', made, '-c', file);
  assert.equal(code, 0, stderr);
  execFileSync('tar', ['-xzf', made, '-C', dir]);
  const inside = path.join(dir, 'sluice-support');
  const all = readdirSync(inside)
    .map((name) => readFileSync(path.join(inside, name), 'utf8'))
    .join('\n');
  assert.match(all, /version 1 from upstream/);
  for (const planted of [BOARD, UPSTREAM].flatMap(({ password, name }) => [password, name]))
    assert.ok(!all.includes(planted), planted);
});

test('the inventory of sensing is that of the configuration from upstream', async (t) => {
  const dir = scratch(t, 'in-force');
  const state = path.join(dir, 'state');
  const file = path.join(dir, 'gateway.yaml');
  writeFileSync(file, yamlOf(state, BOARD));
  await pushed(state, yamlOf(state, UPSTREAM), readFileSync(file, 'utf8'));
  const { stdout, stderr } = await sluice(t, 'privacy', '--json', '-c', file);
  assert.deepEqual(
    (JSON.parse(stdout) as { classes: { class: string }[] }).classes.map((own) => own.class),
    ['health'],
  );
  assert.match(stderr, /this is about version 1 from upstream, which is in force instead of .*gateway\.yaml/);
});
