/** Checks of an image for Raspberry Pi boards: what the firmware reads of it, as the documentation of Raspberry Pi says it. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { runningSlot, type Slot } from '../../src/update/slots.ts';
import { autobootText, TrybootSlots } from '../../src/update/tryboot-slots.ts';
import { run } from './card-image.ts';

interface Partition {
  readonly start: number;
  readonly size: number;
  readonly name: string;
}

/** Lines of config.txt that count on a board that booted from this partition. */
function configFor(text: string, partition: number): Map<string, string> {
  let counts = true;
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, filter] = /^\[(.*)\]$/.exec(line) ?? [];
    if (filter !== undefined) counts = filter === 'all' || filter === `boot_partition=${partition}`;
    else if (counts && line !== '' && !line.startsWith('#')) {
      const [, key = '', value = ''] = /^(\w+)[= ](.*)$/.exec(line) ?? [];
      found.set(key, value);
    }
  }
  return found;
}

export interface RpiImage {
  readonly image: string;
  /** The folder with the parts of the release. */
  readonly folder: string;
  readonly version: string;
  readonly sequence: number;
}

/** Its partitions, its first one, the boot partition of both slots, and the parts of an update. */
export function checkRpiImage({ image, folder, version, sequence }: RpiImage): { copy(partition: number, name: string): string } {
  const table = JSON.parse(run('sfdisk', ['--json', image])) as { partitiontable: { partitions: Partition[] } };
  const { partitions } = table.partitiontable;
  assert.deepEqual(
    partitions.map(({ name }) => name),
    ['sluice-boot', 'sluice-boot-a', 'sluice-boot-b', 'sluice-root-a', 'sluice-root-b', 'sluice-state'],
  );

  const on = (number: number) => `${image}@@${(partitions[number - 1]?.start ?? 0) * 512}`;
  const read = (number: number, name: string) => run('mtype', ['-i', on(number), `::/${name}`]);
  const copy = (number: number, name: string) => {
    const file = path.join(mkdtempSync(path.join(folder, 'file-')), name);
    run('mcopy', ['-n', '-i', on(number), `::/${name}`, file]);
    return file;
  };

  // The first partition says which boot partition the firmware takes.
  assert.equal(read(1, 'autoboot.txt'), autobootText('a', undefined));
  const selector = path.join(folder, 'selector');
  mkdirSync(selector);
  for (const name of ['autoboot.txt', 'slot-a.json']) run('mcopy', ['-i', on(1), `::/${name}`, path.join(selector, name)]);
  const slots = new TrybootSlots({ selector, cmdline: 'sluice.slot=a', labels: '/dev/disk/by-partlabel', target: 'rpi-arm64' });
  assert.deepEqual(slots.list(), [
    { slot: 'a', version, sequence, state: 'good' },
    { slot: 'b', state: 'empty' },
  ]);

  // The same bytes serve both slots, and the partition that was booted decides which one runs.
  const config = read(2, 'config.txt');
  for (const [partition, slot] of [
    [2, 'a'],
    [3, 'b'],
  ] as [number, Slot][]) {
    const found = configFor(config, partition);
    assert.equal(runningSlot(read(2, found.get('cmdline') ?? '')), slot);
    assert.deepEqual([found.get('arm_64bit'), found.get('enable_uart')], ['1', '1']);
    for (const name of [found.get('kernel'), found.get('start_file'), found.get('fixup_file')]) copy(2, name ?? '');
  }
  // An update has the boot partition and the root as its parts, and both fit.
  for (const [file, number] of [
    ['boot.fat', 2],
    ['root.ext4', 4],
  ] as [string, number][]) {
    const { start = 0, size = 0 } = partitions[number - 1] ?? {};
    const bytes = readFileSync(path.join(folder, file));
    assert.equal(bytes.length, size * 512, file);
    run('cmp', ['-n', String(bytes.length), '-i', `0:${start * 512}`, path.join(folder, file), image]);
  }
  return { copy };
}
