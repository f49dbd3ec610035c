/**
 * The end of a restore, which a power cut may interrupt. Invariants:
 * - Nothing of the old state goes before the mark and the new configuration are on the disk. From then on the restore is only ever
 *   finished, by the next run of the command or by the next start of the gateway.
 * - Every step may be done again.
 * - Who calls holds the lock of the folder.
 */

import { createHash } from 'node:crypto';
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { LOCK_FILE } from '../store/state-dir.ts';
import { CARD_RECORD } from './entries.ts';
import { jsonOf } from './json-of.ts';

/** What is restored is put together here. */
export const STAGE = '.restore';
const READY = 'ready';

export interface ReadyMark {
  /** The configuration file that belongs to this state, and its content. */
  readonly configFile: string;
  readonly sha256: string;
}

export type Settled = 'nothing' | 'restored' | 'restore-dropped';

/** To be called with the lock, before anything of the folder is opened. @throws Error of the file system */
export function settleState(stateDir: string): Settled {
  const stage = path.join(stateDir, STAGE);
  if (lstatSync(stage, { throwIfNoEntry: false }) === undefined) return 'nothing';
  const mark = readMark(stage);
  if (mark !== undefined && hashOfFile(mark.configFile) === mark.sha256) {
    finishRestore(stateDir);
    return 'restored';
  }
  // It was cut before the configuration had its place: the old state stays.
  rmSync(stage, { recursive: true, force: true });
  return 'restore-dropped';
}

/** The new state is complete in the stage, and every byte of it on the disk. From now on it is the state. */
export function markReady(stateDir: string, mark: ReadyMark): void {
  const stage = path.join(stateDir, STAGE);
  writeSynced(path.join(stage, `${READY}.new`), JSON.stringify({ v: 1, ...mark }));
  renameSync(path.join(stage, `${READY}.new`), path.join(stage, READY));
  syncFolder(stage);
}

function readMark(stage: string): ReadyMark | undefined {
  try {
    const { v, configFile, sha256 } = jsonOf(readFileSync(path.join(stage, READY), 'utf8')) ?? {};
    return v === 1 && typeof configFile === 'string' && typeof sha256 === 'string' ? { configFile, sha256 } : undefined;
  } catch {
    return undefined;
  }
}

export function finishRestore(stateDir: string): void {
  const state = path.join(stateDir, STAGE, 'state');
  // A run that was cut has moved some of it already: what it moved stays.
  const moved = path.join(stateDir, STAGE, 'cleared');
  if (!existsSync(moved)) {
    for (const name of readdirSync(stateDir))
      if (name !== STAGE && name !== LOCK_FILE && name !== 'sluice.sock' && name !== path.dirname(CARD_RECORD))
        rmSync(path.join(stateDir, name), { recursive: true, force: true });
    syncFolder(stateDir);
    writeSynced(moved, '');
    syncFolder(path.join(stateDir, STAGE));
  }
  for (const name of existsSync(state) ? readdirSync(state) : []) {
    const target = path.join(stateDir, name);
    // The file on the card of this board was in force before: it stays known, and is not applied over what is restored.
    if (name === path.dirname(CARD_RECORD) && existsSync(path.join(stateDir, CARD_RECORD))) continue;
    rmSync(target, { recursive: true, force: true });
    renameSync(path.join(state, name), target);
  }
  syncFolder(stateDir);
  rmSync(path.join(stateDir, STAGE), { recursive: true, force: true });
  syncFolder(stateDir);
}

export function hashOfFile(file: string): string | undefined {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex');
  } catch {
    return undefined;
  }
}

export function writeSynced(file: string, text: string | Uint8Array, mode = 0o600): void {
  rmSync(file, { force: true });
  const fd = openSync(file, 'wx', mode);
  try {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** A folder, and those above it inside `root`, which belong to the user of the gateway. */
export function makeInside(root: string, relative: string, owner: { uid: number; gid: number } | undefined): void {
  let at = root;
  for (const part of relative.split('/').filter((name) => name !== '' && name !== '.')) {
    at = path.join(at, part);
    const there = lstatSync(at, { throwIfNoEntry: false });
    if (there?.isDirectory() === true) continue;
    if (there !== undefined) rmSync(at);
    mkdirSync(at, { mode: 0o750 });
    if (owner !== undefined) chownSync(at, owner.uid, owner.gid);
  }
}
