/**
 * Keys that sign updates, as text. A release key signs releases; a root key, which stays in a safe, may also change the keys.
 * So a stolen release key is revoked by a manifest that the thief cannot make.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';

export const ROLES = ['root', 'release'] as const;
export type Role = (typeof ROLES)[number];

const TEXT = /^sluice-update-(root|release)-1:([A-Za-z0-9_-]{43})$/;
const SECRET = /^sluice-update-secret-(root|release)-1:([A-Za-z0-9_-]{43})$/;
/** What is signed begins with these bytes: a signature for an update is one for nothing else. */
const CONTEXT = Buffer.from('sluice update 1\n', 'latin1');
/** PKCS #8 of RFC 8410: everything before the 32 bytes of a private Ed25519 key. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

export interface UpdateKey {
  /** `sluice-update-root-1:…` or `sluice-update-release-1:…` */
  readonly text: string;
  readonly role: Role;
  /** 32 hexadecimal digits. */
  readonly fingerprint: string;
  readonly verify: KeyObject;
}
export interface UpdateSecret extends UpdateKey {
  /** `sluice-update-secret-…`: whoever has it can sign. */
  readonly secret: string;
  readonly sign: KeyObject;
}

/** undefined: the text is no key. */
export function updateKey(text: string): UpdateKey | undefined {
  const [, role, x = ''] = TEXT.exec(text) ?? [];
  if (role === undefined) return undefined;
  const bytes = Buffer.from(x, 'base64url');
  // Some bits of the last letter say nothing: one key has one text.
  if (bytes.toString('base64url') !== x) return undefined;
  return {
    text,
    role: role as Role,
    fingerprint: createHash('sha256').update(bytes).digest('hex').slice(0, 32),
    verify: createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }),
  };
}

/** undefined: the text is no secret. */
export function updateSecret(text: string): UpdateSecret | undefined {
  const [, role, d = ''] = SECRET.exec(text.trim()) ?? [];
  if (role === undefined) return undefined;
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, Buffer.from(d, 'base64url')]), format: 'der', type: 'pkcs8' });
  return withSecret(role as Role, key);
}

export function makeUpdateSecret(role: Role): UpdateSecret {
  return withSecret(role, generateKeyPairSync('ed25519').privateKey);
}

function withSecret(role: Role, key: KeyObject): UpdateSecret {
  const { x = '', d = '' } = key.export({ format: 'jwk' });
  const known = updateKey(`sluice-update-${role}-1:${x}`);
  if (known === undefined) throw new Error('a key that was just made has no text');
  return { ...known, secret: `sluice-update-secret-${role}-1:${d}`, sign: key };
}

/** 64 bytes. */
export function signUpdate(manifest: Uint8Array, key: UpdateSecret): Buffer {
  return sign(null, Buffer.concat([CONTEXT, manifest]), key.sign);
}
export function isSignedBy(manifest: Uint8Array, signature: Uint8Array, key: UpdateKey): boolean {
  return signature.length === 64 && verify(null, Buffer.concat([CONTEXT, manifest]), key.verify, signature);
}
