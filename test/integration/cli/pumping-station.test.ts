/** The example of rules of several points as a user takes it: against its simulation, with its alarms, over a restart. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const EXAMPLE = path.join(import.meta.dirname, '..', '..', '..', 'examples', 'pumping-station', 'gateway.yaml');

test('rules of several points raise alarms on a running gateway, over a restart', async (t) => {
  const ports = { plant: await freePort(), broker: await freePort() };
  const gateway = makeGateway(t, ({ runtimeDir }) =>
    readFileSync(EXAMPLE, 'utf8')
      .replace('port: 1502', `port: ${ports.plant}`)
      .replace('port: 1883', `port: ${ports.broker}`)
      .replace('stateDir: state ', `runtimeDir: ${runtimeDir}\n  stateDir: state `)
      .replaceAll('interval: 1s', 'interval: 100ms')
      .replace('commitEvery: 10s', 'commitEvery: 1s'),
  );
  const simulator = startChild(t, process.execPath, [MAIN, 'simulate', gateway.config], { stdin: true });
  await simulator.line(/plant: modbus-tcp on/);
  const set = (...settings: string[]): void => {
    for (const setting of settings) simulator.write(`set ${setting}`);
  };
  set('tank.level 2', 'tank.float false', 'tank.inflow 10', 'tank.outflow 10');
  set('pump-1.running false', 'pump-1.status 0', 'pump-1.pressure 3', 'pump-1.limit 6');
  gateway.start();
  await gateway.waitForLog(/is running/);
  const alarms = async (): Promise<string> => {
    const { stdout } = await sluice(t, 'alarm', 'list', '-c', gateway.config);
    return stdout;
  };
  const shows = (what: RegExp) =>
    waitFor(`an alarm like ${what}`, async () => {
      return what.test(await alarms());
    });
  const ends = (rule: string) => waitFor(`${rule} is over`, async () => !(await alarms()).includes(rule));

  set('pump-1.running true', 'tank.level 0.3');
  await shows(/tank\.level is 0\.3 m \(below 0\.5\) and pump-1\.running is true/);
  set('pump-1.running false');
  await ends('dry-run');

  set('tank.level 4.6', 'tank.float true');
  await shows(/tank\.level is 4\.6 m \(above 4\.5\) and tank\.float is true/);
  set('tank.float false');
  await ends('overflow');

  set('tank.outflow 90');
  await shows(/tank\.outflow is 90 L\/min, tank\.inflow is 10 L\/min and pump-1\.running is false for 1s/);
  set('tank.outflow 10');
  await ends('leak');

  set('pump-1.pressure 7');
  await shows(/pump-1\.pressure is 7 bar, above 6\.5 \(pump-1\.limit \+ 0\.5\)/);
  set('pump-1.status 32');
  await shows(/pump-1\.status is 32, bits 3 or 5 set/);
  assert.equal(await gateway.stop(), 0);
  gateway.start();
  await gateway.waitForLog(/is running/);
  await shows(/overpressure \(critical\): ALARM/);
  await shows(/pump-fault \(critical\): ALARM/);
  // The limit alone ends it.
  set('pump-1.limit 9');
  await ends('overpressure');
  assert.equal(await gateway.stop(), 0);
});
