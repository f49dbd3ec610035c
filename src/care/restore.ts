/**
 * Puts a backup back in one step. Invariants:
 * - Every byte of it is proven before the first one is written, and its configuration is one that this version runs.
 * - A power cut leaves the old gateway or the new one (settle.ts); the configuration is put together beside its place first.
 * - The configuration of the backup names the state folder: one that holds anything else is left alone (state-folder.ts).
 * - The log that comes back counts as a copy, and a gateway without one makes a new one: no number is given twice.
 */

import { lstatSync, rmSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { SluiceError, toError } from '../core/errors.ts';
import { syncFolder, writeNew } from '../disk/durable.ts';
import { LOCK_FILE, StateDirLock } from '../store/state-dir.ts';
import { type Archive, refused } from './archive.ts';
import { decide, dropUndecided, isStaged, makeConfigStage, newId, placeConfig, stageConfig } from './config-stage.ts';
import { type Entry, GATEWAY_YAML, LARGE_FILES, MOST_CONFIGS, readEntries } from './entries.ts';
import { give, makeInside, makeOne, ownerOf } from './own-files.ts';
import { continueRestore, STAGE, settleState, writeTarget } from './settle.ts';
import { assertStateFolder } from './state-folder.ts';

/** The most that a configuration has (yaml-source.ts). */
const MOST_CONFIG = 1024 * 1024;
/** Left free beside what is restored, bytes. */
const RESERVE = 4 * 1024 * 1024;

export interface Inspected {
  readonly entries: readonly Entry[];
  /** The text of gateway.yaml. */
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
  let beside = 0;
  for (const { entry, bytes } of readEntries(archive.pieces())) {
    entries.push(entry);
    if (entry.where === 'config') beside += entry.size;
    if (beside > MOST_CONFIGS) throw refused('has more than 32 MB of files of the configuration, which no gateway needs');
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

/**
 * @param afterStep for tests: called after each step, and may end the process
 * @throws SluiceError already-running, usage, backup-refused
 */
export function restore(
  archive: Archive,
  { entries, state }: Inspected,
  target: { readonly configFile: string; readonly stateDir: string },
  afterStep: (step: string) => void = () => {},
): void {
  const stateDir = path.resolve(target.stateDir);
  const configFile = path.resolve(target.configFile);
  continueRestore(configFile);
  assertStateFolder(stateDir, configFile);
  const lock = StateDirLock.take(stateDir);
  const stage = path.join(stateDir, STAGE);
  const id = newId();
  let begun = false;
  let holds = false;
  try {
    const owner = ownerOf(stateDir);
    give(path.join(stateDir, LOCK_FILE), owner);
    settleState(stateDir);
    for (const { where, name } of entries) if (where === 'config') noLinks(path.dirname(configFile), name);
    assertSpace(stateDir, state);
    dropUndecided(configFile);
    makeOne(stage, 0o700, owner);
    makeOne(path.join(stage, 'state'), 0o750, owner);
    makeConfigStage(configFile, id, owner);
    begun = true;
    for (const { entry, bytes } of readEntries(archive.pieces())) {
      if (entry.where === 'config') {
        stageConfig({ configFile, id }, entry.name, bytes(), owner);
        continue;
      }
      const file = path.join(stage, 'state', entry.name);
      makeInside(path.join(stage, 'state'), path.dirname(entry.name), owner);
      writeNew(file, bytes(), { mode: LARGE_FILES.includes(entry.name) ? 0o640 : 0o600, owner });
      syncFolder(path.dirname(file));
    }
    writeTarget(stateDir, { configFile, id }, owner);
    for (const folder of [path.join(stage, 'state'), stage, stateDir]) syncFolder(folder);
    afterStep('staged');
    decide(configFile, { id, stateDir }, owner, () => {
      holds = true;
    });
    afterStep('decided');
    placeConfig(configFile, owner, afterStep);
    afterStep('configuration');
    settleState(stateDir);
  } catch (cause) {
    const gaveWay = begun && !holds && !isStaged(configFile, id);
    if (!holds) drop(stage, configFile, id);
    if (gaveWay)
      throw new SluiceError(
        'usage',
        `another restore of ${configFile}, or sluice provision, took away what this one had put together, so it gave way and changed nothing. Run one at a time`,
        { cause },
      );
    if (cause instanceof SluiceError) throw cause;
    const now = holds
      ? 'A restart of the board or the same command again finishes it'
      : 'The gateway is as it was; run it as root, or make room';
    throw new SluiceError('usage', `the backup cannot be put back: ${toError(cause).message}. ${now}`, { cause });
  } finally {
    lock.release();
  }
}

/** Best effort: what stays is dropped by the next start. */
function drop(stage: string, configFile: string, id: string): void {
  for (const step of [() => rmSync(stage, { recursive: true, force: true }), () => dropUndecided(configFile, id)])
    try {
      step();
    } catch {
      // The fault that led here is the one that is reported.
    }
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

function assertSpace(stateDir: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(stateDir);
  if (bytes + RESERVE > bavail * bsize)
    throw new SluiceError(
      'usage',
      `the backup needs ${bytes + RESERVE} bytes, and the disk of ${stateDir} has ${bavail * bsize} free: make room first`,
    );
}
