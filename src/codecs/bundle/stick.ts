/** The token of a stick: it says that the stick belongs to a platform. docs/reference/formats/bundle.md describes it. */
import { sign, verify } from 'node:crypto';
import type { PlatformKey, PlatformSecret } from './keys.ts';
import { bytesOf, jsonObject } from './statement.ts';

export const STICK_FILE = 'sluice-stick.json';
export const MAX_TOKEN = 4096;
const CONTEXT = 'sluice stick 1\0';
/** Ids of file systems: `1A2B-3C4D`, UUIDs, long hexadecimal numbers. */
const STICK_ID = /^[0-9A-Za-z-]{1,64}$/;

const signed = (platform: string, stick: string, made: number): Buffer => Buffer.from(`${CONTEXT}${platform}\0${stick}\0${made}`);

/** @param stick the id of its file system, or 32 random digits @param made UTC ms */
export function makeStickToken(platform: PlatformSecret, stick: string, made: number): string {
  const signature = sign(null, signed(platform.fingerprint, stick, made), platform.sign).toString('base64url');
  return `${JSON.stringify({ v: 1, kind: 'sluice-stick', platform: platform.fingerprint, stick, made, signature })}\n`;
}

/**
 * Why a token does not hold for a stick; undefined: it holds. The text completes "the stick …".
 * @param id of the file system of the stick; undefined: it has none
 */
export function stickFault(text: string, id: string | undefined, platform: PlatformKey): string | undefined {
  const token = text.length > MAX_TOKEN ? undefined : jsonObject(Buffer.from(text));
  const { stick, made } = token ?? {};
  const signature = bytesOf(token?.signature);
  if (token?.kind !== 'sluice-stick' || token.v !== 1 || signature === undefined) return `has a damaged ${STICK_FILE}`;
  if (typeof stick !== 'string' || !STICK_ID.test(stick) || !Number.isSafeInteger(made)) return `has a damaged ${STICK_FILE}`;
  if (token.platform !== platform.fingerprint) return 'belongs to another platform';
  if (!verify(null, signed(platform.fingerprint, stick, made as number), platform.verify, signature))
    return 'has a token that the platform did not sign';
  const random = /^[0-9a-f]{32}$/.test(stick);
  if (id === undefined ? !random : stick !== id) return 'has a token that was made for another stick';
  return undefined;
}
