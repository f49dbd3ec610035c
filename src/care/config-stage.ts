/**
 * The configuration of a restore, put together beside its place: `.gateway.yaml.sluice-restore/`. Invariants:
 * - The mark `ready` in it is the moment from which a restore holds.
 * - Each file gets its place by a rename, with its owner and mode, gateway.yaml last. What is not in the stage any more has its place.
 * - Only a folder and a mark of this user or of root count. The user of the gateway cannot make root place a file.
 * - The gateway may look into it, as into the configuration, and knows by that whether every file has its place.
 */
import { lstatSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { type Owner, syncFolder, writeNew } from '../disk/durable.ts';
import { GATEWAY_YAML } from './entries.ts';
import { jsonOf } from './json-of.ts';
import { isFolder, makeInside, makeOne, readObeyed, writeSynced } from './own-files.ts';

const READY = 'ready';
const FILES = 'files';
const MOST_READY = 64 * 1024;

/** A restore that holds. */
export interface Decision {
  readonly id: string;
  readonly stateDir: string;
}

const stageOf = (configFile: string): string =>
  path.join(path.dirname(configFile), `.${path.basename(configFile)}.sluice-restore`);

/** Files beside the configuration belong to root, and the gateway reads them. */
export const rootOf = (owner: Owner | undefined): Owner | undefined => owner && { uid: 0, gid: owner.gid };

export const hasConfigStage = (configFile: string): boolean =>
  lstatSync(stageOf(configFile), { throwIfNoEntry: false }) !== undefined;

/** @param owner of the state; undefined: this user's own */
export function makeConfigStage(configFile: string, owner: Owner | undefined): void {
  const stage = stageOf(configFile);
  makeOne(stage, 0o750, rootOf(owner));
  makeOne(path.join(stage, FILES), 0o750, rootOf(owner));
}

/** The file keeps the mode and the owner of the one that it replaces. */
export function stageConfig(configFile: string, name: string, pieces: Iterable<Uint8Array>, owner: Owner | undefined): void {
  const before = lstatSync(placeOf(configFile, name), { throwIfNoEntry: false });
  const like = before?.isFile() === true ? before : undefined;
  const files = path.join(stageOf(configFile), FILES);
  makeInside(files, path.dirname(name), rootOf(owner));
  const keeper = owner && { uid: like?.uid ?? 0, gid: like?.gid ?? owner.gid };
  writeNew(path.join(files, name), pieces, { mode: like === undefined ? 0o640 : like.mode & 0o777, owner: keeper });
  syncFolder(path.dirname(path.join(files, name)));
}

/** Everything of the restore is on the disk. From now on it holds. */
export function decide(configFile: string, decision: Decision, owner: Owner | undefined): void {
  const stage = stageOf(configFile);
  syncFolder(path.join(stage, FILES));
  writeSynced(path.join(stage, `${READY}.new`), JSON.stringify({ v: 1, ...decision }), 0o640, rootOf(owner));
  syncFolder(path.dirname(configFile));
  renameSync(path.join(stage, `${READY}.new`), path.join(stage, READY));
  syncFolder(stage);
}

export function readDecision(configFile: string): Decision | undefined {
  const stage = stageOf(configFile);
  try {
    const stat = lstatSync(stage);
    if (!stat.isDirectory() || (stat.uid !== 0 && stat.uid !== process.getuid?.()) || (stat.mode & 0o022) !== 0) return undefined;
  } catch {
    return undefined;
  }
  const found = readObeyed(path.join(stage, READY), MOST_READY);
  if (found === undefined || found === 'foreign') return undefined;
  const { v, id, stateDir } = jsonOf(found.text) ?? {};
  return v === 1 && typeof id === 'string' && typeof stateDir === 'string' && path.isAbsolute(stateDir)
    ? { id, stateDir }
    : undefined;
}

/** To be called after the decision. @param afterStep for tests. @throws Error of the file system: this user may not, or the disk fails */
export function placeConfig(configFile: string, owner: Owner | undefined, afterStep: (step: string) => void = () => {}): void {
  const files = path.join(stageOf(configFile), FILES);
  for (const name of filesIn(files).sort((a, b) => Number(a === GATEWAY_YAML) - Number(b === GATEWAY_YAML))) {
    const place = placeOf(configFile, name);
    makeInside(path.dirname(configFile), path.dirname(name), rootOf(owner));
    renameSync(path.join(files, name), place);
    syncFolder(path.dirname(place));
    afterStep(`placed ${name}`);
  }
}

/** @throws Error of the file system */
export function dropConfigStage(configFile: string): void {
  const stage = stageOf(configFile);
  if (!hasConfigStage(configFile)) return;
  // The files first: without the mark what is left of them means nothing, and with it they have their places.
  if (isFolder(stage)) rmSync(path.join(stage, FILES), { recursive: true, force: true });
  rmSync(stage, { recursive: true, force: true });
  syncFolder(path.dirname(configFile));
}

const placeOf = (configFile: string, name: string): string =>
  name === GATEWAY_YAML ? configFile : path.join(path.dirname(configFile), name);

/** Whether a file has no place yet. @throws Error of the file system: this user may not look */
export const isUnplaced = (configFile: string): boolean => filesIn(path.join(stageOf(configFile), FILES)).length > 0;

function filesIn(folder: string, below = ''): string[] {
  if (!isFolder(path.join(folder, below))) return [];
  return readdirSync(path.join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(below, entry.name);
    return entry.isDirectory() ? filesIn(folder, name) : [name];
  });
}
