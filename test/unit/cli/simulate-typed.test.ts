/** A line typed into a running simulation that cannot be done gets an answer that says what can. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Simulation } from '../../../src/cli/simulate/simulation.ts';
import { obey } from '../../../src/cli/simulate.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { kinds } from '../../../src/gateway/registry.ts';

test('typed lines: what is known is done, what is not known is answered with what can be typed', () => {
  const yaml = `
gateway: {id: g, stateDir: state}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1}}
devices: {pump: {bus: plant, unit: 1, interval: 1s, points: {speed: {table: holding, address: 0, type: uint16}}}}
`;
  const { config } = loadConfigText(yaml, '/tmp/gateway.yaml', kinds, { profileDirs: [] });
  assert.ok(config);
  const simulation = new Simulation(config, { clock: systemClock });
  const typed = (line: string) => () => obey(simulation, config, line);
  assert.equal(typed('')(), undefined);
  assert.equal(typed('silent pump on')(), 'pump: silent on from now on');
  assert.deepEqual(simulation.faults.device('pump'), { silent: true });
  assert.equal(typed('silent pump off')(), 'pump: silent is over');
  assert.equal(typed('set pump.speed 9')(), 'pump.speed is 9 from now on');
  assert.equal(typed('set pump.speed auto')(), 'pump.speed moves again');
  assert.throws(typed('help'), /^SluiceError: help is not known here\.[\s\S]*silent DEVICE on[\s\S]*set DEVICE\.POINT 9\.5/);
  assert.throws(typed('set pump.sped 9'), /there is no point pump\.sped; write one of: pump\.speed$/);
  assert.throws(typed('set pump.speed fast'), /"fast" is not a number/);
  assert.throws(typed('silent pumpe on'), /there is no device pumpe; silent goes with one of: pump$/);
});
