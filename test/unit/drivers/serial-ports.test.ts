/** Serial ports in words: in a made-up /dev and /proc, and with real pseudo-terminals and programs that hold them. */
import assert from 'node:assert/strict';
import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Accounts } from '../../../src/drivers/serial-ports.ts';
import {
  alsoOpenIn,
  permissionWords,
  portFailure,
  portHolders,
  presentPorts,
  stableName,
} from '../../../src/drivers/serial-ports.ts';
import { scratch } from '../../harness/scratch.ts';

/** A machine with two adapters, of which one has a stable name. */
function machine(t: TestContext) {
  const root = scratch(t, 'ports');
  const roots = { dev: path.join(root, 'dev'), proc: path.join(root, 'proc'), etc: path.join(root, 'etc') };
  mkdirSync(path.join(roots.dev, 'serial/by-id'), { recursive: true });
  mkdirSync(path.join(roots.etc));
  for (const name of ['ttyUSB0', 'ttyUSB1', 'ttyACM3', 'ttyS0', 'tty1', 'null']) writeFileSync(path.join(roots.dev, name), '');
  symlinkSync('../../ttyUSB1', path.join(roots.dev, 'serial/by-id/usb-FTDI_A1-if00-port0'));
  const run = (pid: number, comm: string, ...open: string[]) => {
    mkdirSync(path.join(roots.proc, String(pid), 'fd'), { recursive: true });
    writeFileSync(path.join(roots.proc, String(pid), 'comm'), `${comm}\n`);
    for (const [i, target] of open.entries()) symlinkSync(target, path.join(roots.proc, String(pid), 'fd', String(i)));
  };
  return { roots, run, dev: (name: string) => path.join(roots.dev, name) };
}

test('the ports of a machine: stable names first; a port knows its stable name', async (t) => {
  const { roots, dev } = machine(t);
  const stable = dev('serial/by-id/usb-FTDI_A1-if00-port0');
  assert.deepEqual(await presentPorts(roots), [stable, dev('ttyACM3'), dev('ttyUSB0'), dev('ttyUSB1')]);
  assert.equal(await stableName(dev('ttyUSB1'), roots), stable);
  assert.equal(await stableName(dev('ttyUSB0'), roots), undefined);
  assert.equal(await stableName(stable, roots), undefined);
  assert.equal(await stableName(dev('ttyUSB7'), roots), undefined);
});

test('who has a port open is found by any name of it; who locks it comes first', async (t) => {
  const { roots, run, dev } = machine(t);
  run(7, 'sh', '/dev/null', dev('ttyUSB0'));
  run(812, 'minicom', dev('ttyUSB1'), dev('ttyUSB1'));
  run(900, 'evil\u001b[31m\u0007name', dev('ttyUSB1'));
  run(901, 'gone');
  const names = async (port: string) => (await portHolders(port, roots)).programs.map(({ name, pid }) => `${name} ${pid}`);
  assert.deepEqual(await names(dev('ttyUSB0')), ['sh 7']);
  assert.deepEqual(await names(dev('serial/by-id/usb-FTDI_A1-if00-port0')), ['minicom 812', 'evil[31mname 900']);
  assert.deepEqual(await names(dev('ttyACM3')), []);
  assert.match((await alsoOpenIn(dev('ttyUSB0'), roots)) ?? '', /ttyUSB0 is open in sh \(pid 7\) too.*: end that program$/);
  assert.equal(await alsoOpenIn(dev('ttyACM3'), roots), undefined);

  // 1: FLOCK  ADVISORY  WRITE 900 00:05:93 0 EOF
  const { dev: device, ino } = statSync(dev('ttyUSB1'));
  const major = Number((BigInt(device) >> 8n) & 0xfffn);
  const minor = Number((BigInt(device) & 0xffn) | ((BigInt(device) >> 12n) & 0xfff00n));
  const place = `${major.toString(16).padStart(2, '0')}:${minor.toString(16).padStart(2, '0')}:${ino}`;
  writeFileSync(
    path.join(roots.proc, 'locks'),
    `1: POSIX  ADVISORY  READ 7 ${place} 128 128\n2: FLOCK  ADVISORY  WRITE 900 ${place} 0 EOF\n3: FLOCK  ADVISORY  WRITE 812 00:01:1 0 EOF\n`,
  );
  const { programs } = await portHolders(dev('ttyUSB1'), roots);
  assert.deepEqual(
    programs.map(({ pid, locks }) => [pid, locks]),
    [
      [900, true],
      [812, false],
    ],
  );
});

test('who made a pseudo-terminal is the other end of the line, and nobody to end', async (t) => {
  const { roots, run, dev } = machine(t);
  mkdirSync(dev('pts'));
  for (const name of ['pts/6', 'pts/7', 'ptmx']) writeFileSync(dev(name), '');
  run(812, 'socat', '/dev/null', dev('ptmx'), dev('pts/6'));
  run(813, 'minicom', dev('pts/7'), dev('ptmx'));
  const maker = (pid: number, descriptor: number, index: number) => {
    mkdirSync(path.join(roots.proc, String(pid), 'fdinfo'));
    writeFileSync(
      path.join(roots.proc, String(pid), 'fdinfo', String(descriptor)),
      `pos:\t0\nflags:\t02000002\ntty-index:\t${index}\n`,
    );
  };
  maker(812, 1, 6);
  maker(813, 1, 9);
  symlinkSync(dev('pts/6'), dev('fridge-line'));
  assert.equal(await alsoOpenIn(dev('fridge-line'), roots), undefined);
  assert.match((await alsoOpenIn(dev('pts/7'), roots)) ?? '', /is open in minicom \(pid 813\) too/);
});

test('a port that is missing, and one that is none', async (t) => {
  const { roots, dev } = machine(t);
  const words = async (port: string) => {
    const failure = await portFailure(new Error('the binding says something'), port, roots);
    assert.equal(failure.code, 'bus-open');
    assert.equal(failure.data.port, port);
    return failure.message.replaceAll(roots.dev, '/dev');
  };
  assert.equal(
    await words(dev('ttyUSB7')),
    '/dev/ttyUSB7: no such port (unplugged?); there are /dev/serial/by-id/usb-FTDI_A1-if00-port0, /dev/ttyACM3, /dev/ttyUSB0, /dev/ttyUSB1',
  );
  symlinkSync(dev('ttyUSB9'), dev('meter'));
  assert.match(await words(dev('meter')), /^\/dev\/meter: \/dev\/ttyUSB9, to which it leads, is gone \(unplugged\?\); there are/);
  assert.match(await words(dev('ttyUSB0')), /is not a serial port/);
  assert.match(
    (await portFailure(new Error('x'), '/nowhere/ttyUSB0', { ...roots, dev: '/nowhere' })).message,
    /no such port \(unplugged\?\); there is no serial port at all/,
  );
});

test('words about permissions name the user, the group of the port, and how to join it', () => {
  const accounts: Accounts = {
    users: new Map([
      [0, 'root'],
      [990, 'sluice'],
    ]),
    groups: new Map([
      [0, { name: 'root', members: [] }],
      [20, { name: 'dialout', members: ['pi'] }],
      [21, { name: 'plugdev', members: ['sluice'] }],
    ]),
  };
  const words = (mode: number, gid: number, groups: number[] = [], uid = 990) =>
    permissionWords({ mode, uid: 0, gid }, { uid, groups }, accounts);
  assert.equal(
    words(0o660, 20),
    'no permission for the user sluice: the port belongs to root, group dialout, mode 660; make it a member (sudo usermod -aG dialout sluice) and start the gateway again',
  );
  assert.match(words(0o660, 21), /sluice was made a member of plugdev after this program started: start it again/);
  assert.match(words(0o660, 20, [20]), /sluice is in that group, so a container or a sandbox of systemd forbids it/);
  assert.match(words(0o600, 20), /mode 600; give the port to a group with a udev rule/);
  assert.match(words(0o660, 0), /group root, mode 660; give the port to a group with a udev rule/);
  assert.match(words(0o660, 77, [], 1234), /the user 1234: the port belongs to root, group 77, mode 660; make it a member/);
});
