/** What provisioning remembers between starts: which `sluice.yaml` is in force, and where its secrets lie. */
import path from 'node:path';
import { isSection } from '../config/checker.ts';
import { type Owner, readSmall } from '../disk/durable.ts';
import type { Disk } from './disk.ts';

const MOST_RECORD = 16 * 1024;

export interface Applied {
  /** Random, for the digests: a weak password cannot be found from them by a table. */
  readonly salt: string;
  readonly full: string;
  readonly redacted: string;
  /** File of the password of the upstream, within the folder of secrets. */
  readonly passwordFile?: string | undefined;
  /** The same of the private key for the upstream. */
  readonly keyFile?: string | undefined;
  /** The card asks for Wi-Fi; absent in records of earlier versions. */
  readonly wifi?: boolean | undefined;
}

export const recordFile = (stateDir: string): string => path.join(stateDir, 'provision', 'applied.json');

export function readApplied(stateDir: string): Applied | undefined {
  try {
    const found: unknown = JSON.parse(readSmall(recordFile(stateDir), MOST_RECORD)?.toString('utf8') ?? '');
    if (!isSection(found) || found.v !== 1) return undefined;
    const { salt, full, redacted, passwordFile, keyFile, wifi } = found;
    const hex = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
    if (!hex(salt) || !hex(full) || !hex(redacted)) return undefined;
    const named = (file: unknown) => (typeof file === 'string' && SECRET_FILE.test(file) ? file : undefined);
    return { salt, full, redacted, passwordFile: named(passwordFile), keyFile: named(keyFile), wifi: wifi === true };
  } catch {
    return undefined;
  }
}

export const SECRET_FILE = /^upstream-(?:password|ca|cert|key)-[0-9a-f]{8}$/;
/** Such names in a text. */
export const SECRET_NAMES = /\bupstream-(password|ca|cert|key)-[0-9a-f]{8}\b/g;

export function writeApplied(disk: Disk, stateDir: string, owner: Owner | undefined, applied: Applied): void {
  disk.put(recordFile(stateDir), `${JSON.stringify({ v: 1, ...applied })}\n`, { mode: 0o600, owner });
}
