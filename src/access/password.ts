/**
 * How passwords of people are kept: scrypt (RFC 7914), as `scrypt$<log2 N>$<r>$<p>$<salt>$<hash>`.
 *
 * N = 2^15, r = 8, p = 3 is one of the settings of equal strength that the OWASP Password Storage Cheat Sheet lists, and the one for
 * little memory: 32 MB while a hash runs, on a board of 512 MB where systemd allows the gateway 256. N = 2^17 would take 128 MB.
 * A hash takes 0.2 to 0.4 s on a desk and about a second on a Pi Zero 2, in one thread of the pool; slow-hash.ts lets one run at a
 * time.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { normalPassword } from './names.ts';

const LOG_N = 15;
const R = 8;
const P = 3;
const SALT = 16;
const LENGTH = 32;
/** Bytes that a hash may take: 128 N r, and some room. */
const MOST_MEMORY = 64 * 1024 * 1024;
const FORM = /^scrypt\$(1[0-5])\$8\$([1-4])\$([A-Za-z0-9_-]{22})\$([A-Za-z0-9_-]{43})$/;

/** Whether it is a hash that this version checks. Its costs are bounded: a file must not choose how much memory a log-in takes. */
export const isPasswordHash = (text: unknown): text is string => typeof text === 'string' && FORM.test(text);

/** Cheaper hashes, for tests that make many. */
export interface Cost {
  readonly logN: number;
  readonly p: number;
}
export const COST: Cost = { logN: LOG_N, p: P };

export async function hashPassword(password: string, { logN, p }: Cost = COST): Promise<string> {
  const salt = randomBytes(SALT);
  const hash = await derive(password, salt, logN, p);
  return `scrypt$${logN}$${R}$${p}$${salt.toString('base64url')}$${hash.toString('base64url')}`;
}

/** @param hash what `isPasswordHash` holds for */
export async function isPasswordOf(password: string, hash: string): Promise<boolean> {
  const [, logN = '', p = '', salt = '', expected = ''] = FORM.exec(hash) ?? [];
  const found = await derive(password, Buffer.from(salt, 'base64url'), Number(logN), Number(p));
  return timingSafeEqual(found, Buffer.from(expected, 'base64url'));
}

/** The hash of a password that nobody has: what is checked for a name that is not there, so that it takes as long. */
export function nobodysHash({ logN, p }: Cost = COST): string {
  return `scrypt$${logN}$${R}$${p}$${randomBytes(SALT).toString('base64url')}$${randomBytes(LENGTH).toString('base64url')}`;
}

function derive(password: string, salt: Uint8Array, logN: number, p: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(normalPassword(password), salt, LENGTH, { N: 2 ** logN, r: R, p, maxmem: MOST_MEMORY }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
