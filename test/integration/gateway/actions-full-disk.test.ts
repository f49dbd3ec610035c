/** Rules act on a full disk, after a kill on it, and beside a second instance, which does nothing at the wire. */
import assert from 'node:assert/strict';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { startChild } from '../../harness/child.ts';
import { run } from '../../harness/loop-disk.ts';
import { registerDevice } from '../../harness/register-device.ts';
import { scratch } from '../../harness/scratch.ts';
import { site } from '../../harness/site.ts';
import { MAIN } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { asRoot } from '../../peers/peers.ts';

const [SPEED, LAMP, LEVEL] = [0, 1, 5];

/** Takes the last byte of a disk. */
function fill(file: string): void {
  const fd = openSync(file, 'w');
  try {
    for (let size = 65_536; size >= 1; )
      try {
        writeSync(fd, Buffer.alloc(size));
      } catch {
        size >>= 1;
      }
  } finally {
    closeSync(fd);
  }
}

test('actions go on with a full disk, and a second instance touches no device', { timeout: 600_000 }, async (t) => {
  if (!asRoot(t, 'mount a small file system')) return;
  let mounted: string | undefined;
  // Before the folder of the gateway is removed.
  t.after(() => {
    if (mounted !== undefined) run('umount', '-l', mounted);
  });
  const hooked = path.join(scratch(t, 'hooked'), 'runs');
  const program = path.join(path.dirname(hooked), 'hook');
  writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$1" >>${hooked}\n`, { mode: 0o755 });
  const s = await site(t, {
    device: registerDevice,
    ...{ bus: 'timeout: 10s, retries: 0', buffer: 'commitEvery: 50ms', broker: true },
    devices: `
  plant:
    bus: plant
    unit: 1
    interval: 50ms
    points:
      level: {table: holding, address: ${LEVEL}, type: int16}
      speed: {table: holding, address: ${SPEED}, type: int16, write: {min: 0, max: 50, every: 0ms}}
      lamp: {table: holding, address: ${LAMP}, type: uint16, write: {min: 0, max: 1, every: 0ms}}`,
    rules: `
  dry:
    point: plant.level
    below: 3
    message: empty
    do:
      - {write: plant.speed, value: 7}
      - {on: [normal], write: plant.speed, value: 20}
      - {hook: note}
      - {output: plant.lamp, set: 1, clear: 0}`,
    more: `hooks: {note: {run: [${program}, 'text={message}'], unsafeSameUser: true}}`,
  });
  assert.ok(s !== undefined);
  const { device, gateway } = s;
  mkdirSync(gateway.stateDir, { recursive: true });
  run('mount', '-t', 'tmpfs', '-o', 'size=4m,mode=750', 'small', gateway.stateDir);
  mounted = gateway.stateDir;
  device.registers[LEVEL] = 10;
  await gateway.up();
  const filler = path.join(gateway.stateDir, 'others');
  fill(filler);
  await waitFor('the fault of the log', async () => (await gateway.status()).log.faults.length > 0);

  const runs = () => readFileSync(hooked, { encoding: 'latin1', flag: 'a+' }).split('\n').length - 1;
  const begun = async (times: number): Promise<void> => {
    device.registers[LEVEL] = 2;
    await waitFor(
      'the actions of the alarm',
      () => device.registers[SPEED] === 7 && device.registers[LAMP] === 1 && runs() === times,
    );
    device.registers[LEVEL] = 10;
    await waitFor('the actions of its end', () => device.registers[SPEED] === 20 && device.registers[LAMP] === 0);
  };
  for (let times = 1; times <= 3; times++) await begun(times);
  const polls = device.requests.length;
  await waitFor('polls', () => device.requests.length > polls + 20);

  // A second one of the same configuration, while the lamp is on.
  device.registers[LEVEL] = 2;
  await waitFor('the lamp', () => device.registers[LAMP] === 1 && device.registers[SPEED] === 7);
  const written = device.writes.length;
  const second = startChild(t, process.execPath, [MAIN, 'run', '-c', gateway.config]);
  assert.notEqual(await second.ended, 0);
  assert.match([...second.stdout, ...second.stderr].join('\n'), /running with this state directory/);
  assert.equal(device.writes.length, written, 'it wrote nothing to a device');
  const { actions } = await gateway.status();
  const count = (of: 'failed' | 'dropped') => actions?.kinds.reduce((sum, kind) => sum + kind[of], 0);
  assert.deepEqual([count('failed'), count('dropped')], [0, 0]);

  // What a kill on the full disk leaves is taken up as soon as there is room.
  await gateway.kill();
  device.registers[LAMP] = 0;
  rmSync(filler);
  await gateway.up();
  await waitFor('the lamp after the kill', () => device.registers[LAMP] === 1);
  device.registers[LEVEL] = 10;
  await waitFor('the end of the alarm', () => device.registers[SPEED] === 20 && device.registers[LAMP] === 0);
  assert.equal(await gateway.stop(), 0);
});
