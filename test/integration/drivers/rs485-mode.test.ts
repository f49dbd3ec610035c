/** The call that asks Linux to switch an RS-485 transceiver, as strace sees it. No machine of a test has a port that takes it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { scratch } from '../../harness/scratch.ts';
import { peer } from '../../peers/peers.ts';

const MODULE = path.join(import.meta.dirname, '../../../src/drivers/rs485-mode.ts');

/** @returns what the process says, and its calls. @param how options of strace. undefined after a skip */
function traced(t: TestContext, ...how: readonly string[]): { said: string; calls: string } | undefined {
  const strace = peer(t, 'strace', 'apt-get install -y strace');
  if (strace === undefined) return undefined;
  const calls = path.join(scratch(t, 'rs485'), 'calls');
  const program = `
    import { openSync } from 'node:fs';
    import { askForRs485 } from ${JSON.stringify(MODULE)};
    await askForRs485(openSync('/dev/ptmx', 'r+'), '/dev/ttyAMA0').then(() => console.log('taken'), ({ code, message }) => console.log(code, message));`;
  const { stdout, stderr } = spawnSync(
    strace,
    [
      ...['-f', '-y', '-o', calls, '-e', 'trace=ioctl', ...how, process.execPath, '--disable-warning=ExperimentalWarning'],
      ...['--input-type=module', '-e', program],
    ],
    { encoding: 'utf8' },
  );
  return { said: stdout + stderr, calls: readFileSync(calls, 'utf8') };
}

test('a port without an RS-485 mode is asked by TIOCSRS485, and the refusal says what to do', (t) => {
  const found = traced(t);
  if (found === undefined) return;
  assert.match(found.said, /^bus-open \/dev\/ttyAMA0 cannot switch .* \(error 25\); write direction: automatic/);
  assert.match(found.calls, /ioctl\(\d+<\/dev\/ptmx>, TIOCSRS485, 0x[0-9a-f]+\) = -1 ENOTTY/);
  assert.equal(found.calls.match(/RS485/g)?.length, 1, 'it asks once');
});

test('a driver that takes the RS-485 mode is believed', (t) => {
  const found = traced(t, '-e', 'inject=ioctl:retval=0');
  if (found === undefined) return;
  assert.equal(found.said.trim(), 'taken');
  assert.match(found.calls, /TIOCSRS485, 0x[0-9a-f]+\) = 0 \(INJECTED\)/);
});
