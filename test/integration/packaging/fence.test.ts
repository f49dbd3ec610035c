/**
 * Which devices a program inside of the fence of sluice.service can open. The kernel of the tests has no GPIO, so a number without a driver
 * stands for it: the kernel answers ENXIO where it may look for the driver, and EPERM where the fence holds. That a driver then does its
 * work is not shown here, and lights of a board are not: they are files in /sys.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { type SystemdMachine, systemdMachine } from '../../harness/systemd-machine.ts';
import { cannot } from '../../peers/peers.ts';

const NODE = `/opt/sluice/node_modules/node-linux-${process.arch}/bin/node`;
/** Devices by path: as mknod takes them, with owner and mode. */
const DEVICES = (gpio: number, strange: number) => ({
  '/dev/gpiochip0': [`c ${gpio} 0`, 'root:gpio', '660'],
  '/dev/gpiochip-of-root': [`c ${gpio} 1`, 'root:root', '660'],
  '/dev/strange': [`c ${strange} 0`, 'root:root', '666'],
  '/dev/memory': ['c 1 1', 'root:root', '666'],
  '/dev/log-of-kernel': ['c 1 11', 'root:root', '666'],
  '/dev/loop-control': ['c 10 237', 'root:root', '666'],
  '/dev/net-tun': ['c 10 200', 'root:root', '666'],
  '/dev/disk-of-card': ['b 179 0', 'root:root', '666'],
});
const PROBE = `import { closeSync, openSync, writeFileSync } from 'node:fs';
const found = {};
for (const file of process.argv.slice(3)) {
  try {
    closeSync(openSync(file));
    found[file] = 'open';
  } catch (error) {
    found[file] = error.code;
  }
}
writeFileSync(process.argv[2], JSON.stringify(found));
`;

test('inside the fence of the unit a gpiochip can be opened, and what it does not name cannot', async (t) => {
  const machine = await systemdMachine(t);
  if (machine === undefined) return;
  const kernel = readFileSync('/proc/devices', 'latin1');
  const [gpio = 0, strange = 0] = freeNumbers(kernel);
  // systemd takes the number of a kind of devices from this file.
  machine.write('/run/devices', kernel.replace('Character devices:\n', `Character devices:\n${gpio} gpiochip\n`));
  machine.must('mount', '--bind', '/run/devices', '/proc/devices');
  const trial = `mknod /dev/trial c ${gpio} 0; exec 3</dev/trial`;
  if (!/No such device or address/.test(machine.run('sh', '-c', trial).out))
    return cannot(t, `open a device of its own: ${machine.run('sh', '-c', trial).out}`);
  const devices = DEVICES(gpio, strange);
  for (const [file, [node = '', owner = '', mode = '']] of Object.entries(devices)) {
    machine.must('mknod', file, ...node.split(' '));
    machine.must('chown', owner, file);
    machine.must('chmod', mode, file);
  }
  machine.write('/usr/local/lib/probe.mjs', PROBE);
  const files = [...Object.keys(devices), '/dev/null'];

  // Without the fence nothing is EPERM, so the assertions below can fail. The container of the tests may forbid more by itself.
  machine.must(NODE, '/usr/local/lib/probe.mjs', '/run/outside.json', ...files);
  const outside = readFound(machine, '/run/outside.json');
  const free = (file: string): boolean => outside[file] !== 'EPERM';
  for (const file of ['/dev/gpiochip0', '/dev/strange']) assert.equal(outside[file], 'ENXIO', file);

  const probe = `ExecStartPre=${NODE} /usr/local/lib/probe.mjs /var/lib/sluice/inside.json ${files.join(' ')}`;
  machine.write('/etc/systemd/system/sluice.service.d/probe.conf', `[Service]\n${probe}\nExecStart=\n`);
  machine.write('/etc/systemd/system/sluice.service.d/z.conf', '[Service]\nType=oneshot\nRestart=no\nExecStart=/bin/true\n');
  machine.must('systemctl', 'daemon-reload');
  machine.must('systemctl', 'start', 'sluice.service');
  const inside = readFound(machine, '/var/lib/sluice/inside.json');
  assert.deepEqual(
    ['/dev/gpiochip0', '/dev/gpiochip-of-root', '/dev/null'].map((file) => inside[file]),
    ['ENXIO', 'EACCES', 'open'],
  );
  const closed = Object.keys(devices).filter((file) => !file.includes('gpiochip'));
  assert.deepEqual(
    closed.map((file) => [file, inside[file]]),
    closed.map((file) => [file, 'EPERM']),
  );
  assert.ok(closed.filter(free).length >= 3, `open outside: ${closed.filter(free).join()}`);
});

/** Numbers that no driver of this kernel has, of those that are for experiments. */
function freeNumbers(devices: string): number[] {
  const taken = new Set([...devices.matchAll(/^ *(\d+) /gm)].map(([, number]) => Number(number)));
  return Array.from({ length: 15 }, (_, i) => 254 - i).filter((number) => !taken.has(number));
}

function readFound(machine: SystemdMachine, file: string): Record<string, string> {
  return JSON.parse(readFileSync(machine.at(file), 'utf8')) as Record<string, string>;
}
