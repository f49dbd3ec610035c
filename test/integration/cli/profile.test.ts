/** `sluice profile` and the remarks of `sluice check` about ports, as a person runs them. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { portRemarks } from '../../../src/cli/check.ts';
import { formatFault } from '../../../src/config/fault.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { MAIN } from '../../harness/start-gateway.ts';

async function sluice(t: TestContext, ...args: string[]): Promise<{ out: string; err: string; status: number | string }> {
  const child = startChild(t, process.execPath, [MAIN, 'profile', ...args]);
  const status = await child.ended;
  return { out: child.stdout.join('\n'), err: child.stderr.join('\n'), status };
}

/** A folder with a configuration that nobody reads, and a profile beside it. */
function ownProfile(t: TestContext, profile: string): { config: string; file: string } {
  const folder = scratch(t, 'profile');
  mkdirSync(path.join(folder, 'profiles'));
  const file = path.join(folder, 'profiles/own-meter.yaml');
  writeFileSync(file, profile);
  return { config: path.join(folder, 'gateway.yaml'), file };
}

const OWN = `vendor: Acme
model: M1
title: a meter
sources: [Acme M1 manual]
extends: sdm120
points: {current: null}
`;

test('list and show: the library and the profiles beside the configuration', async (t) => {
  const { config, file } = ownProfile(t, OWN);
  const list = await sluice(t, 'list', '-c', config);
  assert.equal(list.status, 0);
  assert.match(list.out, /^own-meter +Acme M1 +a meter: modbus, 12 points$/m);
  assert.match(list.out, /^sdm120 +Eastron SDM120-Modbus +single-phase energy meter: modbus, 13 points$/m);
  const entries = JSON.parse((await sluice(t, 'list', '-c', config, '--json')).out) as {
    name: string;
    points: number;
    file: string;
  }[];
  assert.deepEqual(
    entries.find(({ name }) => name === 'own-meter'),
    {
      ...{ name: 'own-meter', vendor: 'Acme', model: 'M1', title: 'a meter', family: 'modbus', points: 12, file },
    },
  );

  const show = await sluice(t, 'show', 'own-meter', '-c', config);
  assert.match(show.out, /^ {2}voltage +V +input 0 float32 ABCD$/m);
  assert.doesNotMatch(show.out, /^ {2}current/m);
  assert.match(show.out, /As delivered: baudRate 2400, parity none/);
  assert.match(show.out, /profile: own-meter\}/);
  const shown = JSON.parse((await sluice(t, 'show', 'sds011', '--json')).out) as { line: object; points: object };
  assert.deepEqual(shown.line, { baudRate: 9600, dataBits: 8, parity: 'none', stopBits: 1 });
  assert.deepEqual(Object.keys(shown.points), ['pm2_5', 'pm10']);

  const wrong = await sluice(t, 'show', 'sdm12', '-c', config);
  assert.equal(wrong.status, 1);
  assert.match(wrong.err, /there is no profile "sdm12"; did you mean "sdm120"\?/);
});

test('check: the exit status tells good, told and refused apart', async (t) => {
  const { file, config } = ownProfile(t, OWN);
  const told = await sluice(t, 'check', file);
  assert.equal(told.status, 1);
  assert.match(told.err, /own-meter\.yaml:1:1: there is no case: write own-meter\.case\.yaml/);

  writeFileSync(
    file.replace('.yaml', '.case.yaml'),
    `profile: own-meter
source: the example of the manual of the meter that it extends
cases: [{name: one, tolerance: 0.0001, registers: {input: {0: 43 66 33 34}}, readings: {voltage: 230.2}}]
`,
  );
  const unread = await sluice(t, 'check', file, '--json');
  const { faults, valid } = JSON.parse(unread.out) as {
    valid: boolean;
    faults: { line: number; path: string; message: string }[];
  };
  assert.equal(valid, true);
  assert.equal(faults.length, 11, 'every point but the voltage');
  assert.ok(faults.every(({ message }) => /no case has a reading/.test(message)));

  writeFileSync(file, OWN.replace('extends: sdm120', 'extends: sdm12'));
  const refused = await sluice(t, 'check', file);
  assert.equal(refused.status, 78);
  assert.match(refused.err, /own-meter\.yaml:5:10: extends: there is no profile "sdm12"; did you mean "sdm120"\?\n1 fault; /);
  const list = await sluice(t, 'list', '-c', config);
  assert.equal(list.status, 1);
  assert.match(list.out, /^own-meter +cannot be used +sluice profile check .*own-meter\.yaml$/m);
});

test('a port with a stable name is told in `check`, at its place', async () => {
  const text = `gateway: {id: g}
buses:
  field: {protocol: modbus-rtu, port: /dev/ttyUSB0}
  air: {protocol: serial, port: /dev/ttyUSB1}
  net: {protocol: modbus-tcp, host: 10.0.0.1}
`;
  const result = loadConfigText(text, 'gateway.yaml', kinds, { profileDirs: [] });
  const find = (port: string) => Promise.resolve(port === '/dev/ttyUSB0' ? '/dev/serial/by-id/usb-FTDI-if00' : undefined);
  assert.deepEqual((await portRemarks(result, find)).map(formatFault), [
    'gateway.yaml:3:39: buses.field.port: /dev/ttyUSB0 may have another name after it is plugged in again; this name stays: /dev/serial/by-id/usb-FTDI-if00',
  ]);
});
