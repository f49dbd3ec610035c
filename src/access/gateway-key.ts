/**
 * The Ed25519 key of this gateway, which signs its bundles. It is made once, in the state directory, for its owner alone. A file that
 * cannot be used is never replaced: platforms know this gateway by it.
 */
import path from 'node:path';
import { type GatewaySecret, gatewaySecretText, makeGatewaySecret, readGatewaySecret } from '../codecs/bundle/keys.ts';
import { SluiceError } from '../core/errors.ts';
import { readOwn, unwrittenWords, writeOwn } from './state-file.ts';

export const GATEWAY_KEY_FILE = 'gateway.key';
/** A key has about 100 bytes. */
export const MAX_KEY_FILE = 4096;

/** @throws SluiceError access-locked, access-write */
async function loadOrMake(file: string): Promise<GatewaySecret> {
  const found = await readOwn(file, MAX_KEY_FILE);
  if (found.kind === 'none') {
    const made = makeGatewaySecret();
    try {
      await writeOwn(file, gatewaySecretText(made));
    } catch (cause) {
      throw new SluiceError('access-write', `the key of the gateway cannot be written: ${unwrittenWords(cause)}`, { cause });
    }
    return made;
  }
  if (found.kind === 'unusable') throw unusable(file, found.why);
  if (found.readableByOthers) throw unusable(file, 'could be read by other users');
  const key = readGatewaySecret(found.text);
  if (key === undefined) throw unusable(file, 'is damaged');
  return key;
}

export function unusable(file: string, why: string): SluiceError {
  return new SluiceError(
    'access-locked',
    `the key of the gateway is not used: ${file} ${why}. Put it back from a backup (mode 0600); or move it away, and let the platform trust the new key that the gateway then makes`,
  );
}

/** Loaded when it is first asked for. */
export class GatewayKeyFile {
  readonly #file: string;
  #key: Promise<GatewaySecret> | undefined;

  constructor(stateDir: string) {
    this.#file = path.join(stateDir, GATEWAY_KEY_FILE);
  }

  /** Rejects with `access-locked` or `access-write`; the next call tries again. */
  get(): Promise<GatewaySecret> {
    this.#key ??= loadOrMake(this.#file).catch((thrown: unknown) => {
      this.#key = undefined;
      throw thrown;
    });
    return this.#key;
  }
}
