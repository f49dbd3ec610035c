/** The solar farm pump: the gateway stops a pump that runs dry, keeps it off until a person resets the alarm, and leaves a pump that stands alone. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const SITE = path.join(import.meta.dirname, '..', '..', '..', 'examples', 'sites', 'solar-farm-pump', 'gateway.yaml');

test('a dry solar pump is stopped and locked until a person resets it', { timeout: 400_000 }, async (t) => {
  const ports = { line: await freePort(), broker: await freePort() };
  const gateway = makeGateway(t, ({ runtimeDir }) =>
    readFileSync(SITE, 'utf8')
      .replace('port: 1502', `port: ${ports.line}`)
      .replace('port: 1883', `port: ${ports.broker}`)
      .replace('stateDir: state ', `runtimeDir: ${runtimeDir}\n  stateDir: state `)
      .replaceAll(/interval: \d+s/g, 'interval: 200ms')
      .replace('onDelay: 30s', 'onDelay: 1s'),
  );
  const simulator = startChild(t, process.execPath, [MAIN, 'simulate', gateway.config], { stdin: true });
  await simulator.line(/line: modbus-tcp on/);
  const set = (...values: string[]): void => {
    for (const value of values) simulator.write(`set ${value}`);
  };
  set('sun.battery 12.8', 'sun.panel 400', 'sun.battery-temperature 30', 'tank.level 1.5');
  set('tank.pump false', 'tank.switch false', 'tank.pressure 0');
  await gateway.up();
  const run = async (...words: string[]) => sluice(t, ...words, '-c', gateway.config);
  const alarms = async (): Promise<string> => (await run('alarm', 'list')).stdout;
  const tank = async (): Promise<string> => (await run('read', 'tank')).stdout;
  const shows = (what: RegExp) => waitFor(`${what}`, async () => what.test(await tank()));
  await shows(/tank\.pressure +0 bar/);
  // The tank fills, which shows that rules saw the pump stand without pressure for longer than the delay.
  set('tank.level 2.7');
  await waitFor('the alarm of the tank', async () => (await alarms()).includes('tank-high ('));
  assert.doesNotMatch(await alarms(), /tank-pump-dry/);
  set('tank.level 1.5');
  await waitFor('its end', async () => !(await alarms()).includes('tank-high ('));

  // A simulator that stands still does not answer a write, which may be given again.
  await waitFor('the pump to be switched on', async () => (await run('write', 'tank.switch', 'true')).code === 0);
  set('tank.pressure 2.4', 'tank.pump true');
  await shows(/tank\.switch +true/);
  set('tank.pressure 0');
  await waitFor('the alarm', async () => /tank-pump-dry \(critical\): ALARM/.test(await alarms()));
  await shows(/tank\.switch +false/);
  const early = await run('write', 'tank.switch', 'true');
  assert.notEqual(early.code, 0);
  assert.match(early.stderr, /tank\.switch is locked by the rule tank-pump-dry while .*write it when the cause is gone/);

  // The pump has stopped, and the well has water again: the lock stays.
  set('tank.pump false');
  await waitFor('the latch', async () => /tank-pump-dry \(critical\): (?!ALARM)/.test(await alarms()));
  const still = await run('write', 'tank.switch', 'true');
  assert.match(still.stderr, /tank\.switch is locked by the rule tank-pump-dry until .*reset the alarm first/);
  assert.match(await tank(), /tank\.switch +false/);
  assert.equal((await run('alarm', 'reset', 'tank-pump-dry')).code, 0);
  await waitFor('a write after the reset', async () => (await run('write', 'tank.switch', 'true')).code === 0);
  await shows(/tank\.switch +true/);
  assert.equal(await gateway.stop(), 0);
});
