/**
 * Erases what a gateway knows: state, readings, accounts, keys, configuration with its secrets, runtime folder, the folder of Node-RED,
 * bundles and backups beside the configuration. A starter configuration takes the place of the old one.
 *
 * - The mark is on the disk before the first file goes; a run that was cut is finished by the next one, and by the next start.
 * - The plan is in the mark, since the configuration that it was made of is erased too.
 */

import { createHash } from 'node:crypto';
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { starterConfig } from '../config/starter.ts';
import { readYamlFile } from '../config/yaml-source.ts';
import { LOCK_FILE, StateDirLock } from '../store/state-dir.ts';
import { type Erased, eraseAny, eraseState } from './erase.ts';
import { filesBeside } from './files-beside.ts';
import { jsonOf } from './json-of.ts';
import { syncFolder, writeSynced } from './settle.ts';

const RESET_MARK = '.factory-reset';
/** Made by commands of Sluice. */
const OURS = /(?:\.sluice|\.sluice-backup|\.receipt|^sluice-support-.*\.tar\.gz)$/;
const MOST_PATHS = 10_000;

export interface ResetPlan {
  readonly configFile: string;
  /** Absolute; files and folders outside of the state folder. */
  readonly paths: readonly string[];
}

/** What would be erased besides the state folder. */
export function resetPlan(configFile: string, stateDir: string, runtimeDir: string | undefined): ResetPlan {
  const file = path.resolve(configFile);
  const folder = path.dirname(file);
  const beside = filesBeside(file, readYamlFile(file).value).map((name) => path.join(folder, name));
  const profiles = path.join(folder, 'profiles');
  const ours = existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => OURS.test(name))
        .map((name) => path.join(folder, name))
    : [];
  const paths = [
    ...beside,
    ...ours,
    ...(existsSync(profiles) ? [profiles] : []),
    ...runtimeDirs(stateDir, runtimeDir),
    ...(existsSync(`${stateDir}-node-red`) ? [`${stateDir}-node-red`] : []),
  ];
  return { configFile: file, paths: [...new Set(paths)].slice(0, MOST_PATHS) };
}

/** Folders for the newest readings that belong to this state folder (store/tail/runtime-dir.ts). */
function runtimeDirs(stateDir: string, configured: string | undefined): string[] {
  const hash = createHash('sha256').update(path.resolve(stateDir)).digest('hex').slice(0, 12);
  const owner = existsSync(stateDir) ? statSync(stateDir).uid : 0;
  const likely = [
    configured,
    '/run/sluice',
    `/run/sluice/${hash}`,
    `/dev/shm/sluice-${owner}-${hash}`,
    `/dev/shm/sluice-0-${hash}`,
  ];
  return likely
    .filter((dir) => dir !== undefined)
    .filter((dir) => {
      try {
        return readFileSync(path.join(dir, 'owner'), 'utf8').trim() === path.resolve(stateDir);
      } catch {
        return false;
      }
    });
}

export function readResetMark(stateDir: string): ResetPlan | undefined {
  try {
    const { v, configFile, paths } = jsonOf(readFileSync(path.join(stateDir, RESET_MARK), 'utf8')) ?? {};
    if (v !== 1 || typeof configFile !== 'string' || !Array.isArray(paths) || paths.length > MOST_PATHS) return undefined;
    return { configFile, paths: paths.filter((p): p is string => typeof p === 'string' && path.isAbsolute(p)) };
  } catch {
    return undefined;
  }
}

/**
 * @param afterStep for tests: called after each step, and may end the process
 * @throws SluiceError already-running; Error of the file system: the next run goes on
 */
export function factoryReset(stateDir: string, plan: ResetPlan, afterStep: (step: string) => void = () => {}): Erased {
  const lock = StateDirLock.take(stateDir);
  try {
    writeSynced(path.join(stateDir, RESET_MARK), JSON.stringify({ v: 1, ...plan }));
    syncFolder(stateDir);
    afterStep('marked');
    const erased: Erased = { files: 0, bytes: 0 };
    for (const one of plan.paths) eraseAny(one, erased);
    afterStep('besides');
    const { configFile } = plan;
    const likeness = statSync(configFile, { throwIfNoEntry: false });
    eraseAny(configFile, erased);
    afterStep('configuration');
    writeStarter(configFile, stateDir, likeness?.mode ?? 0o640);
    const state = eraseState(stateDir, [RESET_MARK, LOCK_FILE]);
    syncFolder(stateDir);
    afterStep('state');
    rmSync(path.join(stateDir, RESET_MARK), { force: true });
    syncFolder(stateDir);
    // Root may have made it: the gateway has to lock it at its next start.
    const { uid, gid } = statSync(stateDir);
    if (process.getuid?.() === 0) chownSync(path.join(stateDir, LOCK_FILE), uid, gid);
    return { files: erased.files + state.files, bytes: erased.bytes + state.bytes };
  } finally {
    lock.release();
  }
}

function writeStarter(configFile: string, stateDir: string, mode: number): void {
  const folder = path.dirname(configFile);
  if (!existsSync(folder)) return;
  const starter = starterConfig().replace(
    '# stateDir: /var/lib/sluice ',
    stateDir === '/var/lib/sluice' ? '# stateDir: /var/lib/sluice ' : `stateDir: ${JSON.stringify(stateDir)} `,
  );
  writeSynced(configFile, starter, mode & 0o777);
  syncFolder(folder);
}

/** Writes zeros into the free space of the disk once, and gives it back. @returns bytes that were written */
export function fillFree(folder: string): number {
  const file = path.join(folder, '.fill');
  const zeros = Buffer.alloc(1024 * 1024);
  let bytes = 0;
  const fd = openSync(file, 'w', 0o600);
  try {
    for (let size = zeros.length; size >= 512; ) {
      try {
        bytes += writeSync(fd, zeros, 0, size);
      } catch (thrown) {
        if (!(thrown instanceof Error && 'code' in thrown && (thrown.code === 'ENOSPC' || thrown.code === 'EDQUOT')))
          throw thrown;
        size = Math.floor(size / 2);
      }
    }
    try {
      fsyncSync(fd);
    } catch {
      // A full disk may refuse it; what it took is written with the next sync.
    }
  } finally {
    closeSync(fd);
    rmSync(file, { force: true });
  }
  return bytes;
}
