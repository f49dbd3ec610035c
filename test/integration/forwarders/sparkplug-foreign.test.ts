/** Payloads of `sparkplug-b` before foreign decoders, and examples/sparkplug as a user runs it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { sparkplugBatch } from '../../../src/codecs/format-sparkplug-b.ts';
import { startChild } from '../../harness/child.ts';
import { formatCases } from '../../harness/format-case.ts';
import { freePort } from '../../harness/free-port.ts';
import { MAIN, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';
import { decoder, SparkplugHost } from '../../peers/sparkplug-host.ts';

const PEERS = path.join(import.meta.dirname, '../../peers');
const EXAMPLE = path.join(import.meta.dirname, '../../../examples/sparkplug/gateway.yaml');

test('protoc reads every golden payload, and reads what the golden text says', (t) => {
  const made = decoder(t);
  if (made === undefined) return;
  for (const { name, batch, read, file } of formatCases('sparkplug-b')) {
    const texts = sparkplugBatch(batch).map(({ to, payload }): string => {
      const args = [`--proto_path=${PEERS}`, '--decode=sparkplug.Payload', 'sparkplug_b.proto'];
      const { status, stdout, stderr } = spawnSync(made.protoc, args, { input: payload as Uint8Array });
      assert.equal(status, 0, stderr.toString());
      return `# ${to}\n${stdout.toString()}`;
    });
    if (process.env.SLUICE_GOLDEN === 'write') writeFileSync(file('decoded.txt'), texts.join(''));
    assert.equal(texts.join(''), read('decoded.txt'), name);
    // A number in front of a field is one that the proto does not have.
    assert.doesNotMatch(texts.join(''), /^\s*\d+:/m);
  }
});

test('the example is an edge node of its host, over a kill and a stop', async (t) => {
  const broker = await Mosquitto.start(t);
  if (broker === undefined) return;
  const host = await SparkplugHost.start(t, broker.port, 'water');
  if (host === undefined) return;
  const port = await freePort();
  const gateway = makeGateway(t, ({ runtimeDir }) => {
    let yaml = readFileSync(EXAMPLE, 'utf8');
    for (const [from, to] of [
      ['port: 1502', `port: ${port}\n    timeout: 5s`],
      ['mqtt://127.0.0.1:1883', broker.url],
      ['stateDir: state ', `runtimeDir: ${runtimeDir}\n  stateDir: state `],
      ['interval: 1s', 'interval: 200ms'],
    ] as const) {
      assert.equal(yaml.split(from).length, 2, `${from} stands once in the example`);
      yaml = yaml.replace(from, to);
    }
    return yaml;
  });
  const simulator = startChild(t, process.execPath, [MAIN, 'simulate', gateway.config], { stdin: true });
  await simulator.line(/plant: modbus-tcp on/);
  simulator.write('set pump.pressure 3.02\nset pump.speed 40\nset pump.running true');
  const shows = (name: string, value: unknown) =>
    waitFor(
      () => `${name} to be ${String(value)}: ${gateway.tail(5)}`,
      () => host.lines().some((line) => line.kind === 'value' && line.name === name && line.value === value),
    );
  await gateway.up();
  await shows('pressure', 3.02);
  const types = new Map(host.heard('dbirth')[0]?.metrics.map(({ name, type }) => [name, type]));
  assert.deepEqual([...types].sort(), [
    ['flow', 9],
    ['pressure', 10],
    ['running', 11],
    ['speed', 6],
    ['starts', 7],
  ]);
  await host.order({ topic: 'DCMD/station-1/pump', metrics: [{ name: 'speed', datatype: 6, int_value: 55 }] });
  await shows('speed', 55);
  await waitFor('the result', () =>
    host.heard('value').some(({ name, value }) => name === 'Command/Result' && /"ok":true/.test(String(value))),
  );
  await host.order({ topic: 'DCMD/station-1/pump', metrics: [{ name: 'speed', datatype: 6, int_value: 555 }] });
  await host.order({ topic: 'DCMD/station-1/pump', metrics: [{ name: 'pressure', datatype: 10, double_value: 1 }] });
  await waitFor('refusals', () => host.heard('value').filter(({ value }) => /"ok":false/.test(String(value))).length === 2);
  simulator.write('set pump.pressure 6.5');
  await shows('Alarm/overpressure/State', 'active-unacknowledged');
  await host.order({
    topic: 'NCMD/station-1',
    metrics: [{ name: 'Alarm/overpressure/Acknowledge', datatype: 11, boolean_value: true }],
  });
  await shows('Alarm/overpressure/State', 'active-acknowledged');

  await gateway.kill();
  await waitFor('the will', () => host.heard('ndeath').length === 1);
  await gateway.up();
  const sessions = () => host.heard('nbirth').filter(({ again }) => !again);
  await waitFor('another birth', () => sessions().length === 2);
  simulator.write('silent pump on');
  await waitFor('the death of the pump', () => host.heard('ddeath').length === 1);
  assert.equal(await gateway.stop(), 0);
  await waitFor('the last death', () => host.heard('ndeath').length === 2);
  assert.deepEqual(
    sessions().map(({ bd }) => bd),
    [0, 1],
  );
  assert.deepEqual(
    host.heard('ndeath').map(({ bd, mine }) => [bd, mine]),
    [
      [0, true],
      [1, true],
    ],
  );
  assert.deepEqual(host.violations, []);
});
