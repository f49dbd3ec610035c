import { statSync } from 'node:fs';
import path from 'node:path';
import { SluiceError } from '../core/errors.ts';
import { SecretText } from '../core/secret.ts';
import type { Place } from './checker.ts';
import type { Fault, Path } from './fault.ts';
import { FileName, SecretSource } from './schema-parts.ts';
import { readSmallFile } from './small-file.ts';

/** A certificate chain is the largest thing that is a secret. */
const MAX_SECRET_BYTES = 64 * 1024;

/** A file or variable that a forwarder names. */
export interface SecretReference {
  readonly forwarder: string;
  /** `password`, `tls.ca` */
  readonly at: string;
  /** `file /etc/x`, `env X` */
  readonly from: string;
}

export interface SecretOptions {
  /** Relative file names start here. */
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** The configuration, in which a secret may stand itself. */
  readonly file: string;
  /** false: nothing is read, every secret is empty (for checking on another machine). */
  readonly read: boolean;
  /** What is not there is a warning, and is looked for again when it is needed. */
  readonly later: boolean;
  /** Gets each file and variable that is named, and where: `file /etc/x`, `env X`. */
  readonly named?: ((from: string, at: Path) => void) | undefined;
}

/** Replaces what stands for a secret, at any depth, by the secret; faults say where it was looked for, never what was found. */
export function resolveSecrets(
  value: unknown,
  place: Place,
  options: SecretOptions,
  report: { fault: (fault: Fault) => void; warn: (fault: Fault) => void },
  at: Path = [],
): unknown {
  if (value instanceof SecretSource) {
    options.named?.(value.from === 'file' ? `file ${path.resolve(options.folder, value.name)}` : `env ${value.name}`, at);
    const read = options.read ? readSecret(value, options) : { text: '' };
    if ('wrong' in read && options.later) {
      report.warn(place.fault([...at, value.from], read.wrong));
      return new SecretText('', () => freshText(value, options));
    }
    if ('wrong' in read) {
      report.fault(place.fault([...at, value.from], read.wrong));
      return new SecretText('');
    }
    if (read.open)
      report.warn(place.fault([...at, value.from], `every user of this machine can read ${value.name}; run chmod o-rwx on it`));
    return value.from === 'file' ? new SecretText(read.text, () => freshText(value, options)) : new SecretText(read.text);
  }
  if (value instanceof FileName) {
    const file = path.resolve(options.folder, value.name);
    options.named?.(`file ${file}`, at);
    if (options.read && !isFile(file))
      report.warn(
        place.fault(at, `there is no file ${file}, or this user may not look there; the gateway reads it when it connects`),
      );
    return file;
  }
  if (value instanceof SecretText) {
    if (openToAll(options.file))
      report.warn(
        place.fault(
          at,
          `every user of this machine can read ${options.file}, and it contains a secret; run chmod o-rwx ${options.file}, or write {file: …} and keep the secret in another file`,
        ),
      );
    return value;
  }
  if (Array.isArray(value)) return value.map((item, i) => resolveSecrets(item, place, options, report, [...at, i]));
  if (typeof value === 'object' && value !== null && isPlain(value))
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, resolveSecrets(item, place, options, report, [...at, key])]),
    );
  return value;
}

/** Whether the configuration can be read by users who are neither its owner nor of its group. A text without a file is nobody's. */
function openToAll(file: string): boolean {
  try {
    return (statSync(file).mode & 0o004) !== 0;
  } catch {
    return false;
  }
}

function isFile(file: string): boolean {
  try {
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function freshText(source: SecretSource, options: SecretOptions): string {
  const read = readSecret(source, options);
  if ('wrong' in read) throw new SluiceError('config-invalid', read.wrong);
  return read.text;
}

function readSecret(source: SecretSource, options: SecretOptions): { text: string; open?: boolean } | { wrong: string } {
  if (source.from === 'env') {
    const text = options.env[source.name];
    if (text === undefined || text === '')
      return { wrong: `the environment has no variable ${source.name}; set it where the gateway is started` };
    return { text };
  }
  const file = path.resolve(options.folder, source.name);
  try {
    const read = readSmallFile(file, MAX_SECRET_BYTES);
    if (read.kind === 'large') return { wrong: `${file} is larger than 64 kB; is this the right file?` };
    if (read.kind !== 'file') return { wrong: `${file} is not a file; name the file that holds the secret` };
    // The decoder takes off the mark that editors of Windows put in front: it is no letter of a password.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(read.bytes).replace(/\r?\n$/, '');
    if (text === '') return { wrong: `${file} is empty; write the secret into it` };
    return { text, open: (read.mode & 0o007) !== 0 };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    if (code === 'ENOENT') return { wrong: `there is no file ${file}; write the secret into it (chmod 600)` };
    if (code === 'EACCES') return { wrong: `this user may not read ${file}; check its owner and mode (ls -l)` };
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return { wrong: `${file} is not UTF-8 text; save it as UTF-8` };
    return { wrong: `${file} cannot be read (${code})` };
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
