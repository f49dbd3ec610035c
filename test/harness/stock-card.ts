/**
 * A card as a person prepares it for a Raspberry Pi, by docs/how-to/prepare-a-card.md: a system that somebody else wrote, and three files
 * on its boot partition. The system is Debian trixie for arm64 with what matters here of Raspberry Pi OS: cloud-init with its settings,
 * NetworkManager, avahi, ssh, a user without a password, and a question for a user on the screen. No Raspberry Pi OS is in it, and no
 * firmware of a Raspberry Pi: the emulator starts the kernel. It needs root; the packages of Debian are kept.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { imageCache, PROJECT, packageForArm64, put, run, writeDoor } from './card-image.ts';
import type { Kernel } from './qemu-board.ts';
import { type Ends, scratch } from './scratch.ts';
import { CLOUD_SOURCE, DIALOG, DIALOG_FILE, DIALOG_WANTED, DIALOG_WANTED_FILE, META_DATA } from './stock-os.ts';

const PACKAGES = [
  ...['systemd', 'systemd-sysv', 'udev', 'dbus', 'iproute2', 'netbase', 'kmod', 'e2fsprogs', 'dosfstools', 'sudo', 'tzdata'],
  ...['systemd-timesyncd', 'ca-certificates', 'cloud-init', 'netplan.io', 'network-manager', 'avahi-daemon', 'openssh-server'],
  'linux-image-arm64',
].join();
/** MB. Raspberry Pi OS has 512 for the boot partition. */
const [BOOT_SIZE, ROOT_SIZE] = [256, 3072];
const FSTAB = `/dev/vda1 /boot/firmware vfat defaults 0 2
/dev/vda2 / ext4 defaults,noatime 0 1
`;
/** https://github.com/RPi-Distro/pi-gen: Raspberry Pi OS leaves the network to NetworkManager, and cloud-init writes none by itself. */
const SETTINGS: Readonly<Record<string, string>> = {
  'etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg': `${CLOUD_SOURCE}network: {config: disabled}\n`,
  'etc/netplan/00-network-manager-all.yaml': 'network:\n  version: 2\n  renderer: NetworkManager\n',
  'etc/fstab': FSTAB,
  'etc/hostname': 'raspberrypi\n',
  [DIALOG_FILE]: DIALOG,
  [DIALOG_WANTED_FILE]: DIALOG_WANTED,
};

export interface StockCard {
  readonly image: string;
  readonly kernel: Kernel;
}

/** @param config `sluice.yaml`. @param deb the package. @returns a card that no board has started */
export function stockCard(t: Ends, config: string, deb: string = packageForArm64()): StockCard {
  const system = stockSystem(t);
  const folder = scratch(t, 'stock');
  const image = path.join(folder, 'card.img');
  run('cp', ['--sparse=always', '--reflink=auto', system, image]);
  const file = path.join(folder, 'sluice.yaml');
  writeFileSync(file, config);
  const boot = `${image}@@1M`;
  // The order of the page: the person copies them over what is there.
  for (const one of [deb, file, path.join(PROJECT, 'packaging/card/user-data')]) run('mcopy', ['-o', '-i', boot, one, '::/']);
  const [kernel, ramDisk] = ['vmlinuz', 'initrd.img'].map((name) => `${system}.${name}`) as [string, string];
  return { image, kernel: { file: kernel, ramDisk, words: 'root=/dev/vda2 rootfstype=ext4 rootwait console=ttyAMA0 panic=10' } };
}

/** The system as it comes, kept beside the packages of Debian. @returns an image. Kernel and RAM disk lie beside it */
function stockSystem(t: Ends): string {
  const settings = JSON.stringify([PACKAGES, SETTINGS, readFileSync(import.meta.filename, 'utf8')]);
  const image = path.join(imageCache(), `stock-${sum(settings)}.img`);
  if (existsSync(image)) return image;
  const folder = scratch(t, 'stock-system');
  const root = path.join(folder, 'root');
  mkdirSync(root);
  run('tar', ['-xf', debian(), '-C', root, '--numeric-owner']);
  for (const [name, text] of Object.entries(SETTINGS)) put(root, name, text);
  run('chmod', ['600', path.join(root, 'etc/netplan/00-network-manager-all.yaml')]);
  writeDoor(root);
  run('useradd', ['--root', root, '--create-home', '--uid', '1000', '--shell', '/bin/bash', '--groups', 'sudo', 'pi']);
  run('systemctl', ['--root', root, 'disable', '--quiet', 'ssh.service']);
  // Each board makes its own at its first boot.
  writeFileSync(path.join(root, 'etc/machine-id'), 'uninitialized\n');
  rmSync(path.join(root, 'var/lib/dbus/machine-id'), { force: true });
  mkdirSync(path.join(root, 'boot/firmware'), { recursive: true });

  const [fat, ext4] = [path.join(folder, 'fat'), path.join(folder, 'ext4')];
  run('truncate', ['-s', `${BOOT_SIZE}M`, fat]);
  run('mkfs.vfat', ['-n', 'bootfs', fat]);
  for (const [name, text] of [
    ['user-data', '#cloud-config\n'],
    ['meta-data', META_DATA],
    ['network-config', '# nothing\n'],
  ] as const) {
    put(folder, name, text);
    run('mcopy', ['-i', fat, path.join(folder, name), `::/${name}`]);
  }
  run('truncate', ['-s', `${ROOT_SIZE}M`, ext4]);
  run('mkfs.ext4', ['-q', '-F', '-L', 'rootfs', '-d', root, ext4]);
  const made = path.join(folder, 'made.img');
  run('truncate', ['-s', `${1 + BOOT_SIZE + ROOT_SIZE}M`, made]);
  const parts = `label: dos\nstart=1MiB, size=${BOOT_SIZE}MiB, type=c\nstart=${1 + BOOT_SIZE}MiB, type=83\n`;
  run('sh', ['-c', 'printf %s "$2" | sfdisk -q "$1"', 'sh', made, parts]);
  for (const [file, at] of [
    [fat, 1],
    [ext4, 1 + BOOT_SIZE],
  ] as const)
    run('dd', [`if=${file}`, `of=${made}`, 'bs=1M', `seek=${at}`, 'conv=notrunc,sparse', 'status=none']);
  for (const name of ['vmlinuz', 'initrd.img']) {
    const file = globSync(path.join(root, 'boot', `${name}-*`)).at(-1);
    if (file === undefined) throw new Error(`Debian gave no ${name}`);
    copyFileSync(file, `${image}.${name}`);
  }
  run('cp', ['--sparse=always', made, `${image}.new`]);
  renameSync(`${image}.new`, image);
  return image;
}

/** The packages of Debian, unpacked and set up by an emulated processor: some minutes, once. */
function debian(): string {
  const file = path.join(imageCache(), `stock-root-${sum(PACKAGES)}.tar`);
  if (existsSync(file)) return file;
  const sources = '/etc/apt/sources.list.d/debian.sources';
  const options = ['--quiet', '--mode=root', '--format=tar', '--variant=minbase', '--architectures=arm64'];
  run('mmdebstrap', [...options, `--include=${PACKAGES}`, 'trixie', `${file}.new`, sources]);
  renameSync(`${file}.new`, file);
  return file;
}

const sum = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);
