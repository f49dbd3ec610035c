/**
 * The configuration of a restore, put together beside its place: `.gateway.yaml.ID.sluice-restore/`. Invariants:
 * - Each restore has a folder of its own. A later restore takes it away as a whole, and the earlier one gives way.
 * - The name `.gateway.yaml.sluice-restore/` is the moment from which a restore holds. One restore at a time has it, with its mark `ready`.
 * - Each file gets its place by a rename, with its owner and mode, gateway.yaml last. What is not in the stage any more has its place.
 * - Only a folder and a mark of this user or of root count. The user of the gateway cannot make root place a file.
 * - The gateway may look into it, as into the configuration, and knows by that whether every file has its place.
 */
import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { SluiceError } from '../core/errors.ts';
import { type Owner, syncFolder, writeNew } from '../disk/durable.ts';
import { BROKEN_YAML, GATEWAY_YAML } from './entries.ts';
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

const END = '.sluice-restore';
const ID = /^[0-9a-f]{32}$/;
/** The name of a restore, and of its folder. */
export const newId = (): string => randomBytes(16).toString('hex');

const isThere = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false }) !== undefined;
/** @param id of a restore that does not hold yet */
const stageOf = (configFile: string, id?: string): string =>
  path.join(path.dirname(configFile), `.${path.basename(configFile)}${id === undefined ? '' : `.${id}`}${END}`);

/** Files beside the configuration belong to root, and the gateway reads them. */
export const rootOf = (owner: Owner | undefined): Owner | undefined => owner && { uid: 0, gid: owner.gid };

/** The restores that do not hold. Each restore removes them first: there is one, and those that were killed since. */
function undecidedIds(configFile: string): string[] {
  const head = `.${path.basename(configFile)}.`;
  return namesIn(path.dirname(configFile))
    .filter((name) => name.startsWith(head) && name.endsWith(END))
    .map((name) => name.slice(head.length, -END.length))
    .filter((id) => ID.test(id));
}

/** @param folder it may be a link to one. @returns none where there is no folder */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return [];
    throw thrown;
  }
}

export const hasConfigStage = (configFile: string): boolean =>
  isThere(stageOf(configFile)) || undecidedIds(configFile).length > 0;
export const isStaged = (configFile: string, id: string): boolean => isThere(stageOf(configFile, id));

/** @param owner of the state; undefined: this user's own */
export function makeConfigStage(configFile: string, id: string, owner: Owner | undefined): void {
  const stage = stageOf(configFile, id);
  makeOne(stage, 0o750, rootOf(owner));
  makeOne(path.join(stage, FILES), 0o750, rootOf(owner));
}

/** The file keeps the mode and the owner of the one that it replaces. */
export function stageConfig(
  { configFile, id }: { readonly configFile: string; readonly id: string },
  name: string,
  pieces: Iterable<Uint8Array>,
  owner: Owner | undefined,
): void {
  const before = lstatSync(placeOf(configFile, name), { throwIfNoEntry: false });
  const like = before?.isFile() === true ? before : undefined;
  const files = path.join(stageOf(configFile, id), FILES);
  makeInside(files, path.dirname(name), rootOf(owner));
  const keeper = owner && { uid: like?.uid ?? 0, gid: like?.gid ?? owner.gid };
  writeNew(path.join(files, name), pieces, { mode: like === undefined ? 0o640 : like.mode & 0o777, owner: keeper });
  syncFolder(path.dirname(path.join(files, name)));
}

/**
 * Everything of the restore is on the disk. From now on it holds.
 * @param named called when it has the name: from here on nobody knows whether the disk has it
 * @throws SluiceError usage: another restore holds; Error of the file system
 */
export function decide(configFile: string, decision: Decision, owner: Owner | undefined, named: () => void): void {
  const stage = stageOf(configFile, decision.id);
  syncFolder(path.join(stage, FILES));
  writeSynced(path.join(stage, READY), JSON.stringify({ v: 1, ...decision }), 0o640, rootOf(owner));
  syncFolder(stage);
  syncFolder(path.dirname(configFile));
  try {
    // The kernel replaces no folder with something in it: of two restores one gets the name.
    renameSync(stage, stageOf(configFile));
  } catch (thrown) {
    if (!isThere(stage) || !isThere(stageOf(configFile))) throw thrown;
    throw new SluiceError('usage', `another restore of ${configFile} is not finished: wait for its end, then run this one again`);
  }
  named();
  syncFolder(path.dirname(configFile));
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

/** This restore is finished. Another one that has the name by now keeps it. @throws Error of the file system */
export function dropConfigStage(configFile: string, id: string): void {
  if (readDecision(configFile)?.id === id) dropNamed(configFile);
}

/** What a restore left that never held, or that is under way and gives way. @param id of one; otherwise all. @throws Error of the file system */
export function dropUndecided(configFile: string, id?: string): void {
  for (const each of id === undefined ? undecidedIds(configFile) : [id])
    if (ID.test(each) && isStaged(configFile, each)) drop(configFile, stageOf(configFile, each));
  // Its being there is asked first: one that gets the name now has decided.
  if (id === undefined && isThere(stageOf(configFile)) && readDecision(configFile) === undefined) dropNamed(configFile);
}

function dropNamed(configFile: string): void {
  const stage = stageOf(configFile);
  // The files first: without the mark what is left of them means nothing, and with it they have their places.
  if (isFolder(stage)) rmSync(path.join(stage, FILES), { recursive: true, force: true });
  drop(configFile, stage);
}

function drop(configFile: string, stage: string): void {
  // An earlier restore that still writes finds nothing under the old name, and never a part of the files.
  const gone = stageOf(configFile, newId());
  try {
    renameSync(stage, gone);
  } catch (thrown) {
    if (isThere(stage)) throw thrown;
  }
  rmSync(gone, { recursive: true, force: true });
  syncFolder(path.dirname(configFile));
}

function placeOf(configFile: string, name: string): string {
  if (name === GATEWAY_YAML) return configFile;
  // A reset looks for it under this name.
  if (name === BROKEN_YAML) return `${configFile}.broken`;
  return path.join(path.dirname(configFile), name);
}

/** Whether a file has no place yet. @throws Error of the file system: this user may not look */
export const isUnplaced = (configFile: string): boolean => filesIn(path.join(stageOf(configFile), FILES)).length > 0;

function filesIn(folder: string, below = ''): string[] {
  if (!isFolder(path.join(folder, below))) return [];
  return readdirSync(path.join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(below, entry.name);
    return entry.isDirectory() ? filesIn(folder, name) : [name];
  });
}
