/** What a person types: the configuration of this folder, `reload`, commands of later versions, a first configuration. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { answerTcp, fakeTcp } from '../../fakes/modbus-device.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { asRoot } from '../../peers/peers.ts';

/** `sluice` as it is typed in a folder, by a user. */
async function typed(t: TestContext, cwd: string, args: readonly string[], user?: number) {
  const child = startChild(t, process.execPath, [MAIN, ...args], { cwd, user });
  const code = await child.ended;
  return { code, out: child.stdout.join('\n'), err: child.stderr.join('\n') };
}

test('commands take the gateway.yaml of their folder, or say where they looked', async (t) => {
  const device = await fakeTcp(t, answerTcp);
  const folder = scratch(t, 'here');
  const none = await typed(t, folder, ['status']);
  assert.equal(none.code, 2);
  assert.match(none.err, /There is no gateway\.yaml in this folder and no \/etc\/sluice\/gateway\.yaml; name/);
  writeFileSync(
    path.join(folder, 'gateway.yaml'),
    `
gateway: {id: g1, stateDir: state, runtimeDir: run}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {pump: {bus: plant, unit: 1, interval: 50ms, points: {a: {table: holding, address: 4, type: uint16}}}}
`,
  );
  assert.deepEqual([(await typed(t, folder, ['check'])).code, (await typed(t, folder, ['read', 'pump.a'])).code], [0, 0]);
  const daemon = startChild(t, process.execPath, [MAIN, 'run'], { cwd: folder });
  await daemon.line(/The gateway is running/);
  const status = await typed(t, folder, ['status']);
  assert.equal(status.code, 0, status.err);
  assert.match(status.out, /^g1, Sluice/);
});

test('reload tells what changed, and a faulty file changes nothing', async (t) => {
  const device = await fakeTcp(t, answerTcp);
  const gateway = makeGateway(
    t,
    (g) => `
${g.section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {pump: {bus: plant, unit: 1, interval: 50ms, points: {a: {table: holding, address: 4, type: uint16}}}}
`,
  );
  gateway.start();
  await gateway.waitForLog(/The gateway is running/);
  const reload = (...more: string[]) => sluice(t, 'reload', '-c', gateway.config, ...more);
  const same = await reload();
  assert.deepEqual([same.code, same.stdout], [0, 'Read again; nothing changed.'], same.stderr);
  const text = readFileSync(gateway.config, 'utf8');
  gateway.write(`${text}rules: {high: {point: pump.a, above: 60000}}\n`);
  const more = await reload();
  assert.equal(more.code, 0, more.stderr);
  assert.match(more.stdout, /^Read again:\n {2}rules$/);
  gateway.write(`${text}rules: {high: {point: pump.b, above: 60000}}\n`);
  const { code, stdout, stderr } = await reload('--socket', gateway.socket);
  assert.notEqual(code, 0);
  assert.equal(stdout, '');
  assert.match(stderr, /pump.*b/);
  assert.equal(await gateway.stop(), 0);
  gateway.write(text);
  assert.match((await reload()).stderr, /no gateway is running here/);
});

test('the first configuration of an ordinary user keeps its state beside itself', async (t) => {
  if (!asRoot(t, 'be somebody else')) return;
  const folder = scratch(t, 'init');
  chmodSync(folder, 0o755);
  const home = path.join(folder, 'home');
  mkdirSync(home);
  chownSync(home, 65_534, 65_534);
  const made = await typed(t, home, ['init', 'site'], 65_534);
  assert.equal(made.code, 0, made.err);
  assert.match(readFileSync(path.join(home, 'site', 'gateway.yaml'), 'utf8'), /^ {2}stateDir: state /m);
  const checked = await typed(t, path.join(home, 'site'), ['check'], 65_534);
  assert.equal(checked.code, 0, checked.err + checked.out);
});
