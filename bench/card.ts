/**
 * A card image: how large it is, what a patch costs on the wire, and how soon an emulated board (qemu, 512 MB) is ready and forwards
 * its first reading, beside the same system without the gateway. Times of an emulated board say nothing of a true one; their ratio
 * does. `npm run bench:card`, or `-- sizes`, `-- update`, `-- boot` alone. It needs root and what docs/how-to/make-a-card-image.md
 * installs, qemu-system-arm and qemu-efi-aarch64.
 */
import { statSync } from 'node:fs';
import path from 'node:path';
import { cardImage, run } from '../test/harness/card-image.ts';
import { QemuBoard } from '../test/harness/qemu-board.ts';
import { SETTLED_BOARD, settledCard } from '../test/harness/settled-card.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { beganAt, entered, outsideOfCard } from './lib/card-outside.ts';
import { bytesOfUpdate, makeRelease, type Release } from './lib/card-update.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { Workspace } from './lib/workspace.ts';

const RUNS = Number(process.env.SLUICE_BENCH_RUNS ?? 3);
/** How hard xz works, 0 to 9. */
const XZ = process.env.SLUICE_BENCH_XZ ?? '6';
/**
 * Seconds since the kernel began, by the board, until memory is read. 90 s after it began, a program of its own writes the state to the
 * boot partition, and has ended long before.
 */
const IDLE_AT = Number(process.env.SLUICE_BENCH_MS ?? 240_000) / 1000;
const WITHIN = 1_200_000;
const ENTRY = 'loader/entries/sluice-a.conf';
const OURS = ['sluice.service', 'sluice-provision.service', 'sluice-decide.service', 'sluice-update.timer'];

const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);

interface Boot {
  /** Seconds since the kernel began. */
  readonly multiUser: number;
  readonly ready: number;
  readonly reading: number;
  /** Bytes that are in use, of the whole system. */
  readonly used: number;
}

async function boot(withGateway: boolean): Promise<Boot> {
  return Workspace.use(async (space) => {
    const { servers, first } = await outsideOfCard(space);
    // The first boot of a card grows its partition and makes keys; a later one is what a board does for years.
    const image = await settledCard(space.asTest, cardImage());
    const board = QemuBoard.make(space, { ...SETTLED_BOARD, image, servers });
    if (!withGateway) {
      const entry = board.readFromBoot(ENTRY);
      board.putOnBoot(ENTRY, entry.replace(/^options .*$/m, `$& ${OURS.map((unit) => `systemd.mask=${unit}`).join(' ')}`));
    }
    board.start();
    const door = await board.door();
    const began = await beganAt(door);
    const reading = withGateway ? (await waitFor('a reading', first, { timeout: WITHIN, every: 20 })) - began : 0;
    const multiUser = await entered(door, 'multi-user.target');
    const ready = withGateway ? await entered(door, 'sluice.service') : 0;
    await door.until(`test "$(cut -d. -f1 /proc/uptime)" -ge ${IDLE_AT} && ! systemctl is-active sluice-status-file`, WITHIN);
    const memory = await door.run('cat /proc/meminfo');
    const kb = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, 'm').exec(memory)?.[1]);
    return { multiUser, ready, reading: reading / 1000, used: (kb('MemTotal') - kb('MemAvailable')) * 1024 };
  });
}

async function boots(): Promise<void> {
  const rows: [string, Boot[]][] = [
    ['without the gateway', []],
    ['with it', []],
  ];
  // In turn, so that both have the same neighbours.
  for (let i = 0; i < RUNS; i++) for (const [name, found] of rows) found.push(await boot(name === 'with it'));
  const median = (found: readonly Boot[], of: (boot: Boot) => number) => percentile(found.map(of), 0.5);
  const bare = median(rows[0]?.[1] ?? [], ({ multiUser }) => multiUser);
  const share = (seconds: number) => (seconds === 0 ? '' : (seconds / bare).toFixed(2));
  printTable([
    ['system', 'multi-user', 'gateway ready', 'first reading upstream', 'memory in use, MB'],
    ...rows.map(([name, found]) => [
      name,
      share(median(found, ({ multiUser }) => multiUser)),
      share(median(found, ({ ready }) => ready)),
      share(median(found, ({ reading }) => reading)),
      mb(median(found, ({ used }) => used)),
    ]),
  ]);
  console.log(`1.00 is ${bare.toFixed(1)} s since the kernel began, emulated. Medians of ${RUNS}.`);
}

function sizes({ deb, image, folder }: Release): void {
  const packed = Number(run('sh', ['-c', `xz -T0 -${XZ} -c "$1" | wc -c`, 'sh', image]));
  const installed = Number(run('dpkg-deb', ['-f', deb, 'Installed-Size'])) * 1024;
  const head = run('dumpe2fs', ['-h', path.join(folder, 'root.ext4')]);
  const field = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, 'm').exec(head)?.[1]);
  printTable([
    ['what', 'MB'],
    ['package', mb(statSync(deb).size)],
    ['package, installed', mb(installed)],
    ['image', mb(statSync(image).size)],
    [`image, xz -${XZ}`, mb(packed)],
    ['root of a slot', mb(field('Block count') * field('Block size'))],
    ['root of a slot, in use', mb((field('Block count') - field('Free blocks')) * field('Block size'))],
    [
      'kernel and initial RAM disk',
      mb(['linux.efi', 'initrd.img'].reduce((sum, file) => sum + statSync(path.join(folder, file)).size, 0)),
    ],
  ]);
}

async function update(space: Workspace, first: Release): Promise<void> {
  const patch = makeRelease(space, 2, `\n// ${'a line of a patch '.repeat(4)}\n`);
  printTable([
    ['a patch of one line in the program', 'MB'],
    ['fetched', ((await bytesOfUpdate(space, first, patch)) / 1e6).toFixed(2)],
    ['the package of it', mb(statSync(patch.deb).size)],
  ]);
}

const wanted = process.argv.slice(2);
const wants = (part: string) => wanted.length === 0 || wanted.includes(part);
printConditions('Card image');
if (wants('sizes') || wants('update'))
  await Workspace.use(async (space) => {
    const first = makeRelease(space, 1, '');
    if (wants('sizes')) sizes(first);
    if (wants('update')) await update(space, first);
  });
if (wants('boot')) await boots();
