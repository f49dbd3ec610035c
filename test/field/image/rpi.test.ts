/** The layout of the image for Raspberry Pi boards, with stand-ins for kernel and firmware. No board has run it. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { PROJECT, run } from '../../harness/card-image.ts';
import { checkRpiImage } from '../../harness/rpi-image.ts';
import { scratch } from '../../harness/scratch.ts';

const KERNEL = Buffer.alloc(4096);
KERNEL.write('ARMd', 56, 'latin1');

/** What the script finds: the folders of build.sh with stand-ins. @param filter what the firmware knows */
function layOut(t: TestContext, kernel: Buffer, filter: string): { folder: string; layOut(): string } {
  const folder = scratch(t, 'rpi');
  const put = (name: string, bytes: Uint8Array | string) => {
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  };
  put('linux.efi', kernel);
  put('initrd.img', 'initrd');
  put('root.ext4', '');
  truncateSync(path.join(folder, 'root.ext4'), 4 * 1024 ** 2);
  put('work/boot/usr/lib/raspi-firmware/start4.elf', `… ${filter} …`);
  put('work/boot/usr/lib/raspi-firmware/fixup4.dat', 'fixup');
  for (const tree of ['4-b', 'cm4-io']) put(`work/boot/usr/lib/linux-image-6/broadcom/bcm2711-rpi-${tree}.dtb`, 'tree');
  const settings = `set -eu; out=$1 work=$1/work release=6 version=1.7.0 sequence=7 size=4 target=rpi-arm64 SOURCE_DATE_EPOCH=1790000000`;
  const script = `${settings}; refuse() { echo "$1" >&2; exit 1; }; . "$2"`;
  return { folder, layOut: () => run('sh', ['-c', script, 'sh', folder, path.join(PROJECT, 'packaging/image/rpi-arm64.sh')]) };
}

test('the partitions are those of the documentation, and one boot partition serves both slots', (t) => {
  const { folder, layOut: lay } = layOut(t, KERNEL, 'boot_partition');
  lay();
  const image = path.join(folder, 'sluice-rpi-arm64-1.7.0.img');
  const first = readFileSync(path.join(folder, 'boot.fat'));
  checkRpiImage({ image, folder, version: '1.7.0', sequence: 7 });
  // The next build of the same files has the same boot partition, so an update fetches nothing of it.
  writeFileSync(path.join(folder, 'linux.efi'), KERNEL);
  writeFileSync(path.join(folder, 'initrd.img'), 'initrd');
  lay();
  assert.ok(readFileSync(path.join(folder, 'boot.fat')).equals(first));
});

test('a kernel that the firmware cannot start and a firmware without the filter are refused', (t) => {
  assert.throws(() => layOut(t, Buffer.alloc(4096), 'boot_partition').layOut(), /cannot start this kernel/);
  assert.throws(() => layOut(t, KERNEL, 'nothing').layOut(), /does not know the filter/);
});
