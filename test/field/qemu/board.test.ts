/**
 * A board that its device tree describes: the gateway knows it, blinks its LED through the kernel's own driver, and reaches no
 * other devices than its unit names. The tree is that of the emulated machine with the name of a Raspberry Pi 4 and one LED. Needs root
 * and the programs of device trees.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { PATTERNS } from '../../../src/boards/led.ts';
import { cardImage } from '../../harness/card-image.ts';
import { CardSite, provisioningFile, steps } from '../../harness/card-site.ts';
import { deviceTree } from '../../harness/device-tree.ts';
import { QemuBoard } from '../../harness/qemu-board.ts';
import type { Door } from '../../harness/qemu-door.ts';
import { scratch } from '../../harness/scratch.ts';

const BOARD = { uuid: '7f0a3c1e-0000-4000-8000-00000000000d', mac: '00:1b:21:d1:b2:c3', disk: 'card-d' };
const LED = '/sys/class/leds/ACT';
const MEMORY = 512;
const NOT_CLAIMED = PATTERNS['not-claimed'];
/** A unit file that has this name is read after the unit's own. */
const DROP_IN = '/run/systemd/system/sluice.service.d/zz-test.conf';

/** Waits until the LED blinks so. */
async function blinks(door: Door, pattern: (typeof PATTERNS)[keyof typeof PATTERNS]): Promise<void> {
  assert.ok(pattern !== 'steady');
  const is = (file: string, value: number) => `test "$(cat ${LED}/${file})" = ${value}`;
  await door.until(`grep -F '[timer]' ${LED}/trigger && ${is('delay_on', pattern.on)} && ${is('delay_off', pattern.off)}`);
}

test('a board is known by its device tree, blinks its states, and opens only its own devices', async (t) => {
  const image = cardImage();
  const site = await CardSite.start(t);
  if (site === undefined) return;
  const tree = deviceTree(scratch(t, 'tree'), {
    compatible: ['raspberrypi,4-model-b', 'brcm,bcm2711'],
    model: 'Raspberry Pi 4 Model B Rev 1.5',
    led: 'ACT',
    memory: MEMORY,
  });
  const board = QemuBoard.make(t, { ...BOARD, image: image.image, growTo: '4G', servers: site.servers, tree, memory: MEMORY });
  board.putOnBoot('sluice.yaml', provisioningFile(false));
  board.start();
  await site.next('a first reading', board, ({ good }) => good);
  const door = await board.door();
  const step = steps(t);

  await step('the gateway takes the board for what its device tree says', async () => {
    const { board: known, led } = JSON.parse(await door.run('sluice board show --json')) as {
      board: { name: string };
      led: string;
    };
    assert.deepEqual([known.name, led], ['raspberry-pi-4', 'ACT']);
  });

  await step('the LED tells the states apart, and the gateway writes it as its own user', async () => {
    assert.equal((await door.run('stat -c %U /proc/$(systemctl show -P MainPID sluice)')).trim(), 'sluice');
    await blinks(door, NOT_CLAIMED);
    await door.run('echo "a long enough word" | sluice user add anna --role administrator --password-stdin');
    await blinks(door, PATTERNS.running);
    await site.broker.stop();
    await blinks(door, PATTERNS['no-upstream']);
    await site.broker.start();
    await blinks(door, PATTERNS.running);
  });

  await step('a gateway that ends gives the LED back', async () => {
    await door.run('systemctl stop sluice');
    assert.match(await door.run(`cat ${LED}/trigger`), /\[none\]/);
  });

  await step('inside of the fence the GPIO chip and the LED open, and no disk and no kernel log', async () => {
    const open = ['/dev/gpiochip0', `${LED}/brightness`];
    const devices = ['/dev/vda', '/dev/kmsg'];
    // Rights of files alone keep these from the gateway: consoles have the major number of serial ports.
    const files = ['/dev/tty1', '/sys/power/state'];
    await door.run(`ls -l ${[...open, ...devices, ...files].join(' ')}`);
    // A shell runs before the gateway: once as its user, and once as root, whom the rights of files do not stop.
    const tries = { sluice: [...open, ...devices, ...files], root: [...open, ...devices] };
    const probe = (who: keyof typeof tries) =>
      `for f in ${tries[who].join(' ')}; do (exec 3<>$f) && echo probe ${who} $f; done; true`;
    const starts = [`/bin/sh -c "${probe('sluice')}"`, `!/bin/sh -c "${probe('root')}"`];
    const unit = `[Service]\\n${starts.map((start) => `ExecStartPre=${start.replaceAll('$', '$$$$')}\\n`).join('')}`;
    await door.run(`mkdir -p ${path.dirname(DROP_IN)} && printf '${unit}' >${DROP_IN} && systemctl daemon-reload`);
    await door.run('systemctl start sluice');
    assert.deepEqual(
      (await door.run('journalctl -u sluice -o cat --no-pager | grep "^probe "')).trim().split('\n'),
      ['sluice', 'root'].flatMap((who) => open.map((file) => `probe ${who} ${file}`)),
    );
  });
});
