/** `sluice rules test` of what a gateway with a device left: its log while it runs, a stretch of it, its files, and its exports. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import type { Report } from '../../../src/cli/rules/report.ts';
import { registerDevice } from '../../harness/register-device.ts';
import { site } from '../../harness/site.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

interface Line {
  readonly rule: string;
  readonly state: string;
  readonly occurrence: number;
  readonly time: number;
  readonly message: string;
}
const lineOf = ({ rule, state, occurrence, time, message }: Line) => [rule, state, occurrence, Math.round(time), message];

test('rules test says of a log, a stretch, its files and exports what the gateway said', async (t) => {
  const s = await site(t, {
    device: registerDevice,
    devices: `  tank: {bus: plant, unit: 1, interval: 30ms, points: {level: {table: holding, address: 0, type: int16, unit: cm}}}
  calc: {bus: sums, points: {double: {expression: 'tank.level * 2.0', unit: cm}}}`,
    buses: '  sums: {protocol: derived}',
    rules: `  high: {point: tank.level, above: 80, deadband: 5}
  twice: {point: calc.double, above: 160}
  calm: {point: tank.level, above: 80, onDelay: 1h}`,
    broker: true,
  });
  assert.ok(s);
  const { device, gateway } = s;
  device.registers[0] = 40;
  await gateway.up();
  const peek = await s.peek();
  const live = (): Line[] =>
    peek.messages.filter(({ topic, text }) => /\/alarm\//.test(topic) && text !== '').map(({ text }) => JSON.parse(text) as Line);
  const level = async (value: number, changes: number): Promise<void> => {
    device.registers[0] = value;
    await waitFor(`${changes} transitions`, () => live().length === changes);
  };
  await level(90, 2);
  await level(40, 4);
  // A reading lies between both alarms: the stretch begins there.
  const before = live().at(-1)?.time ?? 0;
  const between = await waitFor('a reading after the first alarm', async () => {
    const now = (await gateway.status()).gateway.time;
    return now > before + 200 ? Math.round(now) : undefined;
  });
  await level(91, 6);
  await level(41, 8);
  const all = live().map(lineOf).sort();
  assert.deepEqual(
    live()
      .map(({ rule, state }) => `${rule} ${state}`)
      .sort(),
    ['high', 'twice'].flatMap((rule) => [`${rule} active-unacknowledged`, `${rule} normal`].flatMap((one) => [one, one])).sort(),
  );
  await waitFor('the commit of the last transition', async () => (await gateway.status()).log.pending === 0);

  const played = async (...args: string[]): Promise<Report> => {
    const { code, stdout, stderr } = await sluice(t, 'rules', 'test', ...args, '-c', gateway.config, '--json');
    assert.deepEqual([code, stderr], [0, ''], args.join(' '));
    return JSON.parse(stdout) as Report;
  };
  const said = ({ transitions }: Report) => transitions.map(lineOf).sort();
  assert.deepEqual(said(await played()), all, 'the log of the running gateway');

  // Without what was before, the second alarm is the first.
  const stretch = await played('--from', new Date(between).toISOString(), '--to', '0s');
  const second = live()
    .filter(({ time }) => time > between)
    .map((line) => lineOf({ ...line, occurrence: 1 }));
  assert.equal(second.length, 4);
  assert.deepEqual(said(stretch), second.sort());
  assert.ok(stretch.from >= between && stretch.readings > 0);
  const first = await played('--to', new Date(between).toISOString());
  assert.deepEqual(
    said(first),
    live()
      .filter(({ time }) => time <= between)
      .map(lineOf)
      .sort(),
  );

  const files = async (points?: string): Promise<string[]> => {
    const made: string[] = [];
    for (const format of ['csv', 'jsonl']) {
      const wanted = points === undefined ? [] : ['--points', points];
      const { code, stdout } = await sluice(t, 'export', '-c', gateway.config, '--format', format, ...wanted);
      assert.equal(code, 0);
      const file = path.join(gateway.folder, `${points === undefined ? 'all' : 'some'}.${format}`);
      writeFileSync(file, `${stdout}\n`);
      made.push(file);
    }
    return made;
  };
  for (const file of await files()) assert.deepEqual(said(await played(file)), all, file);
  // What is computed need not be in the file.
  for (const file of await files('tank.level')) assert.deepEqual(said(await played(file)), all, file);

  assert.equal(await gateway.stop(), 0);
  assert.deepEqual(said(await played()), all, 'the files of a gateway that is stopped');
});
