/**
 * The image for a Raspberry Pi with Wi-Fi, built as a whole from Debian: what the firmware, the small RAM disk and Wi-Fi need is on it.
 * No board has run it. It needs root, the package for arm64, and some minutes for the packages of Debian, which are kept.
 */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { WIFI_FILES } from '../../../src/provisioning/wifi.ts';
import { makeUpdateSecret } from '../../../src/update/keys.ts';
import { imageCache, packageForArm64, run } from '../../harness/card-image.ts';
import { checkRpiImage } from '../../harness/rpi-image.ts';
import { scratch } from '../../harness/scratch.ts';

/** What finds the card of a Raspberry Pi 4, and what reads it. */
const NEEDED = ['bcm2835_wdt', 'crc32c_generic', 'ext4', 'mmc_block', 'overlay', 'pcie_brcmstb', 'sdhci_iproc'];
/** Ethernet and Wi-Fi. */
const NETWORKS = ['genet', 'brcmfmac', 'brcmfmac-wcc'];
/** Bytes 18 and 19 of a program: ARM AARCH64. */
const ARM64 = 183;

interface Built {
  readonly folder: string;
  readonly image: string;
  readonly about: { readonly version: string; readonly target: string; readonly tries: boolean; readonly sequence: number };
}

function build(t: TestContext): Built {
  const folder = scratch(t, 'rpi-whole');
  const keys = path.join(folder, 'keys');
  writeFileSync(keys, `${makeUpdateSecret('root').text}\n${makeUpdateSecret('release').text}\n`);
  const options = ['--target', 'rpi-arm64', '--sequence', '1', '--keys', keys, '--deb', packageForArm64(), '--out', folder];
  const said = run('sh', ['packaging/image/build.sh', ...options], { SLUICE_IMAGE_CACHE: imageCache() });
  const about = JSON.parse(readFileSync(path.join(folder, 'release.json'), 'utf8')) as Built['about'];
  return { folder, image: said.trim().split('\n').at(-1) ?? '', about };
}

test('an image for a Raspberry Pi with Wi-Fi is built from Debian, and has what its board needs', (t) => {
  const { folder, image, about } = build(t);
  assert.equal(about.target, 'rpi-arm64');
  const { copy } = checkRpiImage({ image, folder, version: about.version, sequence: about.sequence });

  // The kernel of Debian cannot ask for one try of a slot. Where a later one can, the page of the image has to say so.
  assert.equal(about.tries, readFileSync(copy(2, 'linux.img')).includes(' tryboot'));
  assert.equal(about.tries, false);
  for (const tree of ['bcm2711-rpi-4-b.dtb', 'bcm2711-rpi-cm4-io.dtb']) assert.ok(statSync(copy(2, tree)).size > 10_000);

  const root = path.join(folder, 'root.ext4');
  const read = (name: string): Buffer => {
    const file = path.join(folder, 'inside');
    writeFileSync(file, '');
    run('debugfs', ['-R', `dump ${name} ${file}`, root]);
    return readFileSync(file);
  };
  const [kernel = ''] = run('debugfs', ['-R', 'ls -p /usr/lib/modules', root]).match(/\d+\.\d+\.[^/]+/) ?? [];
  const modules = `/usr/lib/modules/${kernel}`;
  // A module is a file with its dependencies, or a part of the kernel.
  const builtIn = read(`${modules}/modules.builtin`).toString();
  const isIn = (list: string, name: string): boolean => list.replaceAll('-', '_').includes(`/${name.replaceAll('-', '_')}.ko`);
  const inRoot = read(`${modules}/modules.dep`).toString();
  for (const name of NETWORKS) assert.ok(isIn(inRoot, name) || isIn(builtIn, name), `the root has no module ${name}`);
  const small = run('sh', ['-c', 'gzip -dc "$1" | cpio --list --quiet', 'sh', copy(2, 'initrd.img')]);
  for (const name of NEEDED) assert.ok(isIn(small, name) || isIn(builtIn, name), `the RAM disk has no module ${name}`);

  const [supplicant, node] = ['/usr/sbin/wpa_supplicant', '/usr/lib/sluice/bin/node'].map(read);
  assert.deepEqual([supplicant?.[18], node?.[18]], [ARM64, ARM64]);
  for (const kind of ['bin', 'clm_blob', 'raspberrypi,4-model-b.txt', 'raspberrypi,4-compute-module.txt'])
    assert.ok(read(`/usr/lib/firmware/brcm/brcmfmac43455-sdio.${kind}`).length > 0, kind);
  // The kernel takes the rules of a country from these two.
  for (const name of ['regulatory.db', 'regulatory.db.p7s'])
    assert.ok(run('debugfs', ['-R', `stat /usr/lib/firmware/${name}`, root]).includes('Inode'), name);
  assert.ok(read('/usr/lib/systemd/system/sluice-wifi@.service').includes(`-c /${WIFI_FILES[1]} -i %I`));
  assert.ok(read('/usr/lib/udev/rules.d/99-sluice-wifi.rules').includes('sluice-wifi@'));
  assert.ok(read('/etc/systemd/network/20-wireless.network').length > 0);
  assert.match(run('debugfs', ['-R', 'ls -p /etc/systemd/system/multi-user.target.wants', root]), /systemd-networkd\.service/);
});
