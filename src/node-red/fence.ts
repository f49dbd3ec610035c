/**
 * The fence around the Node-RED process. Node itself refuses what is not allowed (its permission model), in every node and every
 * function, and not only in the editor: no file outside the folder, no program, no native code. The kernel bounds memory and tasks.
 */
import path from 'node:path';
import type { NodeRedConfig } from '../config/node-red.ts';
import { OPEN_FILES } from './child/synced-writes.ts';
import type { Grant } from './messages.ts';
import { CHILD_FOLDER, NODE_RED_FOLDER, PALETTE_FOLDER } from './place.ts';

const MB = 1024 ** 2;
/** The share of the memory for the objects of flows; the rest is Node itself, its code and its buffers. */
const HEAP_SHARE = 0.6;
/** Address space that Node reserves at its start counts for the kernel and holds nothing; memory-watch.ts measures it and lowers the limit. */
const RESERVED = 1600 * MB;
/** Threads of Node and of what flows start. */
const TASKS = 64;
const FILES = 1024;
/** The gateway goes first when both want the processor. */
const NICE = 10;

export function grantsOf(allow: NodeRedConfig['allow']): Grant[] {
  return (['exec', 'files', 'palette', 'modules'] as const).filter((grant) => allow[grant]);
}

/** Flags of Node. */
export function nodeFlags(allow: readonly Grant[], memory: number, folder: string): string[] {
  const may = (grant: Grant): boolean => allow.includes(grant);
  const own = [folder, NODE_RED_FOLDER, CHILD_FOLDER, PALETTE_FOLDER, OPEN_FILES, '/proc/self/smaps_rollup'];
  // The exec node looks whether there is bash.
  const reads = may('files') ? ['*'] : [...own, ...(may('exec') ? ['/bin/bash', '/usr/bin/bash'] : [])];
  const writes = may('files') ? ['*'] : [folder];
  return [
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
    '--max-semi-space-size=1',
    `--max-old-space-size=${Math.floor((memory * HEAP_SHARE) / MB)}`,
    '--permission',
    ...reads.map((one) => `--allow-fs-read=${one}`),
    ...writes.map((one) => `--allow-fs-write=${one}`),
    // SQLite opens files by itself, past the fence of Node.
    ...(may('files') ? [] : ['--no-experimental-sqlite']),
    // npm runs programs, and palettes bring native parts.
    ...(may('exec') || may('palette') || may('modules') ? ['--allow-child-process'] : []),
    ...(may('palette') || may('modules') ? ['--allow-addons', '--allow-worker'] : []),
  ];
}

/** Programs in front of it, each of which gives way to the next. @param limits prlimit is there */
export function kernelLimits(memory: number, disk: number, ownUser: boolean, limits: boolean): string[] {
  // An observer of the gateway may add options of Node at the spawn. The fence would refuse to load what they name.
  const nice = ['env', '-u', 'NODE_OPTIONS', 'nice', '-n', String(NICE)];
  if (!limits) return nice;
  return [
    ...nice,
    'prlimit',
    `--data=${memory + RESERVED}`,
    `--nofile=${FILES}`,
    '--core=0',
    // No single file is larger than what the whole folder may take (disk-watch.ts).
    `--fsize=${disk}`,
    // The kernel counts all tasks of a user: under the user of the gateway this would count the gateway.
    ...(ownUser ? [`--nproc=${TASKS}`] : []),
    '--',
  ];
}

/** Nothing of the environment of the gateway, where secrets may be. */
export function childEnvironment(folder: string, mark: readonly [name: string, value: string]): NodeJS.ProcessEnv {
  const { PATH = '/usr/local/bin:/usr/bin:/bin', LANG, TZ, NODE_EXTRA_CA_CERTS } = process.env;
  return {
    PATH,
    HOME: folder,
    TMPDIR: path.join(folder, 'tmp'),
    ...(LANG === undefined ? {} : { LANG }),
    ...(TZ === undefined ? {} : { TZ }),
    ...(NODE_EXTRA_CA_CERTS === undefined ? {} : { NODE_EXTRA_CA_CERTS }),
    // Each thread would keep memory of its own.
    MALLOC_ARENA_MAX: '2',
    NODE_RED_DISABLE_TELEMETRY: 'true',
    [mark[0]]: mark[1],
  };
}
