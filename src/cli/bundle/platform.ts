/** `sluice platform`: the keys of a platform, the gateways that it knows, its sticks. */
import { randomBytes } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { gatewayKey, grouped, type PlatformKey } from '../../codecs/bundle/keys.ts';
import { makeStickToken, STICK_FILE } from '../../codecs/bundle/stick.ts';
import { SluiceError } from '../../core/errors.ts';
import { isFolder, WholeFile } from './bundle-file.ts';
import { driveOf } from './drive.ts';
import { KeysFolder } from './keys-folder.ts';

export interface KeysOptions {
  readonly keys: string;
  readonly json?: boolean;
}

export async function platformInit(folder: string): Promise<void> {
  const secret = new KeysFolder(folder).make();
  process.stdout.write(`${secret.text}\n`);
  process.stderr.write(
    `${folder}/platform.key is the private key: keep a copy in a safe place, and give it to nobody.\nThe line above is the public key. Write it into the configuration of each gateway:\n\nforwarders:\n  carrier:\n    type: bundle\n    platform: ${secret.text}\n`,
  );
}

export async function platformShow({ keys, json }: KeysOptions): Promise<void> {
  const folder = new KeysFolder(keys);
  const secret = folder.secret();
  const gateways = folder.gateways.map((id) => ({ id, key: folder.gateway(id) }));
  if (json === true) {
    const known = gateways.map(({ id, key }) => ({ id, key: key?.text, fingerprint: key && grouped(key.fingerprint) }));
    process.stdout.write(
      `${JSON.stringify({ platform: secret.text, fingerprint: grouped(secret.fingerprint), gateways: known })}\n`,
    );
    return;
  }
  process.stdout.write(`${secret.text}\n`);
  process.stderr.write(`fingerprint ${fingerprintWords(secret)}\n`);
  for (const { id, key } of gateways) process.stderr.write(`gateway ${id}, fingerprint ${key && grouped(key.fingerprint)}\n`);
}
const fingerprintWords = ({ fingerprint }: PlatformKey): string => grouped(fingerprint);

export async function platformTrust(
  id: string,
  text: string,
  options: KeysOptions & { readonly replace?: boolean },
): Promise<void> {
  const key = gatewayKey(text);
  if (key === undefined)
    throw new SluiceError('usage', `"${text}" is not the key of a gateway: "sluice gateway-key" prints it, sluice-gateway-1:…`);
  const folder = new KeysFolder(options.keys);
  folder.secret();
  folder.trust(id, key, options.replace === true);
  process.stderr.write(`Bundles of ${id} are taken from now on. Fingerprint ${grouped(key.fingerprint)}\n`);
}

export async function platformStick(folder: string, { keys }: KeysOptions): Promise<void> {
  if (!isFolder(folder)) throw new SluiceError('usage', `there is no folder ${folder}: mount the stick first`);
  const secret = new KeysFolder(keys).secret();
  const { top, id } = driveOf(folder);
  if (realpathSync(folder) !== top)
    throw new SluiceError(
      'usage',
      `no stick is mounted at ${folder}: it lies on the file system of ${top}. Mount the stick first`,
    );
  const file = new WholeFile(top);
  try {
    file.write(Buffer.from(makeStickToken(secret, id ?? randomBytes(16).toString('hex'), Date.now())));
    process.stdout.write(`${file.finish(STICK_FILE)}\n`);
  } finally {
    file.abandon();
  }
  const where =
    id === undefined
      ? 'Its file system has no id, so a copy of the token is valid on other sticks.'
      : `It is valid on the file system ${id} only.`;
  process.stderr.write(`Gateways of this platform write bundles to this stick. ${where}\n`);
}
