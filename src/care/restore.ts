/**
 * Puts a backup back in one step. Invariants:
 * - Every byte of it is proven before the first one is written, and its configuration is one that this version runs.
 * - A power cut leaves the old gateway or the new one (settle.ts); the configuration file is exchanged last of all files beside it.
 * - The log that comes back counts as a copy, and a gateway without one makes a new one: no number is given twice.
 */

import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { SluiceError, toError } from '../core/errors.ts';
import { LOCK_FILE, StateDirLock } from '../store/state-dir.ts';
import { type Archive, refused } from './archive.ts';
import { type Entry, GATEWAY_YAML, LARGE_FILES, readEntries } from './entries.ts';
import { finishRestore, makeInside, markReady, STAGE, settleState, syncFolder } from './settle.ts';

/** The most that a configuration has (yaml-source.ts). */
const MOST_CONFIG = 1024 * 1024;
/** Left free beside what is restored, bytes. */
const ROOM = 4 * 1024 * 1024;

export interface Inspected {
  readonly entries: readonly Entry[];
  /** Of gateway.yaml. */
  readonly text: string;
  /** Bytes of the files of the state. */
  readonly state: number;
}

/** Reads all of it, and writes nothing. @throws SluiceError backup-refused */
export function inspect(archive: Archive, version: string): Inspected {
  const { program } = archive.head;
  if (isNewer(program, version))
    throw refused(`was made by Sluice ${program}, and this is ${version}: update this gateway first`);
  const entries: Entry[] = [];
  let text: string | undefined;
  for (const { entry, bytes } of readEntries(archive.pieces())) {
    entries.push(entry);
    if (entry.where !== 'config' || entry.name !== GATEWAY_YAML) continue;
    if (entry.size > MOST_CONFIG) throw refused('has a configuration of more than 1 MB');
    text = Buffer.concat([...bytes()]).toString('utf8');
  }
  if (text === undefined) throw refused('has no configuration');
  const state = entries.reduce((sum, { where, size }) => sum + (where === 'state' ? size : 0), 0);
  return { entries, text, state };
}

/** By the three numbers of a version. */
export function isNewer(one: string, than: string): boolean {
  const numbers = (text: string): number[] => text.split(/[.+-]/).slice(0, 3).map(Number);
  const [a, b] = [numbers(one), numbers(than)];
  const at = a.findIndex((n, i) => n !== b[i]);
  return at >= 0 && (a[at] ?? 0) > (b[at] ?? 0);
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * @param afterStep for tests: called after each step, and may end the process
 * @throws SluiceError already-running, usage, backup-refused
 */
export function restore(
  archive: Archive,
  { entries, text, state }: Inspected,
  target: { readonly configFile: string; readonly stateDir: string },
  afterStep: (step: string) => void = () => {},
): void {
  const { stateDir } = target;
  const configFile = path.resolve(target.configFile);
  const folder = path.dirname(configFile);
  const lock = StateDirLock.take(stateDir);
  try {
    const owner = ownerOf(stateDir);
    if (owner !== undefined) chownSync(path.join(stateDir, LOCK_FILE), owner.uid, owner.gid);
    settleState(stateDir);
    for (const { where, name } of entries) if (where === 'config') noLinks(folder, name);
    roomFor(stateDir, state);
    const stage = path.join(stateDir, STAGE);
    mkdirSync(stage, { mode: 0o700 });
    mkdirSync(path.join(stage, 'config'), { mode: 0o700 });
    mkdirSync(path.join(stage, 'state'), { mode: 0o750 });
    if (owner !== undefined) chownSync(stage, owner.uid, owner.gid);
    for (const { entry, bytes } of readEntries(archive.pieces())) {
      makeInside(path.join(stage, entry.where), path.dirname(entry.name), entry.where === 'state' ? owner : undefined);
      const file = path.join(stage, entry.where, entry.name);
      writePieces(file, bytes(), LARGE_FILES.includes(entry.name) ? 0o640 : 0o600);
      if (entry.where === 'state' && owner !== undefined) chownSync(file, owner.uid, owner.gid);
    }
    for (const part of ['config', 'state', '.']) syncFolder(path.join(stage, part));
    afterStep('staged');
    markReady(stateDir, { configFile, sha256: createHash('sha256').update(text).digest('hex') });
    if (owner !== undefined) chownSync(path.join(stage, 'ready'), owner.uid, owner.gid);
    afterStep('ready');
    const config = entries.filter(({ where, name }) => where === 'config' && name !== GATEWAY_YAML);
    for (const { name } of config) place(path.join(stage, 'config', name), folder, name, owner);
    afterStep('beside');
    place(path.join(stage, 'config', GATEWAY_YAML), folder, path.basename(configFile), owner);
    afterStep('configuration');
    finishRestore(stateDir);
  } catch (cause) {
    if (cause instanceof SluiceError) throw cause;
    throw new SluiceError(
      'usage',
      `the backup cannot be put back: ${toError(cause).message}. The gateway is as it was; run it as root, or make room`,
      { cause },
    );
  } finally {
    lock.release();
  }
}

/** Whose the state folder is; undefined where only that user could run this. */
function ownerOf(stateDir: string): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const { uid, gid } = statSync(stateDir);
  return { uid, gid };
}

/** A link between the folder and the file could lead anywhere. */
function noLinks(folder: string, name: string): void {
  let at = folder;
  for (const part of name.split('/').slice(0, -1)) {
    at = path.join(at, part);
    const stat = lstatSync(at, { throwIfNoEntry: false });
    if (stat !== undefined && !stat.isDirectory())
      throw new SluiceError('usage', `${at} is a link or no folder, and files of the backup belong below it: remove it first`);
  }
}

function roomFor(stateDir: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(stateDir);
  if (bytes + ROOM > bavail * bsize)
    throw new SluiceError(
      'usage',
      `the backup needs ${bytes + ROOM} bytes, and the disk of ${stateDir} has ${bavail * bsize} free: make room first`,
    );
}

function writePieces(file: string, pieces: Iterable<Uint8Array>, mode: number): void {
  const fd = openSync(file, 'wx', mode);
  try {
    for (const piece of pieces) for (let at = 0; at < piece.length; ) at += writeSync(fd, piece, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** A file of the configuration gets its place, whole. It keeps the mode and the owner of the one that it replaces. */
function place(from: string, folder: string, name: string, owner: Owner | undefined): void {
  makeInside(folder, path.dirname(name), undefined);
  const file = path.join(folder, name);
  const before = lstatSync(file, { throwIfNoEntry: false });
  const like = before?.isFile() === true ? before : undefined;
  const beside = `${file}.sluice-restore`;
  rmSync(beside, { force: true });
  writePieces(beside, [readFileSync(from)], 0o600);
  if (owner !== undefined) chownSync(beside, like?.uid ?? 0, like?.gid ?? owner.gid);
  chmodSync(beside, like === undefined ? 0o640 : like.mode & 0o777);
  renameSync(beside, file);
  syncFolder(path.dirname(file));
}
