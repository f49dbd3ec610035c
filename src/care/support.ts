/**
 * The support bundle: what somebody who helps from far away needs, without secrets and places. Every text passes the redactor last,
 * whatever it is. A part that cannot be had is left out, and the list says why.
 */
import { readFileSync, statSync } from 'node:fs';
import { arch, release, totalmem } from 'node:os';
import path from 'node:path';
import { toError } from '../core/errors.ts';
import { jsonOf } from './json-of.ts';
import { Redactor, wordsIn } from './redact.ts';
import { type TarFile, tarGz } from './tar.ts';

/** Bytes of one part; a longer one loses its begin. */
const MOST_PART = 2 * 1024 * 1024;
/** Files whose content is secret, in the state folder. */
const SECRET_FILES = [
  'access.json',
  'access.json.copy',
  'claim',
  'admin.key',
  'gateway.key',
  'node-red.secret',
  'log-ins.json',
  'tls/own.pem',
];
const MOST_SECRET_FILE = 1024 * 1024;

export interface Part {
  /** Its name in the bundle. */
  readonly name: string;
  /** What is in it, for the list. */
  readonly about: string;
  /** A text, or plain data. */
  readonly make: () => Promise<unknown>;
}

export interface SupportOptions {
  readonly gateway: string;
  /** Names for people: they are places more often than not. */
  readonly titles: readonly string[];
  readonly stateDir: string;
  /** The configuration as plain data, and as it was loaded with its secrets. */
  readonly configs: readonly unknown[];
  /** Contents of files with secrets. */
  readonly secrets: readonly string[];
  readonly parts: readonly Part[];
  /** UTC milliseconds. */
  readonly made: number;
}

export async function makeSupport(
  options: SupportOptions,
): Promise<{ bytes: Buffer; files: readonly { name: string; size: number }[] }> {
  const { gateway, stateDir, parts, made, configs } = options;
  const found = configs.map(wordsIn);
  const redactor = new Redactor(
    [...found.flatMap(({ secrets }) => secrets), ...options.secrets, ...stateSecrets(stateDir)],
    [...found.flatMap(({ places }) => places), ...options.titles],
  );
  const files: TarFile[] = [];
  const list: string[] = [];
  for (const { name, about, make } of parts) {
    try {
      const bytes = bounded(textOf(redactor, await make()));
      files.push({ name: `sluice-support/${name}`, bytes });
      list.push(`${name}: ${about}`);
    } catch (thrown) {
      list.push(redactor.text(`${name}: left out: ${toError(thrown).message}`));
    }
  }
  const head = [
    `Support bundle of the gateway ${gateway}, made ${new Date(made).toISOString()}.`,
    'Passwords, keys, tokens, names of places and coordinates were taken out.',
    '',
    ...list,
  ];
  const all = [{ name: 'sluice-support/CONTENTS.txt', bytes: Buffer.from(`${head.join('\n')}\n`) }, ...files];
  return {
    bytes: tarGz(all, Math.floor(made / 1000)),
    files: all.map(({ name, bytes }) => ({ name, size: bytes.length })),
  };
}

function textOf(redactor: Redactor, value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(redactor.data(value), null, 1);
  return redactor.text(text);
}

function bounded(text: string): Buffer {
  const bytes = Buffer.from(text);
  return bytes.length <= MOST_PART
    ? bytes
    : Buffer.concat([Buffer.from('… the begin was left out …\n'), bytes.subarray(bytes.length - MOST_PART)]);
}

/** Every word in the files of keys and accounts: hashes too. */
function stateSecrets(stateDir: string): string[] {
  return SECRET_FILES.flatMap((name) => {
    const file = path.join(stateDir, name);
    try {
      if (statSync(file).size > MOST_SECRET_FILE) return [];
      const text = readFileSync(file, 'utf8');
      const data = jsonOf(text);
      return data === undefined
        ? text.split('\n').filter((line) => line.length > 8 && !line.startsWith('-----'))
        : leaves(data).filter((word) => word.length >= 16);
    } catch {
      return [];
    }
  });
}

function leaves(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(leaves) : [];
}

/** The machine and the program. */
export function versions(version: string): object {
  const read = (file: string): string | undefined => {
    try {
      return readFileSync(file, 'latin1').replaceAll('\0', '').trim();
    } catch {
      return undefined;
    }
  };
  return {
    ...{ sluice: version, node: process.version, arch: arch(), kernel: release(), memory: totalmem() },
    board: read('/proc/device-tree/model') ?? read('/sys/class/dmi/id/product_name'),
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(read('/etc/os-release') ?? '')?.[1],
  };
}
