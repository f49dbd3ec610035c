/**
 * The two slots of a card in an emulated board: a release that runs well, one that does not boot, one that boots and is not well, and
 * cuts of the power at every stage of an update. Everything is seen from outside: what arrives at Mosquitto, what the board asks the
 * server of updates for, what it writes to its console, and what its own commands say. Each case begins with a card of its own, so one
 * alone can run (`--test-name-pattern`). Needs root and a machine that has little else to do.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test, { type TestContext } from 'node:test';
import type { Attempt } from '../../../src/update/state.ts';
import { cardImage } from '../../harness/card-image.ts';
import { CardSite, contradictions, steps } from '../../harness/card-site.ts';
import { CardUpdates } from '../../harness/card-updates.ts';
import { QemuBoard } from '../../harness/qemu-board.ts';
import type { Door } from '../../harness/qemu-door.ts';
import { SETTLED_BOARD, settledCard } from '../../harness/settled-card.ts';

/** Bytes that a release has more than the one before, of which nothing is on the card. */
const NOISE = { file: '/usr/lib/sluice-image/noise', content: randomBytes(24 * 1024 ** 2) };
/** The server of updates falls silent when it gave so many bytes of them. The board keeps its progress every 8 MiB. */
const SILENT_AFTER = 14 * 1024 ** 2;
/** An index has 24 bytes for each chunk behind 8 of its own (src/update/chunks.ts). */
const ALL_WRITTEN =
  'n=$(sed -n \'s/.*"root":\\([0-9]*\\).*/\\1/p\' /state/update/progress.json); test "$n" && test $(stat -c %s /state/update/root.index) = $((8 + 24 * n))';

/** The timer may apply what it finds. */
const AUTOMATIC = `sed -i 's#^  update: {#&automatic: true, #' /etc/sluice/gateway.yaml && sluice check`;

/** Slot a runs, and nothing boots the other one. */
const UNTOUCHED = { running: 'a', entries: ['sluice-a.conf'] };

interface UpdateStatus {
  readonly running: string;
  readonly slots: readonly { readonly slot: string; readonly state: string; readonly sequence?: number }[];
  readonly attempt?: Attempt;
}

/** A settled card in its board, with a site around it. */
class Scene {
  readonly site: CardSite;
  readonly updates: CardUpdates;
  readonly board: QemuBoard;

  private constructor(site: CardSite, updates: CardUpdates, board: QemuBoard) {
    this.site = site;
    this.updates = updates;
    this.board = board;
  }

  /** Undefined after a skip. */
  static async make(t: TestContext): Promise<Scene | undefined> {
    const image = cardImage();
    const site = await CardSite.start(t);
    if (site === undefined) return undefined;
    const updates = await CardUpdates.start(t, image);
    const servers = { ...site.servers, ...updates.servers };
    return new Scene(site, updates, QemuBoard.make(t, { ...SETTLED_BOARD, image: await settledCard(t, image), servers }));
  }

  /** Waits for a reading that the board takes from now on. */
  async reading(after: string): Promise<void> {
    await this.site.next(`a reading after ${after}`, this.board, ({ good }) => good);
  }

  /** Switches the board on. @returns its shell, when it has sent a reading */
  async boot(after: string): Promise<Door> {
    this.board.start();
    await this.reading(after);
    return await this.board.door();
  }

  /** `sluice update apply` in the background; `applied` waits for its end. */
  async apply(door: Door): Promise<void> {
    await door.run('rm -f /run/apply; (sluice update apply >/run/words 2>&1; echo $? >/run/apply) >/dev/null 2>&1 &');
  }
  async applied(door: Door): Promise<void> {
    const status = (await door.until('cat /run/apply')).trim();
    assert.equal(status, '0', await door.run('cat /run/words'));
  }

  async status(door: Door): Promise<UpdateStatus> {
    return JSON.parse(await door.run('sluice update status --json 2>/dev/null')) as UpdateStatus;
  }

  /** The slot that runs, and the entries of the boot with the tries in their names. The commands of Sluice take a board ten seconds. */
  async boots(door: Door): Promise<{ running: string; entries: string[] }> {
    const words = await door.run('grep -o "sluice.slot=." /proc/cmdline; ls /boot/firmware/loader/entries');
    const [running = '', ...entries] = words.trim().split(/\s+/);
    return { running: running.replace('sluice.slot=', ''), entries };
  }

  /** What came in all of the case. */
  check(): void {
    const records = this.site.records();
    assert.deepEqual(contradictions(records), []);
    assert.equal(new Set(records.map(({ log }) => log)).size, 1, 'one log through all of it');
  }
}

test('cuts of the power at every stage of an update end in the new release', async (t: TestContext) => {
  const scene = await Scene.make(t);
  if (scene === undefined) return;
  const { updates, board, site } = scene;
  const step = steps(t);
  await updates.offer(2, [NOISE]);

  await step('while the kernel is written', async () => {
    const door = await scene.boot('the first boot');
    await scene.apply(door);
    await door.until('test -e /boot/firmware/sluice/b/linux.efi');
    await board.cut();
  });

  await step('while the root is fetched', async () => {
    const door = await scene.boot('the cut in the kernel');
    assert.deepEqual(await scene.boots(door), UNTOUCHED);
    updates.forget();
    updates.silentAfter = SILENT_AFTER;
    await scene.apply(door);
    await site.once('the board to be in the middle of the root', board, () => updates.given > SILENT_AFTER);
    await board.cut();
  });

  await step('while what was written is read again', async () => {
    const before = updates.forget();
    updates.silentAfter = Number.POSITIVE_INFINITY;
    const door = await scene.boot('the cut in the root');
    assert.deepEqual(await scene.boots(door), UNTOUCHED);
    await scene.apply(door);
    await door.until(ALL_WRITTEN);
    assert.notEqual((await door.ask('cat /run/apply')).status, 0, 'it is still at work');
    await board.cut();
    const { asked, given } = updates.forget();
    assert.ok((asked[0] ?? 0) > (before.asked[0] ?? 0), `it began at ${before.asked[0]}, and again at ${asked[0]}`);
    assert.ok(given < NOISE.content.length, `${given} bytes came after the cut`);
  });

  await step('behind the offer to the boot', async () => {
    const door = await scene.boot('the cut in the check');
    assert.deepEqual(await scene.boots(door), UNTOUCHED);
    await scene.apply(door);
    await scene.applied(door);
    await board.cut();
    assert.deepEqual(updates.asked, [], 'all of it was on the card');
  });

  await step('in the first boot of the new release, before its system runs', async () => {
    board.start();
    await board.says(/Kernel command line:.* sluice\.slot=b /);
    await board.cut();
  });

  await step('in its second boot, before it is committed', async () => {
    board.start();
    const door = await board.door();
    await door.until('systemctl is-active sluice.service');
    assert.deepEqual(await scene.boots(door), { running: 'b', entries: ['sluice-a.conf', 'sluice-b+1-2.conf'] });
    await board.cut();
  });

  await step('the third boot is committed', async () => {
    const door = await scene.boot('the cuts');
    await board.says(/slot b is committed: version \S+\+2/);
    const { running, slots, attempt } = await scene.status(door);
    assert.equal(running, 'b');
    assert.deepEqual(
      slots.map(({ state, sequence }) => [state, sequence]),
      [
        ['good', 1],
        ['good', 2],
      ],
    );
    assert.equal(attempt?.state, 'well');
  });
  scene.check();
});

test('a release that boots and is not well gives way to the one before', async (t: TestContext) => {
  const scene = await Scene.make(t);
  if (scene === undefined) return;
  const { updates, board } = scene;
  // Its gateway starts and answers, and reaches no device.
  const drop = '/usr/lib/systemd/system/sluice.service.d/sick.conf';
  await updates.offer(2, [{ file: drop, content: '[Service]\nPrivateNetwork=yes\n' }]);
  const door = await scene.boot('the first boot');
  await scene.apply(door);
  await scene.applied(door);
  await door.run('(sleep 1; sluice update restart) >/dev/null 2>&1 &');
  const [tries] = await board.says(/not well in slot b: [\s\S]*slot a ran well before/);
  assert.equal(
    tries.match(/not well in slot b: the bus \S+ was open before, and is not open now/g)?.length,
    3,
    'it was tried three times',
  );
  await scene.reading('the release that is not well');

  const after = await board.door();
  const { running, slots, attempt } = await scene.status(after);
  assert.equal(running, 'a');
  assert.deepEqual(
    slots.map(({ state }) => state),
    ['good', 'bad'],
  );
  assert.equal(attempt?.state, 'failed');
  assert.match(attempt?.why ?? '', /the bus \S+ was open before, and is not open now/);
  assert.match(await after.run('sluice update check'), /It did not run well here before/);
  scene.check();
});

test('a release that does not boot is given up, and is not taken again', async (t: TestContext) => {
  const scene = await Scene.make(t);
  if (scene === undefined) return;
  const { updates, board } = scene;
  // Its init is a text file: the kernel panics, and the tries run out.
  await updates.offer(2, [{ file: '/usr/lib/systemd/systemd', content: 'no program\n' }]);
  const door = await scene.boot('the first boot');
  await scene.apply(door);
  await scene.applied(door);
  await door.run('(sleep 1; sluice update restart) >/dev/null 2>&1 &');
  const [tries] = await board.says(/sluice\.slot=b [\s\S]*slot a ran well before/);
  assert.equal(tries.match(/\] Kernel panic - not syncing/g)?.length, 3, 'it was tried three times');
  await scene.reading('the release that does not boot');

  const after = await board.door();
  const { running, attempt } = await scene.status(after);
  assert.deepEqual([running, attempt?.state], ['a', 'failed']);
  await after.run(AUTOMATIC);
  assert.match(await after.run('sluice update apply --timer'), /did not run well here\. Nothing is to be done/);
  scene.check();
});

test('the timer takes a release that runs well, and it is committed', async (t: TestContext) => {
  const scene = await Scene.make(t);
  if (scene === undefined) return;
  const { updates, board } = scene;
  await updates.offer(2);
  const door = await scene.boot('the first boot');
  await door.run(AUTOMATIC);
  await board.says(/Release \S+\+2 is on the card/);
  await board.says(/slot b is committed: version \S+\+2/);
  await scene.reading('the update');
  const { running, slots } = await scene.status(await board.door());
  assert.equal(running, 'b');
  assert.deepEqual(
    slots.map(({ state }) => state),
    ['good', 'good'],
  );
  scene.check();
});
