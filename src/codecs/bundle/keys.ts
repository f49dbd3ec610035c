/** Keys of bundles as text and as objects. docs/reference/formats/bundle.md describes them. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';

const GATEWAY = 'sluice-gateway-1:';
const PLATFORM = 'sluice-platform-1:';
const GATEWAY_TEXT = /^sluice-gateway-1:[A-Za-z0-9_-]{43}$/;
const PLATFORM_TEXT = /^sluice-platform-1:[A-Za-z0-9_-]{86}$/;
/** PKCS #8 of RFC 8410: everything before the 32 bytes of the private key. */
const PKCS8 = { ed25519: '302e020100300506032b657004220420', x25519: '302e020100300506032b656e04220420' } as const;
type Curve = keyof typeof PKCS8;
const CURVE_NAMES: Readonly<Record<Curve, string>> = { ed25519: 'Ed25519', x25519: 'X25519' };

/** The public key of a gateway. */
export interface GatewayKey {
  /** `sluice-gateway-1:…` */
  readonly text: string;
  readonly fingerprint: string;
  /** Ed25519. */
  readonly verify: KeyObject;
}
/** The public keys of a platform. */
export interface PlatformKey {
  /** `sluice-platform-1:…` */
  readonly text: string;
  readonly fingerprint: string;
  /** X25519. */
  readonly seal: KeyObject;
  /** Ed25519. */
  readonly verify: KeyObject;
}
/** A private Ed25519 key of a gateway. */
export interface GatewaySecret extends GatewayKey {
  readonly sign: KeyObject;
}
export interface PlatformSecret extends PlatformKey {
  readonly sign: KeyObject;
  /** X25519. */
  readonly open: KeyObject;
}

/** 32 hexadecimal digits. */
function fingerprintOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}
/** In groups of four, for people. */
export function grouped(fingerprint: string): string {
  return fingerprint.replace(/(.{4})(?=.)/g, '$1 ');
}

/** @param bytes 32 */
export function publicKey(curve: Curve, bytes: Uint8Array): KeyObject {
  const x = Buffer.from(bytes).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: CURVE_NAMES[curve], x }, format: 'jwk' });
}
/** @param bytes 32 */
function privateKey(curve: Curve, bytes: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([Buffer.from(PKCS8[curve], 'hex'), bytes]), format: 'der', type: 'pkcs8' });
}
/** The 32 bytes of a public key. */
export function publicBytes(key: KeyObject): Buffer {
  const { x = '' } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' });
  return Buffer.from(x, 'base64url');
}
function privateBytes(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url');
}

/** undefined: the text is no key of a gateway. */
export function gatewayKey(text: string): GatewayKey | undefined {
  if (!GATEWAY_TEXT.test(text)) return undefined;
  const bytes = Buffer.from(text.slice(GATEWAY.length), 'base64url');
  // Some bits of the last letter say nothing: one key has one text.
  if (GATEWAY + bytes.toString('base64url') !== text) return undefined;
  return { text, fingerprint: fingerprintOf(bytes), verify: publicKey('ed25519', bytes) };
}
/** undefined: the text is no key of a platform. */
export function platformKey(text: string): PlatformKey | undefined {
  if (!PLATFORM_TEXT.test(text)) return undefined;
  const bytes = Buffer.from(text.slice(PLATFORM.length), 'base64url');
  if (PLATFORM + bytes.toString('base64url') !== text) return undefined;
  return {
    ...{ text, fingerprint: fingerprintOf(bytes) },
    ...{ seal: publicKey('x25519', bytes.subarray(0, 32)), verify: publicKey('ed25519', bytes.subarray(32)) },
  };
}

function gatewaySecretOf(sign: KeyObject): GatewaySecret {
  const bytes = publicBytes(sign);
  return {
    ...{ text: GATEWAY + bytes.toString('base64url'), fingerprint: fingerprintOf(bytes) },
    ...{ verify: createPublicKey(sign), sign },
  };
}
function platformSecretOf(open: KeyObject, sign: KeyObject): PlatformSecret {
  const bytes = Buffer.concat([publicBytes(open), publicBytes(sign)]);
  return {
    ...{ text: PLATFORM + bytes.toString('base64url'), fingerprint: fingerprintOf(bytes) },
    ...{ seal: createPublicKey(open), verify: createPublicKey(sign), open, sign },
  };
}

export function makeGatewaySecret(): GatewaySecret {
  return gatewaySecretOf(generateKeyPairSync('ed25519').privateKey);
}
export function makePlatformSecret(): PlatformSecret {
  return platformSecretOf(generateKeyPairSync('x25519').privateKey, generateKeyPairSync('ed25519').privateKey);
}

/** The content of `gateway.key`. */
export function gatewaySecretText({ sign }: GatewaySecret): string {
  return `${JSON.stringify({ v: 1, kind: 'sluice-gateway-key', ed25519: privateBytes(sign).toString('base64url') })}\n`;
}
/** undefined: the text is none. */
export function readGatewaySecret(text: string): GatewaySecret | undefined {
  const keys = secretsIn(text, 'sluice-gateway-key', ['ed25519']);
  return keys === undefined ? undefined : gatewaySecretOf(keys.ed25519);
}
/** The content of `platform.key`. */
export function platformSecretText({ open, sign }: PlatformSecret): string {
  const [x25519, ed25519] = [open, sign].map((key) => privateBytes(key).toString('base64url'));
  return `${JSON.stringify({ v: 1, kind: 'sluice-platform-key', x25519, ed25519 })}\n`;
}
/** undefined: the text is none. */
export function readPlatformSecret(text: string): PlatformSecret | undefined {
  const keys = secretsIn(text, 'sluice-platform-key', ['x25519', 'ed25519']);
  return keys === undefined ? undefined : platformSecretOf(keys.x25519, keys.ed25519);
}

function secretsIn<C extends Curve>(text: string, kind: string, curves: readonly C[]): Record<C, KeyObject> | undefined {
  try {
    const found = JSON.parse(text) as Record<string, unknown>;
    if (found.v !== 1 || found.kind !== kind) return undefined;
    const keys: Partial<Record<C, KeyObject>> = {};
    for (const curve of curves) {
      const bytes = Buffer.from(String(found[curve]), 'base64url');
      if (bytes.length !== 32) return undefined;
      keys[curve] = privateKey(curve, bytes);
    }
    return keys as Record<C, KeyObject>;
  } catch {
    return undefined;
  }
}
