/**
 * Random secrets of machines, and the claim code. A secret of 128 random bits cannot be guessed, so its SHA-256 is all that is kept:
 * a fleet that comes back after a power cut costs no slow hash. Comparisons take the same time wherever texts differ.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

/** Bytes from a generator for secrets (crypto.randomBytes). */
export type RandomBytes = (count: number) => Uint8Array;

/** Crockford's base 32: no I, L, O or U, which people mistake for 1, 0 and V. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const SECRET_BYTES = 16;
const ID_BYTES = 5;
const DEVICE = 'sld_';
const TOKEN = 'slt_';
const SECRET = /^sld_[0-9a-hjkmnp-tv-z]{26}$/;
const TOKEN_TEXT = /^slt_([0-9a-hjkmnp-tv-z]{8})_[0-9a-hjkmnp-tv-z]{26}$/;
/** Bits and groups of the claim code: 60 bits, `7K3M-Q2XV-9TRD`. */
const CODE_LETTERS = 12;
const GROUP = 4;
const CODE = /^[0-9A-HJKMNP-TV-Z]{12}$/;

/** Five bits a letter, from the first byte on; zeros fill the last letter. */
export function base32(bytes: Uint8Array): string {
  let text = '';
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(held >> (bits - 5)) & 31];
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? text + ALPHABET[(held << (5 - bits)) & 31] : text;
}

/** 128 random bits as text. */
export function randomText(random: RandomBytes): string {
  return base32(random(SECRET_BYTES)).toLowerCase();
}

/** The password of a device: 30 characters, for the small fields of web forms. */
export function newDeviceSecret(random: RandomBytes): string {
  return DEVICE + randomText(random);
}
/** The id of a token or an account. */
export function newTokenId(random: RandomBytes): string {
  return base32(random(ID_BYTES)).toLowerCase();
}
export function newToken(id: string, random: RandomBytes): string {
  return `${TOKEN}${id}_${randomText(random)}`;
}
export const isDeviceSecret = (text: string): boolean => SECRET.test(text);
/** The id in the text of a token; undefined: it is none. */
export const tokenIdOf = (text: string): string | undefined => TOKEN_TEXT.exec(text)?.[1];

/** SHA-256, hex: how a secret of 128 random bits is kept. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
export const isSha256 = (text: unknown): text is string => typeof text === 'string' && /^[0-9a-f]{64}$/.test(text);

/** Whether a secret is the one of this SHA-256. */
export function isSecretOf(secret: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(sha256(secret), 'hex'), Buffer.from(hash, 'hex'));
}

export function newClaimCode(random: RandomBytes): string {
  const letters = base32(random(8)).slice(0, CODE_LETTERS);
  return letters.match(new RegExp(`.{${GROUP}}`, 'g'))?.join('-') ?? letters;
}

/** A claim code as people type it: small letters, spaces, O for 0, I and L for 1. undefined: it cannot be one. */
export function claimCodeOf(typed: string): string | undefined {
  if (typed.length > 64) return undefined;
  const letters = typed.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1');
  return CODE.test(letters) ? (letters.match(/.{4}/g) ?? []).join('-') : undefined;
}
