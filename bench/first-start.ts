/**
 * From the switch to the first reading upstream, with a card that no board has started, by the two ways of the pages: the card image of
 * Sluice, and the package on a system of somebody else (test/harness/stock-card.ts). An emulated board with one core and 512 MB runs
 * 250 million instructions a second by its own clock, and its disk takes no time. `npm run bench:first-start`. It needs root, and what
 * docs/how-to/make-a-card-image.md names. The package is made as a release makes it.
 */
import path from 'node:path';
import { cardImage, run } from '../test/harness/card-image.ts';
import { provisioningFile } from '../test/harness/card-site.ts';
import { QemuBoard, type QemuOptions } from '../test/harness/qemu-board.ts';
import { SETTLED_BOARD } from '../test/harness/settled-card.ts';
import { stockCard } from '../test/harness/stock-card.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { beganAt, entered, outsideOfCard } from './lib/card-outside.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { Workspace } from './lib/workspace.ts';

const RUNS = Number(process.env.SLUICE_BENCH_RUNS ?? 3);
const WITHIN = 2_400_000;

interface FirstStart {
  /** Seconds since the kernel began. */
  readonly ready: number;
  readonly reading: number;
  /** Bytes of the card until the first reading, or a moment later. */
  readonly read: number;
  readonly written: number;
}
type Card = Pick<QemuOptions, 'image' | 'kernel' | 'growTo'>;

async function firstStart(card: (space: Workspace) => Card, put: boolean): Promise<FirstStart> {
  return Workspace.use(async (space) => {
    const { servers, first } = await outsideOfCard(space);
    const board = QemuBoard.make(space, { ...SETTLED_BOARD, servers, ...card(space) });
    if (put) board.putOnBoot('sluice.yaml', provisioningFile(false));
    board.start();
    const door = await board.door();
    const began = await beganAt(door);
    const sent = await waitFor('a reading', first, { timeout: WITHIN, every: 20 });
    // Sectors of 512 bytes: Documentation/admin-guide/iostats.rst of Linux.
    const [read = '', written = ''] = (await door.run('awk \'$3 == "vda" {print $6, $10}\' /proc/diskstats')).trim().split(' ');
    const ready = await entered(door, 'sluice.service');
    return { ready, reading: (sent - began) / 1000, read: Number(read) * 512, written: Number(written) * 512 };
  });
}

/** The package that people get. It is packed harder than that of the tests. */
function released(space: Workspace): string {
  const out = path.join(space.folder, 'packages');
  run('sh', ['scripts/package.sh', '--arch', 'arm64', '--only', 'sluice', '--out', out]);
  return run('sh', ['-c', 'ls "$1"/sluice_*_arm64.deb', 'sh', out]).trim();
}

printConditions('First start of a card');
await Workspace.use(async (space) => {
  const deb = released(space);
  const ways: readonly [string, () => Promise<FirstStart>][] = [
    ['card image of Sluice', () => firstStart(() => ({ image: cardImage().image, growTo: '4G' }), true)],
    ['package on another system', () => firstStart((t) => stockCard(t, provisioningFile(false), deb), false)],
  ];
  const rows: string[][] = [];
  for (const [name, start] of ways) {
    const found: FirstStart[] = [];
    for (let i = 0; i < RUNS; i++) found.push(await start());
    const median = (of: (one: FirstStart) => number) => percentile(found.map(of), 0.5);
    rows.push([
      name,
      ...[median(({ ready }) => ready), median(({ reading }) => reading)].map((seconds) => seconds.toFixed(0)),
      ...[median(({ read }) => read), median(({ written }) => written)].map((bytes) => (bytes / 1e6).toFixed(0)),
    ]);
  }
  printTable([['way', 'gateway ready, s', 'first reading upstream, s', 'read from the card, MB', 'written, MB'], ...rows]);
  console.log(`Emulated, since the kernel began. Medians of ${RUNS}.`);
});
