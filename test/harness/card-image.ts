/**
 * The image of a card for the suites with an emulated board. It is built once and kept in out/test-image, until a file that goes
 * into it changes. Its slots have half of the size, because an update reads and writes all of a slot. Beside the shipped image it has
 * a shell behind a port that only the emulator reaches, its journal on the console, less patience with updates, and no time service:
 * the clock of the emulated board is right.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeUpdateSecret, type UpdateSecret, updateSecret } from '../../src/update/keys.ts';
import { differences } from './package-of-tree.ts';

export const PROJECT = path.join(import.meta.dirname, '..', '..');
export const DOOR = 'sluice.door';
const UNITS = 'etc/systemd/system';
const FOLDER = path.join(PROJECT, 'out', 'test-image');
const KEPT = path.join(FOLDER, 'kept.json');
/** MB. ext4 has other blocks and other numbers of inodes below this. */
const SLOT_SIZE = '512';

export interface CardImage {
  readonly folder: string;
  readonly image: string;
  readonly version: string;
  readonly release: UpdateSecret;
}

const MAKE = 'npm run package -- --fast --arch arm64 --only sluice';

/** @throws Error: there is none, or it was made of other files */
export function packageForArm64(): string {
  const deb = globSync(path.join(PROJECT, 'out/packages/sluice_*_arm64.deb')).sort().at(-1);
  if (deb === undefined) throw new Error(`there is no package for arm64: ${MAKE}`);
  const others = differences(deb, PROJECT);
  if (others.length > 0) throw new Error(`${deb} was made of other files (${others.slice(0, 3).join(', ')}): ${MAKE}`);
  return deb;
}

/** Where what Debian gives is kept, because it takes minutes to unpack. */
export function imageCache(): string {
  const folder = process.env.SLUICE_IMAGE_CACHE ?? path.join(PROJECT, 'node_modules', '.cache', 'field', 'image');
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** @returns the image; making it takes some minutes, and root */
export function cardImage(): CardImage {
  const deb = packageForArm64();
  const stamp = stampOf(deb);
  const kept = existsSync(KEPT) ? (JSON.parse(readFileSync(KEPT, 'utf8')) as Record<string, string>) : {};
  const known = kept.release === undefined ? undefined : updateSecret(kept.release);
  if (kept.stamp === stamp && known !== undefined && existsSync(kept.image ?? ''))
    return { folder: FOLDER, image: kept.image ?? '', version: kept.version ?? '', release: known };

  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  const [root, release] = [makeUpdateSecret('root'), makeUpdateSecret('release')];
  const keys = path.join(FOLDER, 'keys');
  writeFileSync(keys, `${root.text}\n${release.text}\n`);
  const extra = path.join(FOLDER, 'extra');
  writeExtra(extra);
  run(
    'sh',
    [
      ...['packaging/image/build.sh', '--sequence', '1', '--keys', keys, '--slot-size', SLOT_SIZE],
      ...['--deb', deb, '--out', FOLDER, '--extra', extra],
    ],
    { SLUICE_IMAGE_CACHE: imageCache() },
  );
  const { version } = JSON.parse(readFileSync(path.join(FOLDER, 'release.json'), 'utf8')) as { version: string };
  const image = path.join(FOLDER, `sluice-uefi-arm64-${version}.img`);
  writeFileSync(KEPT, JSON.stringify({ stamp, image, version, release: release.secret }));
  return { folder: FOLDER, image, version, release };
}

function stampOf(deb: string): string {
  const hash = createHash('sha256').update(readFileSync(deb));
  for (const file of [...globSync(path.join(PROJECT, 'packaging/image/**/*')).sort(), import.meta.filename])
    if (statSync(file).isFile()) hash.update(file).update(readFileSync(file));
  return hash.digest('hex');
}

function writeExtra(folder: string): void {
  put(
    folder,
    `${UNITS}/sluice-update.timer.d/test.conf`,
    '[Timer]\nOnBootSec=\nOnUnitActiveSec=\nOnBootSec=2min\nOnUnitInactiveSec=5min\nRandomizedDelaySec=0\nAccuracySec=1s\n',
  );
  // A release that is not well is tried three times, and each try waits so long.
  put(
    folder,
    `${UNITS}/sluice-decide.service.d/test.conf`,
    '[Service]\nExecStart=\nExecStart=/usr/bin/sluice update decide --within 90\n',
  );
  writeDoor(folder);
}

/** What a test needs in the root of each board: its shell and its words on the console. */
export function writeDoor(root: string): void {
  // A case that fails shows the end of the console: what the units of the board wrote is there.
  put(root, 'etc/systemd/journald.conf.d/test.conf', '[Journal]\nForwardToConsole=yes\nMaxLevelConsole=info\n');
  put(
    root,
    `${UNITS}/sluice-door.service`,
    // The port opens once at a time, so one opening serves both ways.
    `[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sh -c "exec /bin/sh <>/dev/virtio-ports/${DOOR} >&0 2>&1"\nRestart=always\nRestartSec=3s\n`,
  );
  link(root, `${UNITS}/multi-user.target.wants/sluice-door.service`, `/${UNITS}/sluice-door.service`);
  link(root, `${UNITS}/systemd-timesyncd.service`, '/dev/null');
}

export function put(root: string, file: string, text: string): void {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
}
function link(root: string, file: string, to: string): void {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  rmSync(path.join(root, file), { force: true });
  symlinkSync(to, path.join(root, file));
}

export function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const { status, stderr, stdout, error } = spawnSync(program, args, {
    encoding: 'utf8',
    cwd: PROJECT,
    maxBuffer: 64 * 1024 ** 2,
    env: { ...process.env, ...env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` },
  });
  if (status !== 0)
    throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? ''}${stdout.slice(-2000)}${stderr.slice(-2000)}`);
  return stdout;
}
