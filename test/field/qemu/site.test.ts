/**
 * A card in an emulated board, from the file on its boot partition to a copy of it: the first readings, an adapter that is pulled
 * out, a process that takes too much memory, cuts of the power, a copied card. Everything is seen from outside: what arrives at
 * Mosquitto. Needs root and a machine that has little else to do. SLUICE_FIELD_CUTS says how many cuts.
 */
import assert from 'node:assert/strict';
import { closeSync, openSync, readSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GatewayStatus } from '../../../src/admin/target.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { cardImage } from '../../harness/card-image.ts';
import { type Arrived, CardSite, contradictions, provisioningFile, SECRETS, steps } from '../../harness/card-site.ts';
import { QemuBoard } from '../../harness/qemu-board.ts';
import type { Door } from '../../harness/qemu-door.ts';

const CUTS = Number(process.env.SLUICE_FIELD_CUTS ?? 5);
const SEED = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const A = { uuid: '7f0a3c1e-0000-4000-8000-00000000000a', mac: '00:1b:21:a1:b2:c3', disk: 'card-a' };
const B = { uuid: '7f0a3c1e-0000-4000-8000-00000000000b', mac: '00:1b:21:b1:b2:b3', disk: 'card-b' };
const [ID_A, ID_B] = ['sluice-a1b2c3', 'sluice-b1b2b3'];
/** Readings that are on the card before the power goes. */
const LEAST = 20;
const CGROUP = '/sys/fs/cgroup/system.slice/sluice.service';

const statusOf = async (door: Door): Promise<GatewayStatus> =>
  JSON.parse(await door.until('sluice status --json')) as GatewayStatus;

test('a card is flashed, provisioned, unplugged, cut and copied', async (t: TestContext) => {
  const image = cardImage();
  const site = await CardSite.start(t);
  if (site === undefined) return;
  const board = QemuBoard.make(t, { ...A, image: image.image, growTo: '4G', servers: site.servers, usbSerial: true });
  board.putOnBoot('sluice.yaml', provisioningFile(true));
  let log = '';

  const step = steps(t);
  const goodFrom = (device: string, boot?: string) => (record: { device: string; good: boolean; boot: string }) =>
    record.device === device && record.good && (boot === undefined || record.boot === boot);

  await step('the file on the boot partition makes a gateway, and its first readings arrive', async () => {
    board.start();
    await site.instrument(board);
    const first = await site.next('the first reading of the network', board, goodFrom('pump'));
    await site.next('the first reading of the serial line', board, goodFrom('fridge'));
    assert.equal(first.gateway, ID_A);
    log = first.log;
    const door = await board.door();
    const words = await door.run('cat /boot/firmware/sluice-status.txt');
    assert.match(words, /sluice\.yaml was put in force/);
    assert.match(words, new RegExp(ID_A));
    const file = await door.run('cat /boot/firmware/sluice.yaml');
    for (const secret of SECRETS) assert.ok(!file.includes(secret), file);
    await door.run('sync');
    for (const secret of SECRETS) assert.ok(!holds(board.card, secret), 'the boot partition still has a secret');
  });

  await step('a USB adapter is pulled out and put in again', async () => {
    const door = await board.door();
    const before = site.records().length;
    await board.unplug();
    await door.until('! test -e /dev/ttyUSB0');
    await site.next('a bad reading of the line', board, ({ device, good }) => device === 'fridge' && !good, before);
    await site.next('a reading of the network meanwhile', board, goodFrom('pump'));
    await board.plug();
    await door.until('test -e /dev/ttyUSB0');
    await site.next('a reading of the line that is back', board, goodFrom('fridge'));
    assert.equal(new Set(site.records().map(({ boot }) => boot)).size, 1, 'the gateway did not restart for it');
  });

  await step('what takes more than MemoryMax is ended, and the gateway goes on', async () => {
    const door = await board.door();
    assert.equal((await door.run('systemctl show -P MemoryMax sluice')).trim(), String(256 * 1024 ** 2));
    assert.equal((await door.run(`cat ${CGROUP}/memory.max`)).trim(), String(256 * 1024 ** 2));
    const before = await statusOf(door);
    const arrived = site.records().length;
    const machine = await door.run('cat /proc/sys/kernel/random/boot_id');
    // MemoryHigh slows it down first; the border itself is what is tried here.
    await door.run(`echo max >${CGROUP}/memory.high`);
    const { status } = await door.ask(`sh -c 'echo $$ >${CGROUP}/cgroup.procs && exec tail /dev/zero'`);
    assert.equal(status, 137, 'the kernel ended it');
    await door.until('journalctl -k --no-pager | grep "Memory cgroup out of memory: Killed process .*(tail)"');
    // systemd may start the gateway anew for it, also after it answered.
    const after = await site.once('a reading of the gateway that runs now', board, async () => {
      const { gateway, log: now } = await statusOf(door);
      return site.records().slice(arrived).some(goodFrom('pump', gateway.boot)) ? now : undefined;
    });
    assert.equal(await door.run('cat /proc/sys/kernel/random/boot_id'), machine, 'the board went on');
    assert.equal(after.id, before.log.id);
    assert.deepEqual(contradictions(site.records()), []);
  });

  await step(`${CUTS} cuts of the power take nothing that was acknowledged`, async () => {
    const random = seeded(SEED);
    t.diagnostic(`SLUICE_SEED=${SEED}`);
    for (let cut = 1; cut <= CUTS; cut++) {
      const door = await board.door();
      // Without its upstream the card alone has what comes now. Every second cut is one with it.
      if (cut % 2 === 1) await site.broker.stop();
      const { boot, kept } = await site.once('readings on the card', board, async () => {
        const { gateway, log: now } = await statusOf(door);
        const kept = now.appended - now.pending;
        return kept < LEAST ? undefined : { boot: gateway.boot, kept };
      });
      const upstream = new Set(site.records().map(({ seq }) => seq));
      // Somewhere between two commits.
      await sleep(random() * 2000);
      await board.cut();
      if (!site.broker.running) await site.broker.start();
      board.start();
      await site.instrument(board);
      // What the gateway reported as kept on the card arrives, all of it.
      await site.once(`the ${kept} readings of ${boot} that were on the card before cut ${cut}`, board, () => {
        const arrived = site.records().filter((record) => record.boot === boot);
        return new Set(arrived.map(({ seq }) => seq)).size >= kept;
      });
      await site.next(`a reading after cut ${cut}`, board, (record) => record.good && record.boot !== boot);
      const records: readonly Arrived[] = site.records();
      assert.deepEqual(contradictions(records), [], `cut ${cut}`);
      assert.deepEqual([...new Set(records.map((record) => record.log))], [log], `cut ${cut}: one log`);
      assert.ok(records.every(({ gateway }) => gateway === ID_A));
      assert.ok([...upstream].every((seq) => records.some((record) => record.seq === seq)));
    }
  });

  await step('a copy of the card in another board is another gateway', async () => {
    await board.cut();
    const copy = QemuBoard.make(t, { ...B, image: board.card, servers: site.servers });
    copy.start();
    const first = await site.next('a reading of the copy', copy, ({ gateway }) => gateway !== ID_A);
    assert.equal(first.gateway, ID_B);
    assert.notEqual(first.log, log);
    const door = await copy.door();
    const words = await door.run('cat /boot/firmware/sluice-status.txt');
    assert.match(words, new RegExp(`This card is a copy of the card of ${ID_A}`));
    assert.ok(!site.records().some((record) => record.gateway === ID_B && record.log === log));
    await copy.cut();
  });
});

/** Whether the boot partition of a card has the text anywhere, in files or between them. */
function holds(card: string, text: string): boolean {
  const bytes = Buffer.alloc(257 * 1024 ** 2);
  const fd = openSync(card, 'r');
  try {
    readSync(fd, bytes, 0, bytes.length, 0);
  } finally {
    closeSync(fd);
  }
  return bytes.includes(text);
}
