/**
 * A Debian 13 of its own with systemd as its first process, in a container without a network: what is installed there is installed as
 * on a board. Its root is made once by mmdebstrap, from the sources of apt of this machine, and kept in node_modules/.cache.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { able, asRoot, peer } from '../peers/peers.ts';
import { Child, startChild } from './child.ts';
import { scratch } from './scratch.ts';
import { namespaceFault, SystemdMachine } from './systemd-machine.ts';
import { waitFor } from './wait-for.ts';

const CACHE = path.join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'field');
/** A small board. Nothing that the packages depend on may come from here by chance: their dependencies are in these. */
const SMALL = ['systemd', 'systemd-sysv', 'udev', 'iproute2'] as const;
/**
 * Roots by their names. `cloud` has cloud-init of Debian as well. Its package starts services and brings a DHCP client, so it is
 * installed in a container and not on the machine of the tests.
 */
const ROOTS = { small: SMALL, cloud: [...SMALL, 'cloud-init'] } as const;
export type RootName = keyof typeof ROOTS;
const tarOf = (name: RootName): string => path.join(CACHE, `trixie-amd64${name === 'small' ? '' : `-${name}`}.tar`);
/** Where systemd-nspawn mounts the sockets of a container on this machine. */
const EXPORTS = '/run/systemd/nspawn/unix-export';
/** A mirror may be slow; a root has 70 packages or more. */
const BUILD_WITHIN = 600_000;
/** Installations on a machine that does other work as well. */
const COMMAND_WITHIN = 300_000;

/** @returns whether this machine can make and run such a container; else the test was marked as skipped */
export function canNspawn(t: TestContext): boolean {
  return (
    asRoot(t, 'run a container') &&
    peer(t, 'systemd-nspawn', 'apt-get install -y systemd-container') !== undefined &&
    ((['small', 'cloud'] as const).every((name) => existsSync(tarOf(name))) ||
      peer(t, 'mmdebstrap', 'apt-get install -y mmdebstrap') !== undefined) &&
    able(t, containerFault())
  );
}

function containerFault(): string | undefined {
  const fault = namespaceFault();
  return fault === undefined ? undefined : `run a container, which needs CAP_SYS_ADMIN, mounts and control groups: ${fault}`;
}

/** Makes a root, when there is none yet. It runs beside other work. @throws with the last lines of mmdebstrap */
export async function makeRoot(t: TestContext, name: RootName = 'small'): Promise<void> {
  if (existsSync(tarOf(name))) return;
  mkdirSync(CACHE, { recursive: true });
  const work = path.join(CACHE, `making-${name}-${process.pid}.tar`);
  const sources = debianSources();
  const child = startChild(t, 'mmdebstrap', [
    ...['--mode=root', '--variant=minbase', '--architectures=amd64', `--include=${ROOTS[name].join()}`],
    ...['trixie', work, ...sources],
  ]);
  const late = setTimeout(() => void child.stop('SIGKILL'), BUILD_WITHIN);
  const status = await child.ended;
  clearTimeout(late);
  if (status !== 0) {
    rmSync(work, { force: true });
    throw new Error(`mmdebstrap ended with ${status}:\n${child.stderr.slice(-15).join('\n')}`);
  }
  renameSync(work, tarOf(name));
}

/** Those of Debian alone: a folder of this machine is no source for a board. */
function debianSources(): string[] {
  const folder = '/etc/apt/sources.list.d';
  const files = existsSync(folder) ? readdirSync(folder).map((name) => path.join(folder, name)) : [];
  return [...files, '/etc/apt/sources.list'].filter(
    (file) =>
      existsSync(file) &&
      /debian\.org|\/debian(?:-security)?\b/.test(readFileSync(file, 'utf8')) &&
      !/URIs:\s*file:/.test(readFileSync(file, 'utf8')),
  );
}

export interface NspawnMachine {
  readonly machine: SystemdMachine;
  /** Ends it. @returns mounts of the container that systemd-nspawn left on this machine; they are gone now */
  off(): Promise<string[]>;
}

/** @param files of this machine by their places in the container */
export async function nspawnMachine(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  rootName: RootName = 'small',
): Promise<NspawnMachine> {
  const started: { nspawn?: Child; pid?: number } = {};
  const name = `sluice-board-${randomBytes(4).toString('hex')}`;
  const off = async () => await switchOff(name, started);
  // Before the folder has its turn: a container that runs would lose its root.
  t.after(off);
  const root = scratch(t, 'board');
  const unpacked = spawnSync('tar', ['-xf', tarOf(rootName), '-C', root], { encoding: 'utf8' });
  if (unpacked.status !== 0) throw new Error(unpacked.stderr);
  for (const [place, file] of Object.entries(files)) {
    mkdirSync(path.join(root, path.dirname(place)), { recursive: true });
    spawnSync('cp', ['-r', file, path.join(root, place)]);
  }
  // A test cuts no power of this machine, and dpkg would sync each of some thousand files.
  writeFileSync(path.join(root, 'etc/dpkg/dpkg.cfg.d/no-sync'), 'force-unsafe-io\n');
  const nspawn = new Child('systemd-nspawn', [
    ...[`--directory=${root}`, `--machine=${name}`, '--boot', '--register=no', '--keep-unit'],
    ...['--private-network', '--console=read-only'],
  ]);
  started.nspawn = nspawn;
  const words = (): string => `systemd to run; it wrote:\n${[...nspawn.stdout, ...nspawn.stderr].slice(-15).join('\n')}`;
  const pid = await waitFor(words, () => {
    if (nspawn.over !== undefined) throw new Error(`systemd-nspawn ended with ${nspawn.over}`);
    return childrenOf(nspawn.pid ?? 0).find((child) => readFileSync(`/proc/${child}/comm`, 'latin1').trim() === 'systemd');
  });
  started.pid = pid;
  const machine = new SystemdMachine(t, pid, COMMAND_WITHIN);
  await waitFor(words, () => /^(running|degraded)$/.test(machine.run('systemctl', 'is-system-running').out));
  return { machine, off };
}

/** nspawn takes its mounts away when its first process has ended, and leaves them where it is killed itself. */
async function switchOff(name: string, { nspawn, pid }: { nspawn?: Child; pid?: number }): Promise<string[]> {
  if (pid !== undefined && nspawn?.over === undefined) {
    try {
      // The end of its first process ends all others.
      process.kill(pid, 'SIGKILL');
    } catch {
      // It is off already.
    }
    await waitFor('systemd-nspawn to end', () => nspawn?.over !== undefined, { timeout: COMMAND_WITHIN }).catch(() => {});
  }
  await nspawn?.stop('SIGKILL');
  const mounts = readFileSync('/proc/self/mountinfo', 'latin1').split('\n');
  const left = mounts.map((line) => line.split(' ')[4] ?? '').filter((place) => place === `${EXPORTS}/${name}`);
  for (const place of left) spawnSync('umount', ['--lazy', place]);
  return left;
}

/** Children of the first and second generation. */
function childrenOf(pid: number): number[] {
  const own = (one: number): number[] =>
    readFileSync(`/proc/${one}/task/${one}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
  return own(pid).flatMap((one) => [one, ...own(one)]);
}
