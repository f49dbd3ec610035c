/**
 * The memory-backed folder in which the uncommitted tail lies. Other users can make files in /dev/shm, also before the
 * gateway does. Invariants:
 * - A folder is used only where its owner, who is the user of the gateway, and root alone can change its content.
 * - No link is followed, and a file that is made here is a new one.
 * - A folder that is refused is reported, and nothing in it is read, changed or removed.
 */
import { createHash } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  realpathSync,
  type Stats,
  statfsSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { SluiceError, toError } from '../../core/errors.ts';
import { makeFolder } from '../files/make-folder.ts';
import { codeOf } from '../files/sqlite-errors.ts';

/** statfs magic numbers of Linux: tmpfs and ramfs. */
const MEMORY_BACKED = new Set([0x01021994, 0x858458f6]);
/** Nothing that the gateway writes here becomes larger, bytes: a segment of the tail has some megabytes. */
const MOST = 64 * 1024 * 1024;
const GROUP_OR_OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

export interface RuntimeDir {
  readonly dir: string;
  readonly memoryBacked: boolean;
}
export interface RuntimeChoice {
  /** undefined: nowhere. */
  readonly chosen: RuntimeDir | undefined;
  /** Folders that were passed over although they should have been used, each with the reason and what to do. */
  readonly refused: readonly string[];
}

/** Where the tail lies: as configured, `$RUNTIME_DIRECTORY`, /run/sluice/<hash>, else /dev/shm. @throws SluiceError log-open */
export function chooseRuntimeDir(stateDir: string, configured: string | undefined, env: NodeJS.ProcessEnv): RuntimeChoice {
  const hash = createHash('sha256').update(path.resolve(stateDir)).digest('hex').slice(0, 12);
  const named = (configured ?? env.RUNTIME_DIRECTORY?.split(':')[0]) || undefined;
  const candidates = named !== undefined ? [named] : [`/run/sluice/${hash}`, `/dev/shm/sluice-${userId()}-${hash}`];
  const refused: string[] = [];
  for (const dir of candidates) {
    try {
      // Looked at before as well as after: a link is not followed, not even to make what it names.
      const before = exists(dir) ? folderFault(dir) : undefined;
      if (before === undefined) makeFolder(dir, 0o700);
      const foreign = before ?? folderFault(dir) ?? pathFault(dir);
      if (foreign !== undefined) {
        refused.push(foreign);
        continue;
      }
      accessSync(dir, constants.W_OK | constants.X_OK);
      const memoryBacked = MEMORY_BACKED.has(statfsSync(dir).type);
      // A folder on the card would be worn with every reading: only when a person asks for it by name.
      if (!memoryBacked && named === undefined) continue;
      takeOwnership(dir, path.resolve(stateDir));
      return { chosen: { dir, memoryBacked }, refused };
    } catch (thrown) {
      if (thrown instanceof SluiceError) throw thrown;
      // A folder that the configuration does not name may be impossible here: the next one is tried.
      if (named !== undefined) refused.push(`the runtime directory ${dir} cannot be used: ${toError(thrown).message}`);
    }
  }
  return { chosen: undefined, refused };
}

/** Why the folder may not hold the tail, in words; undefined: it may. @throws Error of the file system */
export function folderFault(dir: string): string | undefined {
  const stat = lstatSync(dir);
  const say = (what: string, remedy: string) => `the runtime directory ${dir} is not used: ${what}; ${remedy}`;
  if (stat.isSymbolicLink()) return say('it is a link', 'remove the link, or name another folder as gateway.runtimeDir');
  if (!stat.isDirectory()) return say('it is not a folder', 'remove it, or name another folder as gateway.runtimeDir');
  if (stat.uid !== userId())
    return say(
      `it belongs to user ${stat.uid} and the gateway runs as user ${userId()}`,
      'remove it, or name another folder as gateway.runtimeDir',
    );
  if ((stat.mode & GROUP_OR_OTHERS_WRITE) !== 0)
    return say('other users may write in it', `look at the files in it, then run chmod go-w ${dir}`);
  return undefined;
}

/** Who may rename a folder above this one can put another one in its place. */
function pathFault(dir: string): string | undefined {
  let above = realpathSync(path.dirname(path.resolve(dir)));
  for (;;) {
    const stat = lstatSync(above);
    const others = (stat.mode & GROUP_OR_OTHERS_WRITE) !== 0 && (stat.mode & STICKY) === 0;
    if (others || (stat.uid !== userId() && stat.uid !== 0))
      return `the runtime directory ${dir} is not used: other users may replace it, as ${above} ${others ? 'may be written by others' : `belongs to user ${stat.uid}`}; name another folder as gateway.runtimeDir`;
    if (above === path.dirname(above)) return undefined;
    above = path.dirname(above);
  }
}

/** Makes a file that was not there. What has its name goes, be it a link. @returns its descriptor */
export function createOwn(file: string): number {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    return openSync(file, flags, 0o600);
  } catch (thrown) {
    if (codeOf(thrown) !== 'EEXIST') throw thrown;
    unlinkSync(file);
    return openSync(file, flags, 0o600);
  }
}

/** Reads a file that the gateway or root wrote. @returns undefined where it is a link, no file, another user's, or too large @throws Error of the file system */
export function readOwn(file: string): Uint8Array | undefined {
  let fd: number;
  try {
    // Without O_NONBLOCK a pipe of that name would be waited for.
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (thrown) {
    if (codeOf(thrown) === 'ELOOP') return undefined;
    throw thrown;
  }
  try {
    return isOwn(fstatSync(fd)) ? readFileSync(fd) : undefined;
  } finally {
    closeSync(fd);
  }
}

function isOwn(stat: Stats): boolean {
  return stat.isFile() && (stat.uid === userId() || stat.uid === 0) && stat.nlink <= 1 && stat.size <= MOST;
}

/** Two gateways in one folder would take each other's tail. @throws SluiceError log-open */
function takeOwnership(dir: string, stateDir: string): void {
  const file = path.join(dir, 'owner');
  const owner = exists(file) ? Buffer.from(readOwn(file) ?? '').toString('utf8') : '';
  if (owner === stateDir) return;
  if (owner !== '')
    throw new SluiceError(
      'log-open',
      `the runtime directory ${dir} belongs to the gateway whose state is in ${owner}; name another folder as gateway.runtimeDir, or remove ${dir} when that gateway is gone`,
    );
  const fd = createOwn(file);
  try {
    writeSync(fd, stateDir);
  } finally {
    closeSync(fd);
  }
}

function exists(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
}

function userId(): number {
  return process.geteuid?.() ?? 0;
}
