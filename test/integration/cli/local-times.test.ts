/** `--from` and `--to` without an offset: local times of the gateway, on days on which clocks change as well. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import type { Shape } from '../../../src/core/point.ts';
import { Log } from '../../../src/store/log.ts';
import { machineBoot } from '../../../src/time/probes.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { MAIN } from '../../harness/start-gateway.ts';

const HOUR = 3_600_000;
const shape: Shape = { device: 'd', points: [{ name: 'n', type: 'uint32', storage: 'number' }] };

/** A stopped gateway with a reading at half past each hour around the days on which the clocks of Berlin change. */
async function gateway(t: TestContext): Promise<string> {
  const folder = scratch(t, 'local');
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock: systemClock },
    ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 60_000, machine: machineBoot() },
  });
  const end = Date.UTC(2026, 9, 27);
  const now = Math.round(systemClock.monotonic());
  log.setClock(end - now, false);
  log.setInventory('{}');
  for (const [from, to] of [
    [Date.UTC(2026, 2, 28), Date.UTC(2026, 2, 31)],
    [Date.UTC(2026, 9, 24), Date.UTC(2026, 9, 27)],
  ] as const)
    for (let time = from + HOUR / 2; time < to; time += HOUR)
      assert.ok(log.append({ shape, at: now - (end - time), values: [1], reasons: null }));
  await log.close(60_000);
  return folder;
}

function configIn(folder: string, timezone: string): string {
  const file = path.join(folder, `${timezone === '' ? 'system' : 'zone'}.yaml`);
  const zone = timezone === '' ? '' : `, timezone: ${timezone}`;
  writeFileSync(
    file,
    `gateway: {id: g1, stateDir: ${path.join(folder, 'state')}${zone}}
buses: {b: {protocol: modbus-tcp, host: 127.0.0.1}}
devices: {d: {bus: b, unit: 1, points: {n: {table: holding, address: 0, type: uint32}}}}
rules: {high: {point: d.n, above: 0}}
`,
  );
  return file;
}

/** First and last time, and how many readings. */
async function exported(t: TestContext, config: string, from: string, to: string, TZ: string) {
  const words = ['export', '-c', config, '--from', from, '--to', to];
  const child = startChild(t, process.execPath, [MAIN, ...words], { env: { TZ } });
  assert.equal(await child.ended, 0, child.stderr.join('\n'));
  const times = child.stdout.slice(1).map((line) => /20\d\d-\d\d-\d\dT\d\d:\d\d/.exec(line)?.[0]);
  return [times[0], times.at(-1), times.length];
}

test('a date is the midnight of the gateway: its days have 23, 24 and 25 hours', async (t) => {
  const folder = await gateway(t);
  const berlin = configIn(folder, 'Europe/Berlin');
  const plain = configIn(folder, '');
  const spring = ['2026-03-28T23:30', '2026-03-29T21:30', 23];
  const autumn = ['2026-10-24T22:30', '2026-10-25T22:30', 25];
  // The zone of the configuration counts before that of the system; without one, that of the system.
  for (const [config, zone] of [
    [berlin, 'Asia/Dhaka'],
    [plain, 'Europe/Berlin'],
  ] as const) {
    assert.deepEqual(await exported(t, config, '2026-03-29', '2026-03-30', zone), spring);
    assert.deepEqual(await exported(t, config, '2026-10-25', '2026-10-26', zone), autumn);
    // The midnight of a date is the same as the time 0:00 of that day.
    assert.deepEqual(await exported(t, config, '2026-10-25T00:00', '2026-10-26 0:00', zone), autumn);
    // From the first 2:30 on; until the hour that the clock skips.
    assert.deepEqual(await exported(t, config, '2026-10-25T02:30', '2026-10-25T03:00', zone), [
      '2026-10-25T00:30',
      '2026-10-25T01:30',
      2,
    ]);
    assert.deepEqual(await exported(t, config, '2026-03-29T01:00', '2026-03-29T02:30', zone), [
      '2026-03-29T00:30',
      '2026-03-29T01:30',
      2,
    ]);
  }
  assert.deepEqual(await exported(t, plain, '2026-10-25', '2026-10-26', 'UTC'), ['2026-10-25T00:30', '2026-10-25T23:30', 24]);
  assert.deepEqual(await exported(t, berlin, '2026-10-25T00:00Z', '2026-10-26T00:00Z', 'Asia/Dhaka'), [
    '2026-10-25T00:30',
    '2026-10-25T23:30',
    24,
  ]);
});

test('rules test takes the same times: the whole of a day on which the clocks change', async (t) => {
  const folder = await gateway(t);
  const config = configIn(folder, 'Europe/Berlin');
  const words = ['rules', 'test', '-c', config, '--from', '2026-03-29', '--to', '2026-03-30', '--json'];
  const child = startChild(t, process.execPath, [MAIN, ...words], { env: { TZ: 'Asia/Dhaka' } });
  assert.equal(await child.ended, 0, child.stderr.join('\n'));
  const { readings, transitions } = JSON.parse(child.stdout.join('')) as { readings: number; transitions: { time: number }[] };
  assert.deepEqual([readings, transitions.map(({ time }) => time)], [23, [Date.UTC(2026, 2, 28, 23, 30)]]);
});
