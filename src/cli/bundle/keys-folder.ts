/**
 * The folder of a platform: its private key, the gateways that it knows, and what it has played to brokers.
 *
 *   platform.key         private keys, for the owner alone
 *   gateways/ID.key      the public key of each known gateway: one line
 *   played/NAME.json     what went to a broker (played.ts)
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import path from 'node:path';
import {
  type GatewayKey,
  gatewayKey,
  grouped,
  makePlatformSecret,
  type PlatformSecret,
  platformSecretText,
  readPlatformSecret,
} from '../../codecs/bundle/keys.ts';
import { isName } from '../../codecs/bundle/statement.ts';
import { SluiceError } from '../../core/errors.ts';
import { codeOf, readSmall, WholeFile } from './bundle-file.ts';

const KEY = 'platform.key';
const GATEWAYS = 'gateways';
const MAX_KEY = 4096;

export class KeysFolder {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** @throws SluiceError exists */
  make(): PlatformSecret {
    if (existsSync(path.join(this.folder, KEY)))
      throw new SluiceError('exists', `${this.folder} has a ${KEY} already; nothing was changed`);
    const isNew = mkdirSync(this.folder, { recursive: true, mode: 0o700 }) !== undefined;
    if (!ownersAlone(this.folder)) {
      if (isNew) rmdirSync(this.folder);
      throw new SluiceError(
        'usage',
        `the file system of ${this.folder} keeps no modes, as FAT of a stick, so everybody could read the private key there; nothing was written. Name a folder on a disk of this computer`,
      );
    }
    const secret = makePlatformSecret();
    write(this.folder, KEY, platformSecretText(secret), 0o600);
    return secret;
  }

  /** @throws SluiceError not-found, usage */
  secret(): PlatformSecret {
    const file = path.join(this.folder, KEY);
    if (!existsSync(file))
      throw new SluiceError(
        'not-found',
        `there is no ${file}. Name the folder of the platform with --keys DIR, or make one: sluice platform init DIR`,
      );
    if ((statSync(file).mode & 0o077) !== 0)
      throw new SluiceError(
        'forbidden',
        `${file} can be read by other users: chmod 600 ${file}, and make new keys if somebody has read it. On a stick with FAT this has no effect: move the folder to a disk of this computer`,
      );
    const secret = readPlatformSecret(readSmall(file, MAX_KEY));
    if (secret === undefined) throw new SluiceError('usage', `${file} is damaged: put it back from a backup`);
    return secret;
  }

  /** undefined: the gateway is not known. @throws SluiceError usage: its file is damaged */
  gateway(id: string): GatewayKey | undefined {
    const file = this.#fileOf(id);
    if (!existsSync(file)) return undefined;
    const key = gatewayKey(readSmall(file, MAX_KEY).trim());
    if (key === undefined) throw new SluiceError('usage', `${file} is damaged: it has to hold one line, sluice-gateway-1:…`);
    return key;
  }

  /** @throws SluiceError exists: another key is known under this id */
  trust(id: string, key: GatewayKey, replace: boolean): void {
    const known = this.gateway(id);
    if (known !== undefined && known.text !== key.text && !replace)
      throw new SluiceError(
        'exists',
        `the gateway ${id} is known with another key, fingerprint ${grouped(known.fingerprint)}. If it has a new key, write --replace`,
      );
    const folder = path.join(this.folder, GATEWAYS);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    write(folder, `${id}.key`, `${key.text}\n`, 0o644);
  }

  /** Ids of known gateways. */
  get gateways(): string[] {
    const folder = path.join(this.folder, GATEWAYS);
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((name) => name.endsWith('.key') && isName(name.slice(0, -4)))
      .map((name) => name.slice(0, -4))
      .sort();
  }

  #fileOf(id: string): string {
    if (!isName(id)) throw new SluiceError('usage', `"${id}" is not the id of a gateway`);
    return path.join(this.folder, GATEWAYS, `${id}.key`);
  }
}

/** Whether only the owner of a folder may look into it from now on. FAT takes the mode and drops it, or refuses it. */
function ownersAlone(folder: string): boolean {
  try {
    chmodSync(folder, 0o700);
  } catch (thrown) {
    // The folder of somebody else is another fault.
    if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EINVAL'].includes(String(codeOf(thrown)))) throw thrown;
  }
  return (statSync(folder).mode & 0o077) === 0;
}

function write(folder: string, name: string, text: string, mode: number): void {
  const file = new WholeFile(folder, mode);
  try {
    file.write(Buffer.from(text));
    file.finish(name);
  } finally {
    file.abandon();
  }
}
