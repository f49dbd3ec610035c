/**
 * Actions that meet the worst: hooks that never end, ignore SIGTERM, flood their output and leave children behind, and a thousand writes to
 * a device that is silent. Polls go on, alarms are acted on, memory is bounded, and nothing outlives the gateway.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { memoryFalls } from '../../harness/memory-falls.ts';
import { registerDevice } from '../../harness/register-device.ts';
import { scratch } from '../../harness/scratch.ts';
import { site } from '../../harness/site.ts';
import { waitFor } from '../../harness/wait-for.ts';

const LEVEL = 5;
const SPEED = 0;
const WRITES = 1000;
const MB = 1e6;

/** A program in a file of its own. `MARK` is in the command line of every process that it starts. */
function program(folder: string, name: string, script: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return file;
}

/** Processes whose command line has the word. */
function living(word: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(word);
    } catch {
      return false;
    }
  });
}

test('hostile hooks and a thousand writes to a silent device', { timeout: 600_000 }, async (t) => {
  const folder = scratch(t, 'hostile-hooks');
  const mark = path.basename(folder);
  const deaf = program(folder, 'deaf', "trap '' TERM INT HUP\nwhile :; do sleep 1; done");
  const flood = program(folder, 'flood', 'exec yes "a line of many letters that nobody wants to keep in memory"');
  const forks = program(
    folder,
    'forks',
    `for i in 1 2 3 4 5 6 7 8; do (exec setsid sh -c 'sleep 600; : ${mark}') & done\nexit 0`,
  );
  const s = await site(t, {
    device: registerDevice,
    ...{ bus: 'timeout: 200ms, retries: 0', broker: true },
    devices: `
  plant:
    bus: plant
    unit: 1
    interval: 50ms
    points:
      level: {table: holding, address: ${LEVEL}, type: int16}
      speed: {table: holding, address: ${SPEED}, type: int16, write: {min: 0, max: 50, every: 0ms}}
  dead: {bus: plant, unit: 9, interval: 60s, points: {p: {table: holding, address: 0, type: uint16, write: {min: 0, max: 9, every: 0ms}}}}`,
    rules: `
  dry:
    point: plant.level
    below: 3
    interlock: [plant.speed]
    do: [{hook: deaf, retries: 0}, {hook: flood, retries: 0}, {hook: forks, retries: 0}, {write: plant.speed, value: 7}]`,
    more: `hooks:
  deaf: {run: [${deaf}], timeout: 2s, unsafeSameUser: true}
  flood: {run: [${flood}], timeout: 2s, unsafeSameUser: true}
  forks: {run: [${forks}], timeout: 2s, unsafeSameUser: true}`,
  });
  assert.ok(s !== undefined);
  const { gateway, device } = s;
  t.after(() => {
    for (const pid of living(mark)) process.kill(Number(pid), 'SIGKILL');
  });
  device.registers[LEVEL] = 10;
  device.silent.add(9);
  await gateway.up();
  const rss = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'latin1'))?.[1]) * 1024;
  const before = rss();
  device.registers[LEVEL] = 2;
  await waitFor('the write beside the hooks', () => device.registers[SPEED] === 7);
  // All at once: what does not fit is refused, and what waits is answered.
  const answers = await Promise.all(
    Array.from({ length: WRITES }, (_, i) =>
      request(gateway.socket, 'POST', '/api/v1/write', { point: 'dead.p', value: i % 10 }).then(
        () => 'written',
        (error: { code?: string }) => String(error.code),
      ),
    ),
  );
  assert.equal(answers.filter((code) => code === 'written').length, 0);
  const codes = [...new Set(answers)].sort();
  t.diagnostic(`${WRITES} writes: ${codes.map((code) => `${code} ${answers.filter((one) => one === code).length}`).join(', ')}`);
  const polls = device.requests.length;
  await waitFor('polls', () => device.requests.length > polls + 20);
  await assert.rejects(
    request(gateway.socket, 'POST', '/api/v1/write', { point: 'plant.speed', value: 30 }),
    /locked by the rule dry/,
  );
  const { list = [] } = await waitFor('the end of the hooks', async () => {
    const { actions } = await gateway.status();
    return (actions?.list.filter(({ action, last }) => action.startsWith('hook') && last !== null).length ?? 0) >= 3
      ? actions
      : undefined;
  });
  const results = Object.fromEntries(list.map(({ action, last }) => [action, last?.result]));
  assert.deepEqual([results['hook deaf'], results['hook flood']], ['failed', 'failed']);
  await waitFor('hooks to be gone', () => living(mark).length === 0);
  const grown = () => rss() - before;
  t.diagnostic(`memory grew by ${(grown() / MB).toFixed(0)} MB`);
  await memoryFalls(grown, 150 * MB, () => gateway.status());
  assert.equal(await gateway.stop(), 0);
  assert.deepEqual(living(mark), []);
});
