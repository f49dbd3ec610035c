/**
 * The end of a restore, which a power cut may interrupt. Invariants:
 * - One mark decides (config-stage.ts). Before it nothing of the old gateway changes, and what was put together is dropped. After it the
 *   restore is only ever finished: by the next run of the command, by `sluice provision` at the next boot, or by the next start.
 * - Every file of the configuration has its place before anything of the old state goes.
 * - Every step may be done again.
 * - Who calls holds the lock of the folder.
 */

import { existsSync, lstatSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { SluiceError, toError } from '../core/errors.ts';
import { type Owner, readSmall, syncFolder } from '../disk/durable.ts';
import { LOCK_FILE, StateDirLock } from '../store/state-dir.ts';
import {
  type Decision,
  dropConfigStage,
  dropUndecided,
  hasConfigStage,
  isUnplaced,
  placeConfig,
  readDecision,
} from './config-stage.ts';
import { CARD_RECORD } from './entries.ts';
import { jsonOf } from './json-of.ts';
import { give, isFolder, ownerOf, writeSynced } from './own-files.ts';
import { OF_A_DISK } from './state-folder.ts';

/** The state that is restored is put together here. */
export const STAGE = '.restore';
/** What a restore leaves in its place. */
const STAYS: readonly string[] = [STAGE, LOCK_FILE, 'sluice.sock', path.dirname(CARD_RECORD), OF_A_DISK];
const TARGET = 'target.json';
const MOST_TARGET = 64 * 1024;

export interface Target {
  /** The configuration file that belongs to this state. */
  readonly configFile: string;
  /** The name of this restore; the decision names it. */
  readonly id: string;
}

export type Settled = 'nothing' | 'restored' | 'restore-dropped';

/** To be called with the lock, before anything of the folder is opened. @throws SluiceError config-invalid: this user cannot finish it */
export function settleState(stateDir: string): Settled {
  const stage = path.join(stateDir, STAGE);
  if (lstatSync(stage, { throwIfNoEntry: false }) === undefined) return 'nothing';
  const target = isFolder(stage) ? readTarget(stage) : undefined;
  if (target !== undefined && readDecision(target.configFile)?.id === target.id) {
    try {
      placeConfig(target.configFile, ownerOf(stateDir));
      finishRestore(stateDir);
    } catch (cause) {
      // 78: a restart would not help.
      throw new SluiceError(
        'config-invalid',
        `a restore of ${stateDir} was interrupted, and this start cannot finish it: ${toError(cause).message}. Finish it with sudo sluice provision, then start the gateway`,
        { cause },
      );
    }
    dropped(() => dropConfigStage(target.configFile, target.id));
    return 'restored';
  }
  // It was cut before the decision: the old gateway stays.
  rmSync(stage, { recursive: true, force: true });
  if (target !== undefined) dropped(() => dropUndecided(target.configFile, target.id));
  return 'restore-dropped';
}

/**
 * Before a configuration is read: a restore that holds is finished, since it brings another one.
 * @throws SluiceError config-invalid: this user cannot finish it; already-running, log-open
 */
export function continueRestore(configFile: string): boolean {
  const decision = readDecision(configFile);
  if (decision === undefined) return false;
  const { id, stateDir } = decision;
  const begun = hasStateLeft(decision);
  if (!begun && !isUnplaced(configFile)) {
    dropped(() => dropConfigStage(configFile, id));
    return false;
  }
  const lock = StateDirLock.take(stateDir);
  try {
    const owner = ownerOf(stateDir);
    give(path.join(stateDir, LOCK_FILE), owner);
    settleState(stateDir);
    // Without a state that belongs to it there is only the configuration to finish.
    if (!begun) placeConfig(configFile, owner);
    dropped(() => dropConfigStage(configFile, id));
    return true;
  } finally {
    lock.release();
  }
}

/**
 * Whether a restore holds that no start has finished. The user of the gateway can finish one, and cannot remove its folder beside the
 * configuration: the mark alone says nothing.
 * @throws Error of the file system: this user may not look
 */
export function isRestorePending(configFile: string): boolean {
  const decision = readDecision(configFile);
  return decision !== undefined && (hasStateLeft(decision) || isUnplaced(configFile));
}

const hasStateLeft = ({ id, stateDir }: Decision): boolean => readTarget(path.join(stateDir, STAGE))?.id === id;

/** At a boot, by root: also what a restore left that never held. @throws as continueRestore */
export function settleAtBoot(configFile: string, stateDir: string): void {
  continueRestore(configFile);
  if (!hasConfigStage(configFile) || readDecision(configFile) !== undefined) return;
  const lock = StateDirLock.take(stateDir);
  try {
    give(path.join(stateDir, LOCK_FILE), ownerOf(stateDir));
    settleState(stateDir);
    dropUndecided(configFile);
  } finally {
    lock.release();
  }
}

/** Only root may remove it from a folder of root; it holds no secret any more, or nobody else can read it. */
function dropped(drop: () => void): void {
  try {
    drop();
  } catch {
    // The next boot or the next restore removes it.
  }
}

export function writeTarget(stateDir: string, target: Target, owner: Owner | undefined): void {
  writeSynced(path.join(stateDir, STAGE, TARGET), JSON.stringify({ v: 1, ...target }), 0o600, owner);
}

/** The user of the gateway may have forged it. It names a decision, and only one of this user or of root counts. */
function readTarget(stage: string): Target | undefined {
  const text = readSmall(path.join(stage, TARGET), MOST_TARGET)?.toString('utf8');
  const { v, configFile, id } = jsonOf(text ?? '') ?? {};
  return v === 1 && typeof configFile === 'string' && path.isAbsolute(configFile) && typeof id === 'string'
    ? { configFile, id }
    : undefined;
}

function finishRestore(stateDir: string): void {
  const stage = path.join(stateDir, STAGE);
  const state = path.join(stage, 'state');
  // A run that was cut has moved some of it already: what it moved stays.
  const moved = path.join(stage, 'cleared');
  if (!existsSync(moved)) {
    for (const name of readdirSync(stateDir))
      if (!STAYS.includes(name)) rmSync(path.join(stateDir, name), { recursive: true, force: true });
    syncFolder(stateDir);
    writeSynced(moved, '', 0o600, ownerOf(stateDir));
    syncFolder(stage);
  }
  for (const name of isFolder(state) ? readdirSync(state) : []) {
    const target = path.join(stateDir, name);
    // The file on the card of this board was in force before: it stays known, and is not applied over what is restored.
    if (name === path.dirname(CARD_RECORD) && existsSync(path.join(stateDir, CARD_RECORD))) continue;
    rmSync(target, { recursive: true, force: true });
    renameSync(path.join(state, name), target);
  }
  syncFolder(stateDir);
  rmSync(stage, { recursive: true, force: true });
  syncFolder(stateDir);
}
