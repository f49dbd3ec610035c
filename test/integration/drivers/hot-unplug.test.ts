/** Real ports (pseudo-terminals) that other programs hold, on both drivers that open ports. Unplugging itself: drivers-serial, modbus-pymodbus. */
import assert from 'node:assert/strict';
import { chmodSync, renameSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import type { Logger } from '../../../src/core/logger.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import type { Bus } from '../../../src/core/ports.ts';
import { serial } from '../../../src/drivers/serial/kind.ts';
import { fakeRtu } from '../../fakes/modbus-device.ts';
import { type Child, startChild } from '../../harness/child.ts';
import { startSite, words } from '../../harness/modbus-site.ts';
import { scratch } from '../../harness/scratch.ts';
import { deviceOf, LEVELS } from '../../harness/serial-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { asRoot, peer } from '../../peers/peers.ts';

const INSTALL = 'apt-get install -y python3';
/**
 * Holds a pseudo-terminal as told on standard input: `lock`, `unlock`. Another process made it and has both of its ends open, as
 * socat does: that one is the line and is never to be named.
 */
const HOLDER = `
import fcntl, os, pty, sys, tty
master, slave = pty.openpty()
tty.setraw(slave)
ends, held = os.pipe()
if os.fork() == 0:
    os.close(held)
    os.read(ends, 1)
    os._exit(0)
os.close(master)
print(os.ttyname(slave), flush=True)
for line in sys.stdin:
    word = line.strip()
    if word == 'lock':
        fcntl.flock(slave, fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif word == 'unlock':
        fcntl.flock(slave, fcntl.LOCK_UN)
    print('done ' + word, flush=True)
`;

async function holder(t: TestContext): Promise<{ child: Child; port: string } | undefined> {
  const python = peer(t, '/usr/bin/python3', INSTALL);
  if (python === undefined) return undefined;
  const child = startChild(t, python, ['-c', HOLDER], { stdin: true });
  return { child, port: await child.line(/^\/dev\//) };
}

async function order(child: Child, word: string): Promise<void> {
  child.write(word);
  await child.line(new RegExp(`^done ${word}$`));
}

const faultOf = (bus: Bus) => bus.status().fault ?? '';

test('a locked port: both drivers name the program that holds it, and go on after it', async (t) => {
  const held = await holder(t);
  if (held === undefined) return;
  const { child, port } = held;
  await order(child, 'lock');
  const words = new RegExp(`^${port}: in use by python3 \\(pid ${child.pid}\\): end that program`);

  const meter = { unit: 1, points: { a: { table: 'input', address: 0, type: 'uint16' } } };
  const modbus = startSite(t, { port }, { meter });
  await waitFor(
    () => `words about the holder, not ${faultOf(modbus.bus)}`,
    () => words.test(faultOf(modbus.bus)),
  );
  await order(child, 'unlock');
  await waitFor('the bus to open', () => modbus.bus.status().state === 'open');
  const too = `is open in python3 (pid ${child.pid}) too`;
  await waitFor('the warning', () => modbus.log.some((line) => line.startsWith('warn ') && line.includes(too)));
  await modbus.bus.stop();

  await order(child, 'lock');
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (_, text) => void warnings.push(text), child: () => logger };
  const bus = serial.create(
    { name: 'line', protocol: 'serial', settings: serial.bus.parse({ port }) },
    [deviceOf(LEVELS, { level: {} })],
    { clock: systemClock, logger, emit() {} },
  );
  t.after(() => bus.stop());
  bus.start();
  await waitFor(
    () => `words about the holder, not ${faultOf(bus)}`,
    () => words.test(faultOf(bus)),
  );
  await order(child, 'unlock');
  await waitFor('the port to open', () => bus.status().state === 'open');
  // It is still open there, without the lock: that is told too.
  await waitFor('the warning', () => warnings.some((text) => text.includes(`is open in python3 (pid ${child.pid}) too`)));
});

test('a Modbus adapter that returns under another name is found by its stable name', async (t) => {
  const [first, second] = [await fakeRtu(t, 0), await fakeRtu(t, 0)];
  if (first === undefined || second === undefined) return;
  const stable = path.join(scratch(t, 'by-id'), 'usb-FTDI_A1-if00-port0');
  symlinkSync(first.path, stable);
  const { bus, until } = startSite(t, { port: stable }, { meter: { unit: 1, interval: '50ms', points: words(3) } });
  await until('meter', 2);
  // The old one stays there, silent, as a driver leaves it that does not notice.
  first.script = () => {};
  symlinkSync(second.path, `${stable}.new`);
  renameSync(`${stable}.new`, stable);
  await waitFor('requests on the other', () => second.requests.length > 2);
  await until('meter', 4);
  assert.equal(bus.status().state, 'open');
});

test('a port that the user may not open', async (t) => {
  const held = await holder(t);
  if (held === undefined) return;
  if (!asRoot(t, 'become a user without rights')) return;
  chmodSync(held.port, 0o620);
  const script = `
    process.setgroups([]); process.setgid(65534); process.setuid(65534);
    const { portFailure } = await import('${path.join(import.meta.dirname, '../../../src/drivers/serial-ports.ts')}');
    console.log((await portFailure(new Error('Error: Permission denied, cannot open'), '${held.port}')).message);`;
  const child = startChild(t, process.execPath, ['--input-type=module', '-e', script]);
  const words = await child.line(/no permission/);
  assert.match(
    words,
    /no permission for the user nobody: the port belongs to root, group \w+, mode 620; give the port to a group/,
  );
});
