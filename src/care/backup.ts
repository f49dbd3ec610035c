/**
 * Makes a backup of a gateway that runs or does not: configuration, secrets beside it, accounts, keys, flows, cursors and states of
 * rules, and the readings on request. The log is copied at one moment; the other files are replaced as a whole, so each is read whole.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  rmSync,
  statfsSync,
} from 'node:fs';
import path from 'node:path';
import { parseYamlText, readYamlFile } from '../config/yaml-source.ts';
import { SluiceError, toError } from '../core/errors.ts';
import { copyLog, logBytes } from '../store/copy/copy-log.ts';
import { ArchiveWriter, CHUNK } from './archive.ts';
import {
  BROKEN_YAML,
  CARD_RECORD,
  END,
  type Entry,
  entryHead,
  GATEWAY_YAML,
  isConfigName,
  isStateName,
  LARGE_FILES,
  MOST_CONFIGS,
  MOST_SMALL,
} from './entries.ts';
import { filesBeside } from './files-beside.ts';
import type { LastGood } from './last-good.ts';

/** Left free beside the copy, bytes: the gateway that runs needs some. */
const RESERVE = 8 * 1024 * 1024;
const SCRATCH = /^\.backup-(\d{1,10})$/;

export interface BackupRequest {
  readonly configFile: string;
  readonly stateDir: string;
  readonly gateway: string;
  /** Files of profiles beside the configuration that it uses. */
  readonly profiles: readonly string[];
  /** The file is broken: this takes its place, and the file goes along as `gateway.yaml.broken`. */
  readonly lastGood?: Pick<LastGood, 'text' | 'profiles'> | undefined;
  readonly withLog: boolean;
  readonly passphrase: string | undefined;
  readonly program: string;
  /** UTC milliseconds. */
  readonly made: number;
  /** Where the backup goes. */
  readonly write: (bytes: Uint8Array) => void;
}

export interface BackupReport {
  readonly entries: readonly Entry[];
  /** The id of the log; undefined: the gateway has none yet. */
  readonly log: string | undefined;
  /** What a restore has to be given besides, in sentences. */
  readonly notes: readonly string[];
}

/** @throws SluiceError log-read, usage */
export async function makeBackup(request: BackupRequest): Promise<BackupReport> {
  const { configFile, stateDir, gateway, withLog, write } = request;
  const scratch = scratchIn(stateDir, withLog ? logBytes(stateDir) : 0);
  try {
    const { files, log } = await copyLog(stateDir, scratch, withLog ? 'all' : 'small');
    const notes: string[] = [];
    const sources: Source[] = [
      ...configFiles(request, notes),
      ...stateFiles(stateDir).map((name) => ({ where: 'state' as const, name, file: path.join(stateDir, name) })),
      ...files.map((name) => ({ where: 'state' as const, name, file: path.join(scratch, name) })),
    ];
    const writer = new ArchiveWriter({ gateway, made: request.made, program: request.program }, request.passphrase);
    write(writer.begin());
    const entries: Entry[] = [];
    let configs = 0;
    for (const source of sources) {
      const entry = writeEntry(writer, source, write, notes);
      if (entry === undefined) continue;
      entries.push(entry);
      if (source.where === 'config') configs += entry.size;
      if (configs > MOST_CONFIGS)
        throw new SluiceError(
          'usage',
          `the files beside ${configFile} have more than 32 MB together, and a backup holds less: move away what the gateway does not need`,
        );
    }
    write(writer.add(END));
    write(writer.end());
    return { entries, log, notes };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function folderOf(configFile: string): string {
  return path.dirname(path.resolve(configFile));
}

/** Another backup may be under way. A number is used again after a start of the board, so the words of the process count too. */
function isUnderWay(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ESRCH') return false;
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes('backup');
  } catch {
    return true;
  }
}

/** A place for the copy of the log that is as closed as the log itself. What a cut backup left goes. */
function scratchIn(stateDir: string, bytes: number): string {
  const scratch = path.join(stateDir, `.backup-${process.pid}`);
  try {
    for (const name of readdirSync(stateDir)) {
      const [, pid] = SCRATCH.exec(name) ?? [];
      if (pid !== undefined && !isUnderWay(Number(pid))) rmSync(path.join(stateDir, name), { recursive: true });
    }
    const { bavail, bsize } = statfsSync(stateDir);
    if (bytes + RESERVE > bavail * bsize)
      throw new SluiceError(
        'usage',
        `the disk of ${stateDir} has ${bavail * bsize} bytes free, and the copy of the log needs ${bytes + RESERVE}. Make a backup without --with-log`,
      );
    mkdirSync(scratch, { mode: 0o700 });
    return scratch;
  } catch (cause) {
    if (cause instanceof SluiceError) throw cause;
    throw new SluiceError(
      'usage',
      `nothing can be written in ${stateDir}: ${toError(cause).message}. Run it as root or as the user of the gateway`,
      { cause },
    );
  }
}

interface Source extends Pick<Entry, 'where' | 'name'> {
  readonly file: string;
  /** In place of its content. */
  readonly text?: string;
  /** It lies in a folder of the gateway's user. */
  readonly ofGateway?: boolean;
}

/** The configuration, and what it uses beside it: profiles, secrets, certificates. */
function configFiles(request: BackupRequest, notes: string[]): Source[] {
  const { configFile, profiles, stateDir, lastGood } = request;
  const folder = folderOf(configFile);
  const secrets = path.join(path.resolve(stateDir), 'secrets');
  const note = (file: string) => {
    if (path.dirname(path.resolve(file)) === secrets) return;
    notes.push(`${file} is not in the backup: it is not beside the configuration. Copy it yourself.`);
  };
  const { value } = lastGood === undefined ? readYamlFile(configFile) : parseYamlText(configFile, lastGood.text);
  const named = filesBeside(configFile, value, note);
  const own = profiles.map((file) => path.relative(folder, path.resolve(file))).filter(isConfigName);
  const beside = [...new Set([...named, ...own])].sort();
  const all: Source[] = [
    { where: 'config', name: GATEWAY_YAML, file: configFile, ...(lastGood !== undefined && { text: lastGood.text }) },
    ...beside.map((name) => ({ where: 'config' as const, name, file: path.join(folder, name) })),
  ];
  if (lastGood === undefined) return all;
  const kept = lastGood.profiles.map((file) => ({ name: `profiles/${path.basename(file)}`, file }));
  all.push(...kept.map((one) => ({ ...one, where: 'config' as const, ofGateway: true })));
  notes.push(`${configFile} has faults, so the backup has the last good configuration in its place.`);
  if (existsSync(configFile)) {
    all.push({ where: 'config', name: BROKEN_YAML, file: configFile });
    notes.push(`The file with the faults is in the backup as ${BROKEN_YAML}: correct it after a restore.`);
  }
  return all.filter(({ name }, i) => all.findLastIndex((other) => other.name === name) === i);
}

function stateFiles(stateDir: string): string[] {
  const filesOf = (folder: string) => {
    const all = path.join(stateDir, folder);
    return existsSync(all) ? readdirSync(all).map((name) => `${folder}/${name}`) : [];
  };
  const names = [
    ...[
      'access.json',
      'gateway.key',
      'node-red.secret',
      'tls/own.pem',
      'tls/ca.crt',
      'node-red/flows.json',
      'node-red/flows_cred.json',
      CARD_RECORD,
    ],
    ...filesOf('flow-revisions'),
    ...filesOf('secrets'),
    ...filesOf('config'),
  ];
  return names.filter((name) => isStateName(name) && existsSync(path.join(stateDir, name)));
}

function writeEntry(
  writer: ArchiveWriter,
  { where, name, file, text, ofGateway = where === 'state' }: Source,
  write: (bytes: Uint8Array) => void,
  notes: string[],
): Entry | undefined {
  if (text !== undefined) {
    const bytes = Buffer.from(text);
    write(writer.add(Buffer.concat([entryHead({ where, name, size: bytes.length }), bytes])));
    return { where, name, size: bytes.length };
  }
  let fd: number;
  try {
    // Root must not read for the user of the gateway what that user may not read.
    if (ofGateway && realpathSync(file) !== path.join(realpathSync(path.dirname(file)), path.basename(file)))
      throw new Error('it is a link');
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | (ofGateway ? constants.O_NOFOLLOW : 0));
  } catch (cause) {
    throw new SluiceError(
      'usage',
      `${file} cannot be read: ${toError(cause).message}. Run it as root or as the user of the gateway`,
      { cause },
    );
  }
  try {
    if (!LARGE_FILES.includes(name)) {
      const stat = fstatSync(fd);
      // A file that grows meanwhile is caught by the second look.
      const bytes = stat.isFile() && stat.size <= MOST_SMALL ? readFileSync(fd) : undefined;
      if (bytes === undefined || bytes.length > MOST_SMALL) {
        notes.push(`${file} is not in the backup: it is larger than 16 MB, or no ordinary file. Copy it yourself.`);
        return undefined;
      }
      const entry = { where, name, size: bytes.length };
      write(writer.add(Buffer.concat([entryHead(entry), bytes])));
      return entry;
    }
    const entry = { where, name, size: fstatSync(fd).size };
    write(writer.add(entryHead(entry)));
    const piece = Buffer.alloc(CHUNK);
    for (let at = 0; at < entry.size; ) {
      const n = readSync(fd, piece, 0, Math.min(CHUNK, entry.size - at), at);
      if (n === 0) throw new SluiceError('log-read', `the copy ${file} became shorter`);
      write(writer.add(piece.subarray(0, n)));
      at += n;
    }
    return entry;
  } finally {
    closeSync(fd);
  }
}
