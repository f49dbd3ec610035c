/** Wi-Fi of the image for a Raspberry Pi: its files with stand-ins for the packages of Debian, and what other programs say of them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { WIFI_FILES, wifiWay } from '../../../src/provisioning/wifi.ts';
import { scratch } from '../../harness/scratch.ts';
import { peer } from '../../peers/peers.ts';

const HERE = path.join(import.meta.dirname, '../../../packaging/image');
const file = (name: string): string => path.join(HERE, 'files', name);
const FIRMWARE = 'boot/usr/lib/firmware';
const FILES = ['clm_blob', 'raspberrypi,4-model-b.txt', 'raspberrypi,4-compute-module.txt'].map(
  (kind) => `brcmfmac43455-sdio.${kind}`,
);
const OTHER = 'brcmfmac43455-sdio.pine64,pinephone-pro.txt';

/** What build.sh has when it comes to Wi-Fi. */
function buildIn(t: TestContext): { folder: string; root: string; run(): { status: number | null; stderr: string } } {
  const folder = scratch(t, 'image');
  const root = path.join(folder, 'root');
  const put = (name: string, text: string, mode = 0o644): void => {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text, { mode });
  };
  put('root/usr/sbin/wpa_supplicant', '#!/bin/sh\n', 0o755);
  for (const unit of ['multi-user.target.wants/wpa_supplicant.service', 'dbus-fi.w1.wpa_supplicant1.service'])
    put(`root/etc/systemd/system/${unit}`, '');
  put('root/usr/lib/systemd/system/sluice-decide.service', '');
  for (const name of [...FILES, OTHER]) put(`${FIRMWARE}/brcm/${name}`, name);
  put(`${FIRMWARE}/cypress/cyfmac43455-sdio.bin`, 'chip');
  symlinkSync('../cypress/cyfmac43455-sdio.bin', path.join(folder, FIRMWARE, 'brcm/brcmfmac43455-sdio.bin'));
  const script = 'set -eu; work=$1 root=$1/root HERE=$2; refuse() { echo "$1" >&2; exit 1; }; . "$2/wifi.sh"';
  return { folder, root, run: () => spawnSync('sh', ['-c', script, 'sh', folder, HERE], { encoding: 'utf8' }) };
}

test('the image gets the firmware of its boards, and what starts Wi-Fi when a card asks for it', (t) => {
  const { root, run } = buildIn(t);
  assert.equal(run().stderr, '');
  const read = (name: string): string => readFileSync(path.join(root, name), 'utf8');
  const brcm = 'usr/lib/firmware/brcm';
  assert.equal(read(`${brcm}/brcmfmac43455-sdio.bin`), 'chip', 'a link became the file');
  for (const name of FILES) assert.equal(read(`${brcm}/${name}`), name);
  assert.equal(existsSync(path.join(root, brcm, OTHER)), false, 'another board with the chip');
  for (const [name, place] of [
    ['sluice-wifi@.service', 'usr/lib/systemd/system'],
    ['99-sluice-wifi.rules', 'usr/lib/udev/rules.d'],
    ['20-wireless.network', 'etc/systemd/network'],
  ] as const) {
    assert.equal(read(`${place}/${name}`), readFileSync(file(name), 'utf8'));
    assert.equal(statSync(path.join(root, place, name)).mode & 0o777, 0o644);
  }
  // Provisioning finds the same places.
  assert.equal(wifiWay(root)?.file, WIFI_FILES[1]);
  assert.ok(read('usr/lib/systemd/system/sluice-wifi@.service').includes(`-c /${WIFI_FILES[1]} -i %I`));
  assert.ok(read('usr/lib/udev/rules.d/99-sluice-wifi.rules').includes('sluice-wifi@$name.service'));
  for (const unit of ['multi-user.target.wants/wpa_supplicant.service', 'dbus-fi.w1.wpa_supplicant1.service'])
    assert.equal(existsSync(path.join(root, 'etc/systemd/system', unit)), false, unit);
});

test('an image without the firmware of a board, or without wpa_supplicant, is not made', (t) => {
  for (const [gone, words] of [
    [`${FIRMWARE}/cypress/cyfmac43455-sdio.bin`, /brcmfmac43455-sdio\.bin is not in the packages of Debian/],
    [`${FIRMWARE}/brcm/brcmfmac43455-sdio.raspberrypi,4-model-b.txt`, /4-model-b\.txt is not in the packages/],
    ['root/usr/sbin/wpa_supplicant', /wpa_supplicant is not in the root/],
  ] as const) {
    const { folder, run } = buildIn(t);
    spawnSync('rm', [path.join(folder, gone)]);
    const { status, stderr } = run();
    assert.equal(status, 1, gone);
    assert.match(stderr, words);
  }
});

test('systemd has nothing to say against the unit', (t) => {
  const analyze = peer(t, 'systemd-analyze', 'apt-get install -y systemd');
  if (analyze === undefined) return;
  const unit = path.join(scratch(t), 'sluice-wifi@.service');
  writeFileSync(unit, readFileSync(file('sluice-wifi@.service'), 'utf8').replace('/usr/sbin/wpa_supplicant', '/bin/true'));
  const { status, stderr, stdout } = spawnSync(analyze, ['verify', '--man=no', unit], { encoding: 'utf8' });
  assert.equal(`${stdout}${stderr}`, '');
  assert.equal(status, 0);
});
