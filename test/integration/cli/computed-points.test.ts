/** The example of computed points as a user takes it: against its simulation, with its alarm, over a restart. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const EXAMPLE = path.join(import.meta.dirname, '..', '..', '..', 'examples', 'computed-points', 'gateway.yaml');

test('computed points run against their simulation, raise an alarm, and go on after a restart', async (t) => {
  const ports = { plant: await freePort(), broker: await freePort() };
  const gateway = makeGateway(t, ({ runtimeDir }) =>
    readFileSync(EXAMPLE, 'utf8')
      .replace('port: 1502', `port: ${ports.plant}`)
      .replace('port: 1883', `port: ${ports.broker}`)
      .replace('stateDir: state ', `runtimeDir: ${runtimeDir}\n  stateDir: state `)
      .replaceAll('interval: 1s', 'interval: 100ms')
      .replace('interval: 5s', 'interval: 100ms')
      .replace('every: 10s', 'every: 200ms')
      .replace('commitEvery: 10s', 'commitEvery: 1s'),
  );
  const simulator = startChild(t, process.execPath, [MAIN, 'simulate', gateway.config], { stdin: true });
  await simulator.line(/plant: modbus-tcp on/);
  for (const set of [
    'hall.temperature 20',
    'hall.humidity 50',
    'mains.power-l1 3000',
    'mains.power-l2 3000',
    'mains.power-l3 3600',
  ])
    simulator.write(`set ${set}`);
  gateway.start();
  await gateway.waitForLog(/is running/);
  const read = async (point: string): Promise<string> => {
    const { code, stdout, stderr } = await sluice(t, 'read', point, '-c', gateway.config);
    return code === 0 ? stdout : stderr;
  };
  const shows = async (point: string, wanted: RegExp): Promise<void> => {
    let last = '';
    await waitFor(`${point} like ${wanted}`, async () => {
      last = await read(point);
      return wanted.test(last);
    });
  };
  await shows('climate.dew-point', /climate\.dew-point +9\.26 °C/);
  await shows('feeder.power', /feeder\.power +9\.6 kW/);
  await shows('feeder.unbalance', /feeder\.unbalance +12\.5 %/);
  await shows('feeder.energy', /feeder\.energy +0\.0*[1-9]\d* kWh/);
  simulator.write('set tank.level 0.25');
  await gateway.waitForLog(/The tank is nearly empty/);
  await shows('water.volume', /water\.volume +155 L/);
  await waitFor('a status with the alarm and the computed device', async () => {
    const { stdout } = await sluice(t, 'status', '-c', gateway.config);
    return /ALARM +water-low \(critical\)/.test(stdout) && /^ {2}climate +answering +\d+ records/m.test(stdout);
  });
  assert.equal(await gateway.stop(), 0);

  const energy = async (): Promise<number> => Number(/feeder\.energy +([\d.]+) kWh/.exec(await read('feeder.energy'))?.[1]);
  gateway.start();
  await gateway.waitForLog(/is running/);
  await waitFor('an energy', async () => (await energy()) > 0);
  const { stdout } = await sluice(t, 'export', '-c', gateway.config, '--points', 'feeder.energy');
  const values = stdout
    .trim()
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const value = Number(line.split(',')[6]);
      return Number.isFinite(value) ? [value] : [];
    });
  assert.ok(values.length > 3, stdout);
  assert.deepEqual(
    values,
    values.toSorted((a, b) => a - b),
    'energy never falls',
  );
  await gateway.kill();
  gateway.start();
  await gateway.waitForLog(/is running/);
  const before = values.at(-1) ?? 0;
  await waitFor('an energy after the kill', async () => (await energy()) >= before);
  assert.equal(await gateway.stop(), 0);
});
