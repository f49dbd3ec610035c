/**
 * A card by docs/how-to/prepare-a-card.md: three files on the boot partition of a system that somebody else wrote. Nobody is at a screen, and
 * nothing is reached but the broker and the instrument. The system stands in for Raspberry Pi OS (stock-card.ts). Needs root.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { CardSite, provisioningFile, SECRETS, steps } from '../../harness/card-site.ts';
import { documentedPorts } from '../../harness/documented-ports.ts';
import { QemuBoard } from '../../harness/qemu-board.ts';
import { stockCard } from '../../harness/stock-card.ts';

const BOARD = { uuid: '7f0a3c1e-0000-4000-8000-00000000000e', mac: '00:1b:21:e1:b2:c3', disk: 'card-e' };
const ID = 'sluice-e1b2c3';

test('three files on a card of another system make a gateway, without a screen and a user', async (t) => {
  const site = await CardSite.start(t);
  if (site === undefined) return;
  const board = QemuBoard.make(t, { ...BOARD, ...stockCard(t, provisioningFile(false)), servers: site.servers });
  const step = steps(t);
  let first = { boot: '', log: '' };

  await step('the first start installs the package, and the first reading arrives', async () => {
    board.start();
    const { gateway, boot, log } = await site.next('the first reading', board, ({ good }) => good);
    assert.equal(gateway, ID);
    first = { boot, log };
  });

  await step('cloud-init ends without an error, and the secrets are off the card', async () => {
    const door = await board.door();
    const done = await door.until('cat /run/cloud-init/result.json');
    assert.deepEqual((JSON.parse(done) as { v1: { errors: unknown[] } }).v1.errors, []);
    const words = await door.run('cat /boot/firmware/sluice-status.txt');
    // The package puts it in force, and the command behind it changes nothing more.
    assert.match(words, /^Result: +sluice\.yaml is in force\./m);
    assert.match(words, new RegExp(ID));
    assert.match(words, /^System: +Debian GNU\/Linux 13 \(trixie\)\r?$/m);
    const file = await door.run('cat /boot/firmware/sluice.yaml');
    for (const secret of SECRETS) assert.ok(!file.includes(secret), file);
  });

  await step('nobody was asked, nobody can log in, and the open ports are the documented ones', async () => {
    const door = await board.door();
    assert.equal((await door.ask('systemctl is-enabled userconfig')).output.trim(), 'masked');
    assert.match(await door.run('passwd -S pi'), /^pi L /);
    assert.match(await door.run('passwd -S root'), /^root [L*] /);
    assert.equal((await door.ask('systemctl is-active ssh')).output.trim(), 'inactive');
    await door.until('systemctl is-system-running | grep -E "^(running|degraded)$"');
    assert.equal((await door.run('systemctl --failed --no-legend --plain')).trim(), '');
    const ours = 'grep "pid=$(systemctl show -P MainPID sluice),"';
    const open = await door.run(`ss -Hlntup | ${ours} | awk '{print $5, toupper($1)}' | sort`);
    assert.deepEqual(open.trim().split('\n'), documentedPorts());
  });

  await step('the next start installs nothing, and the readings go on in the same log', async () => {
    const door = await board.door();
    await door.ask('systemctl --no-block reboot');
    const { log } = await site.next('a reading of the next start', board, ({ good, boot }) => good && boot !== first.boot);
    assert.equal(log, first.log);
    const installed = await (await board.door()).run('grep -cE " (install|upgrade) sluice:" /var/log/dpkg.log');
    assert.equal(installed.trim(), '1');
  });
});
