/**
 * Erases what a gateway knows: state, readings, accounts, keys, configuration with its secrets, runtime folder, the folder of Node-RED,
 * bundles and backups beside the configuration. A starter configuration takes the place of the old one.
 *
 * - The mark is on the disk before the first file goes; a run that was cut is finished by the next one, by `sluice provision` at the
 *   next boot, and by a start of the gateway that may write everything. Another start is refused.
 * - The plan is in the mark, since the configuration that it was made of is erased too.
 */

import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { starterConfig } from '../config/starter.ts';
import { parseYamlText } from '../config/yaml-source.ts';
import { type Owner, syncFolder } from '../disk/durable.ts';
import { LOCK_FILE, StateDirLock } from '../store/state-dir.ts';
import { type Erased, eraseAny, eraseState } from './erase.ts';
import { filesBeside, wordsOf } from './files-beside.ts';
import { jsonOf } from './json-of.ts';
import { readAnything, readLastGood, writtenFolders } from './last-good.ts';
import { give, ownerOf, readObeyed, writeSynced } from './own-files.ts';
import { assertStateFolder, OF_A_DISK } from './state-folder.ts';

const RESET_MARK = '.factory-reset';
/** Made by commands of Sluice. */
const OURS = /(?:\.sluice|\.sluice-backup|\.sluice-restore|\.receipt|^sluice-support-.*\.tar\.gz)$/;
/** What provisioning (provisioning/apply.ts, disk.ts) and a restore leave beside a configuration. */
const BESIDE = ['.broken', '.before-provisioning', '.before-provisioning.new', '.new'];
const MOST_PATHS = 10_000;
/** A path has at most 4,096 bytes; plans are far smaller. */
const MOST_MARK = 4 * 1024 * 1024;

export interface ResetPlan {
  readonly configFile: string;
  /** Absolute; files and folders outside of the state folder. */
  readonly paths: readonly string[];
}

/** What would be erased besides the state folder. @param others absolute; files elsewhere with secrets of this gateway */
export function resetPlan(
  configFile: string,
  stateDir: string,
  runtimeDir: string | undefined,
  others: readonly string[] = [],
): ResetPlan {
  const file = path.resolve(configFile);
  const folder = path.dirname(file);
  const texts = textsOf(file, stateDir);
  const values = texts.map((text) => parseYamlText(file, text).value ?? [...wordsOf(text)]);
  const beside = filesBeside(file, values).map((name) => path.join(folder, name));
  const runtime = texts.flatMap((text) => writtenFolders('runtimeDir', text)).map((dir) => path.resolve(folder, dir));
  const profiles = path.join(folder, 'profiles');
  const ours = existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => OURS.test(name) || BESIDE.some((end) => name === path.basename(file) + end))
        .map((name) => path.join(folder, name))
    : [];
  const paths = [
    ...beside,
    ...ours,
    ...(existsSync(profiles) ? [profiles] : []),
    ...others,
    ...runtimeDirs(stateDir, [...(runtimeDir === undefined ? [] : [runtimeDir]), ...runtime]),
    ...(existsSync(`${stateDir}-node-red`) ? [`${stateDir}-node-red`] : []),
  ];
  return { configFile: file, paths: [...new Set(paths)].slice(0, MOST_PATHS) };
}

/** Texts of a configuration: as it is, and as it was when it ran well. A broken one may lack what it had. */
function textsOf(file: string, stateDir: string): string[] {
  const now = readAnything(file);
  return [...(now === undefined ? [] : [now]), ...readLastGood(stateDir, file).map(({ text }) => text)];
}

/** Folders for the newest readings that belong to this state folder (store/tail/runtime-dir.ts). */
function runtimeDirs(stateDir: string, named: readonly string[]): string[] {
  const hash = createHash('sha256').update(path.resolve(stateDir)).digest('hex').slice(0, 12);
  const owner = existsSync(stateDir) ? statSync(stateDir).uid : 0;
  const likely = [
    ...named,
    '/run/sluice',
    `/run/sluice/${hash}`,
    `/dev/shm/sluice-${owner}-${hash}`,
    `/dev/shm/sluice-0-${hash}`,
  ];
  return likely.filter((dir) => {
    try {
      return readFileSync(path.join(dir, 'owner'), 'utf8').trim() === path.resolve(stateDir);
    } catch {
      return false;
    }
  });
}

export interface ResetMark {
  readonly plan: ResetPlan;
  /** This user wrote it, so this user can finish it. */
  readonly own: boolean;
}

/**
 * What an interrupted reset left. A mark that is not complete means nothing: the reset had erased nothing.
 * @returns 'foreign': another user may have made it. Root would erase what that user wants.
 */
export function readResetMark(stateDir: string): ResetMark | 'foreign' | undefined {
  const found = readObeyed(path.join(stateDir, RESET_MARK), MOST_MARK);
  if (found === undefined || found === 'foreign') return found;
  const { v, configFile, paths } = jsonOf(found.text) ?? {};
  if (v !== 1 || typeof configFile !== 'string' || !Array.isArray(paths) || paths.length > MOST_PATHS) return undefined;
  const plan = { configFile, paths: paths.filter((p): p is string => typeof p === 'string' && path.isAbsolute(p)) };
  return { plan, own: found.uid === process.getuid?.() };
}

/**
 * @param afterStep for tests: called after each step, and may end the process
 * @throws SluiceError already-running; usage: the folder is not the state of a gateway; Error of the file system: the next run goes on
 */
export function factoryReset(stateDir: string, plan: ResetPlan, afterStep: (step: string) => void = () => {}): Erased {
  assertStateFolder(stateDir, plan.configFile);
  const lock = StateDirLock.take(stateDir);
  try {
    const owner = ownerOf(stateDir);
    give(path.join(stateDir, LOCK_FILE), owner);
    // The gateway reads it, and does not start before root has finished. Only root's own file is obeyed by root.
    writeSynced(path.join(stateDir, RESET_MARK), JSON.stringify({ v: 1, ...plan }), 0o640, owner && { uid: 0, gid: owner.gid });
    syncFolder(stateDir);
    afterStep('marked');
    const erased: Erased = { files: 0, bytes: 0 };
    for (const one of plan.paths) eraseAny(one, erased);
    afterStep('besides');
    replaceConfig(plan.configFile, stateDir, owner, erased, afterStep);
    const state = eraseState(stateDir, [RESET_MARK, LOCK_FILE, OF_A_DISK]);
    syncFolder(stateDir);
    afterStep('state');
    rmSync(path.join(stateDir, RESET_MARK), { force: true });
    syncFolder(stateDir);
    return { files: erased.files + state.files, bytes: erased.bytes + state.bytes };
  } finally {
    lock.release();
  }
}

/** The file is there at any moment, and names the state folder: the next start finds the mark by that. */
function replaceConfig(
  configFile: string,
  stateDir: string,
  owner: Owner | undefined,
  erased: Erased,
  afterStep: (step: string) => void,
): void {
  const folder = path.dirname(configFile);
  if (!existsSync(folder)) return;
  const old = path.join(folder, `.${path.basename(configFile)}.erase`);
  eraseAny(old, erased);
  const likeness = statSync(configFile, { throwIfNoEntry: false });
  const starter = starterConfig().replace(
    '# stateDir: /var/lib/sluice ',
    stateDir === '/var/lib/sluice' ? '# stateDir: /var/lib/sluice ' : `stateDir: ${JSON.stringify(stateDir)} `,
  );
  // The user of the gateway reads it, also where root erases.
  const keeper = owner && { uid: likeness?.uid ?? 0, gid: likeness?.gid ?? owner.gid };
  writeSynced(`${configFile}.new`, starter, (likeness?.mode ?? 0o640) & 0o777, keeper);
  try {
    if (likeness !== undefined) linkSync(configFile, old);
  } catch {
    // FAT has no second names.
    eraseAny(configFile, erased);
  }
  renameSync(`${configFile}.new`, configFile);
  syncFolder(folder);
  afterStep('configuration');
  eraseAny(old, erased);
  syncFolder(folder);
}

/**
 * Writes zeros into the free space of the disk once, and gives it back. The file has no name while it grows: a kill or a power cut leaves
 * no full disk, on which no gateway could start.
 * @param afterPiece for tests: called after each piece
 * @returns bytes that were written
 */
export function fillFree(folder: string, afterPiece: () => void = () => {}): number {
  const file = path.join(folder, '.fill');
  const zeros = Buffer.alloc(1024 * 1024);
  let bytes = 0;
  // What has the name already, be it a link, is never written to.
  rmSync(file, { force: true });
  const fd = openSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
  try {
    rmSync(file);
    syncFolder(folder);
    for (let size = zeros.length; size >= 512; ) {
      try {
        bytes += writeSync(fd, zeros, 0, size);
        afterPiece();
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
  }
  return bytes;
}
