/**
 * The last configuration that ran well, `<stateDir>/config/last-good.yaml`. A start takes it when the configuration file is broken.
 *
 * - It is the text of the file as it was, with a head in comments. Secrets that stand elsewhere stay references. Relative names start
 *   at the folder of the configuration file, as they did then.
 * - It belongs to one configuration file: another gateway on the board never starts with it.
 * - Profiles that lie beside the configuration are kept with it as they ran, under their content: `config/profiles/<hash>/<name>.yaml`.
 * - The one before it stays as `last-good.previous.yaml`: for an older version of the program, and for a damaged file.
 * - It is written only when the text changed, so a restart does not wear the card.
 * - A gateway that runs keeps it in the background: a disk that hangs holds up nothing else.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { inTurn, readOwn, writeOwn } from '../access/state-file.ts';
import { isSection } from '../config/checker.ts';
import { parseYamlText, type YamlSource } from '../config/yaml-source.ts';
import type { Ran } from '../core/configuring.ts';
import { folderMade } from '../store/files/make-folder.ts';
import { withoutComments } from './files-beside.ts';
import { jsonOf } from './json-of.ts';

export const CONFIG_FOLDER = 'config';
const FILE = 'last-good.yaml';
const PREVIOUS = 'last-good.previous.yaml';
const PROFILES = 'profiles';
const MARK = '# sluice-last-good: ';
/** A configuration has at most 1 MB (yaml-source.ts); the head is short. */
const MOST_BYTES = 1024 * 1024 + 64 * 1024;
const MOST_PROFILES = 200;
const HASH = /^[0-9a-f]{64}$/;
const PROFILE = /^profiles\/[0-9a-f]{16}\/[a-z0-9][a-z0-9_-]{0,63}\.yaml$/;

export interface LastGood {
  /** The configuration file that it was. */
  readonly file: string;
  readonly text: string;
  /** Absolute paths of the profiles that are kept with it. */
  readonly profiles: readonly string[];
  /** The version of the program that ran it. */
  readonly version: string;
  /** UTC milliseconds by the clock of the system when it was written. */
  readonly at: number;
}

/** Newest first; what is damaged, foreign or of another configuration file is left out. Never throws. */
export function readLastGood(stateDir: string, file: string): LastGood[] {
  const folder = path.join(stateDir, CONFIG_FOLDER);
  return those(
    file,
    [FILE, PREVIOUS].map((name) => parse(folder, readText(path.join(folder, name)))),
  );
}

/** The same in the background. Never rejects. */
async function found(folder: string, file: string): Promise<LastGood[]> {
  return those(file, await Promise.all([FILE, PREVIOUS].map((name) => read(folder, name))));
}

const read = async (folder: string, name: string): Promise<LastGood | undefined> =>
  parse(folder, await textOf(path.join(folder, name)));

const those = (file: string, all: readonly (LastGood | undefined)[]): LastGood[] =>
  all.filter((one) => one !== undefined).filter((one) => one.file === path.resolve(file));

function parse(folder: string, whole: string | undefined): LastGood | undefined {
  const from = whole?.indexOf(MARK) ?? -1;
  if (whole === undefined || from < 0) return undefined;
  const end = whole.indexOf('\n', from);
  if (end < 0) return undefined;
  const head = jsonOf(whole.slice(from + MARK.length, end));
  const text = whole.slice(end + 1);
  const { v, file, version, at, sha256, profiles } = head ?? {};
  if (v !== 1 || typeof file !== 'string' || typeof version !== 'string' || typeof at !== 'number') return undefined;
  if (typeof sha256 !== 'string' || !HASH.test(sha256) || hashOf(text) !== sha256) return undefined;
  if (!Array.isArray(profiles) || profiles.length > MOST_PROFILES) return undefined;
  if (!profiles.every((p): p is string => typeof p === 'string' && PROFILE.test(p))) return undefined;
  return { file, version, at, text, profiles: profiles.map((p) => path.join(folder, p)) };
}

/** A file of this user or of root that no other user can write, and no link. */
function readText(file: string): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    const own = process.getuid?.() ?? 0;
    // A command that root runs reads the file of the service.
    if (!stat.isFile() || (own !== 0 && stat.uid !== own && stat.uid !== 0) || (stat.mode & 0o022) !== 0) return undefined;
    if (stat.size > MOST_BYTES) return undefined;
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(fd));
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** The same in the background. Never rejects. */
async function textOf(file: string): Promise<string | undefined> {
  // As above: what root runs reads the file of the service.
  const one = await readOwn(file, MOST_BYTES, process.getuid?.() === 0 ? 'anybody' : 'self');
  return one.kind === 'text' ? one.text : undefined;
}

/**
 * Keeps a configuration that ran well. A cut leaves the old one or the new one. Rejects with the fault of the file system.
 * @returns whether something was written
 */
export async function keepLastGood(stateDir: string, ran: Ran, version: string, at: number): Promise<boolean> {
  const folder = path.join(stateDir, CONFIG_FOLDER);
  const [newest] = await found(folder, ran.file);
  const sources = ran.profiles.slice(0, MOST_PROFILES).map(({ file, text }) => ({ name: path.basename(file), text }));
  const kept = sources.map(({ name, text }) => ({ text, at: `${PROFILES}/${hashOf(text).slice(0, 16)}/${name}` }));
  const profiles = kept.map((profile) => profile.at).sort();
  const same = newest?.text === ran.text && String(profiles.map((p) => path.join(folder, p))) === String(newest.profiles);
  if (same && newest.version === version && (await areThere(newest.profiles))) return false;
  await inTurn(() => folderMade(folder, 0o750));
  for (const profile of kept) {
    const file = path.join(folder, profile.at);
    if ((await textOf(file)) === profile.text) continue;
    await inTurn(() => folderMade(path.dirname(file), 0o750));
    await writeOwn(file, profile.text);
  }
  const file = path.resolve(ran.file);
  const head = JSON.stringify({ v: 1, file, version, at, sha256: hashOf(ran.text), profiles });
  const whole = `# The last configuration that ran well. A start takes it when ${JSON.stringify(file)} is broken.\n# Correct that file; nobody reads changes of this one.\n${MARK}${head}\n${ran.text}`;
  // Another text: the one before it stays. The same text of another version is only written anew.
  if (newest !== undefined && newest.text !== ran.text && (await read(folder, FILE)) !== undefined)
    await inTurn(() => rename(path.join(folder, FILE), path.join(folder, PREVIOUS)));
  await writeOwn(path.join(folder, FILE), whole);
  await dropOldProfiles(folder, ran.file);
  return true;
}

async function areThere(files: readonly string[]): Promise<boolean> {
  for (const file of files) if ((await textOf(file)) === undefined) return false;
  return true;
}

/** Profiles that neither of the two files names. */
async function dropOldProfiles(folder: string, file: string): Promise<void> {
  const kept = await found(folder, file);
  const used = new Set(kept.flatMap(({ profiles }) => profiles.map((p) => path.dirname(p))));
  await inTurn(async () => {
    for (const name of (await readdir(folder)).includes(PROFILES) ? await readdir(path.join(folder, PROFILES)) : []) {
      const dir = path.join(folder, PROFILES, name);
      if (!used.has(dir)) await rm(dir, { recursive: true, force: true });
    }
  });
}

/**
 * State folders that a configuration file may mean that cannot be read as one: as its text says, as the service says, as shipped.
 * Only a last good configuration of this very file counts, so a wrong guess has no effect.
 * @param read the file, where it was read before
 */
export function likelyStateDirs(file: string, env: NodeJS.ProcessEnv, read?: YamlSource): string[] {
  const folder = path.dirname(path.resolve(file));
  const found =
    read?.value === undefined ? writtenFolders('stateDir', readAnything(file) ?? '') : foldersAt('stateDir', read.value);
  const written = found.map((dir) => path.resolve(folder, dir));
  const service = env.STATE_DIRECTORY?.split(':')[0];
  return [...new Set([...written, ...(service ? [service] : []), '/var/lib/sluice', path.join(folder, 'state')])];
}

/** Folders as a text of a configuration names them. A comment says nothing: each starter names one there. */
export function writtenFolders(key: 'stateDir' | 'runtimeDir', text: string): string[] {
  const { value } = parseYamlText('', text);
  if (value !== undefined) return foldersAt(key, value);
  const words = withoutComments(text).matchAll(new RegExp(`${key}["']?[ \\t]*:[ \\t]*["']?([^\\s"'#,{}]{1,4000})`, 'g'));
  return [...words].slice(0, 4).map(([, dir = '']) => dir);
}

function foldersAt(key: string, value: unknown): string[] {
  const { gateway } = isSection(value) ? value : {};
  const written = isSection(gateway) ? gateway[key] : undefined;
  // A section may be misspelt, or a line too far left: then it stands elsewhere.
  return typeof written === 'string' ? [written] : textsAt(value, key).slice(0, 4);
}

/** Every text under this key, wherever it stands. The value has the bounds of a configuration, and each part of it is looked at once. */
function textsAt(value: unknown, key: string): string[] {
  const found: string[] = [];
  const parts = new Set<unknown>([value]);
  // A set also gives what is added while it is walked.
  for (const part of parts)
    if (typeof part === 'object' && part !== null)
      for (const [name, inside] of Object.entries(part))
        if (name === key && typeof inside === 'string') found.push(inside);
        else parts.add(inside);
  return found;
}

/** The text of a file, whatever is wrong with it; undefined: there is none, or it is too long for a configuration. */
export function readAnything(file: string): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    return stat.isFile() && stat.size <= MOST_BYTES ? readFileSync(fd, 'utf8') : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
