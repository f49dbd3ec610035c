/**
 * Keys that sign configurations, and the bytes that they sign. The gateway pins public keys (`gateway.configure.keys`); the private
 * key is an ordinary Ed25519 key in PEM and stays with the platform.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';

const TEXT = /^sluice-configure-1:([A-Za-z0-9_-]{43})$/;
/** What is signed begins with this line: a signature for a configuration is one for nothing else. */
const CONTEXT = 'sluice configuration 1';
/** The largest version: a number that JSON, JavaScript and shells keep exactly. */
export const MOST_VERSION = 2 ** 31 - 1;

export interface ConfigureKey {
  /** `sluice-configure-1:…` */
  readonly text: string;
  /** 16 hexadecimal digits, for people and records. */
  readonly fingerprint: string;
  readonly verify: KeyObject;
}

/** What a signature speaks for. */
export interface Signed {
  /** `gateway.id`: a configuration for another gateway is refused. */
  readonly gateway: string;
  /** It only grows. */
  readonly version: number;
  /** UTC milliseconds; undefined: never. */
  readonly expires: number | undefined;
  readonly yaml: string;
}

/** undefined: the text is no key. */
export function configureKey(text: string): ConfigureKey | undefined {
  const [, x = ''] = TEXT.exec(text) ?? [];
  const bytes = Buffer.from(x, 'base64url');
  // Some bits of the last letter say nothing: one key has one text.
  if (bytes.length !== 32 || bytes.toString('base64url') !== x) return undefined;
  return {
    text,
    fingerprint: createHash('sha256').update(bytes).digest('hex').slice(0, 16),
    verify: createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }),
  };
}

/** Four lines, then the YAML as it is. None of the lines can hold a line end. */
export function signedBytes({ gateway, version, expires, yaml }: Signed): Buffer {
  return Buffer.from(`${CONTEXT}\n${gateway}\n${version}\n${expires ?? 0}\n${yaml}`, 'utf8');
}

/** The key of these that made the signature; undefined: none did. @param signature base64url or base64 */
export function signerOf(signed: Signed, signature: string, keys: readonly ConfigureKey[]): ConfigureKey | undefined {
  const bytes = Buffer.from(signature, 'base64url');
  if (bytes.length !== 64) return undefined;
  const message = signedBytes(signed);
  return keys.find((key) => verify(null, message, key.verify, bytes));
}

/** A private key in PEM, with the text of its public key. */
export function makeConfigureSecret(): { readonly pem: string; readonly key: ConfigureKey } {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' });
  return { pem: String(pem), key: publicOf(createPrivateKey(pem)) };
}

/** undefined: the PEM holds no private Ed25519 key. */
export function configureSecret(pem: string): { readonly sign: KeyObject; readonly key: ConfigureKey } | undefined {
  try {
    const key = createPrivateKey(pem);
    return key.asymmetricKeyType === 'ed25519' ? { sign: key, key: publicOf(key) } : undefined;
  } catch {
    return undefined;
  }
}

/** base64url, 86 letters. */
export function signConfiguration(signed: Signed, secret: KeyObject): string {
  return sign(null, signedBytes(signed), secret).toString('base64url');
}

function publicOf(secret: KeyObject): ConfigureKey {
  const { x = '' } = createPublicKey(secret).export({ format: 'jwk' });
  const key = configureKey(`sluice-configure-1:${x}`);
  if (key === undefined) throw new Error('a key that was just read has no text');
  return key;
}
