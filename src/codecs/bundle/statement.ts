/** What a bundle says about itself, and the receipt that returns it. docs/reference/formats/bundle.md describes both. */
import { type KeyObject, sign, verify } from 'node:crypto';
import type { GatewayKey, PlatformKey, PlatformSecret } from './keys.ts';

export const MAX_STATEMENT = 131_072;
/** A statement with its marks escaped, and signatures. */
export const MAX_RECEIPT = 2 * MAX_STATEMENT;
export const MAX_BUNDLE_RANGES = 1000;
export const SIGNATURE_BYTES = 64;
const BUNDLE_CONTEXT = 'sluice bundle 1\0';
const RECEIPT_CONTEXT = 'sluice receipt 1\0';

export const BUNDLE_LANES = ['data', 'history', 'alarm', 'event'] as const;
export type BundleLane = (typeof BUNDLE_LANES)[number];

/** Every item of a log and lane from `first` to `last`. */
export interface BundleRange {
  readonly log: string;
  readonly lane: BundleLane;
  readonly first: number;
  readonly last: number;
}

export interface Statement {
  readonly v: 1;
  readonly bundle: string;
  readonly gateway: string;
  /** The fingerprint. */
  readonly platform: string;
  /** undefined: a bundle of a time range. */
  readonly forwarder?: string | undefined;
  /** UTC ms. */
  readonly made: number;
  readonly sha256: string;
  readonly records: number;
  readonly readings: number;
  readonly notices: number;
  readonly ranges: readonly BundleRange[];
}

/** A statement as it was signed. */
export interface SignedStatement {
  readonly bytes: Uint8Array;
  readonly signature: Uint8Array;
}

const ID = /^[0-9a-f]{32}$/;
const HASH = /^[0-9a-f]{64}$/;
export const isBundleId = (text: unknown): text is string => typeof text === 'string' && ID.test(text);
/** As names of gateways and forwarders are. */
export const isName = (text: unknown): text is string =>
  typeof text === 'string' && text.length <= 128 && /^[a-z0-9][a-z0-9_-]*$/.test(text);
/** Logs have ten letters, and an `s` before them after a salvage. */
export const isLog = (text: unknown): text is string => typeof text === 'string' && /^[a-z0-9]{1,32}$/.test(text);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** undefined: it is not a statement. */
export function readStatement(bytes: Uint8Array): Statement | undefined {
  const s = jsonObject(bytes);
  if (s === undefined || s.v !== 1 || !isBundleId(s.bundle) || !isName(s.gateway) || !isBundleId(s.platform)) return undefined;
  if (s.forwarder !== undefined && !isName(s.forwarder)) return undefined;
  if (typeof s.sha256 !== 'string' || !HASH.test(s.sha256)) return undefined;
  if (![s.made, s.records, s.readings, s.notices].every(isCount)) return undefined;
  if (!Array.isArray(s.ranges) || s.ranges.length > MAX_BUNDLE_RANGES || !s.ranges.every(isRange)) return undefined;
  return s as unknown as Statement;
}

function isRange(value: unknown): value is BundleRange {
  if (typeof value !== 'object' || value === null) return false;
  const { log, lane, first, last } = value as Record<string, unknown>;
  const known = (BUNDLE_LANES as readonly unknown[]).includes(lane);
  return known && isLog(log) && isCount(first) && isCount(last) && first <= last;
}

export function jsonObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

export function signStatement(statement: Statement, key: KeyObject): SignedStatement {
  const bytes = Buffer.from(JSON.stringify(statement));
  return { bytes, signature: sign(null, Buffer.concat([Buffer.from(BUNDLE_CONTEXT), bytes]), key) };
}
export function isSigned({ bytes, signature }: SignedStatement, { verify: key }: GatewayKey): boolean {
  return verify(null, Buffer.concat([Buffer.from(BUNDLE_CONTEXT), bytes]), key, signature);
}

/** @param stored UTC ms @returns the content of the file */
export function makeReceipt({ bytes, signature }: SignedStatement, stored: number, platform: PlatformSecret): string {
  const receipt = sign(null, receiptBytes(bytes, signature, stored), platform.sign).toString('base64url');
  const text = Buffer.from(bytes).toString();
  const body = { v: 1, kind: 'sluice-receipt', statement: text, signature: Buffer.from(signature).toString('base64url') };
  return `${JSON.stringify({ ...body, stored, receipt })}\n`;
}

export type ReadReceipt =
  | { readonly kind: 'receipt'; readonly statement: Statement; readonly stored: number }
  /** `why` completes "the receipt …". */
  | { readonly kind: 'refused'; readonly why: string };

/** The forwarder that a receipt names; undefined: it is none. Nothing of it is proven. */
export function receiptFor(text: string): string | undefined {
  if (text.length > MAX_RECEIPT) return undefined;
  const statement = jsonObject(Buffer.from(text))?.statement;
  return typeof statement === 'string' ? readStatement(Buffer.from(statement))?.forwarder : undefined;
}

/** @param gateway whose bundle it has to be of, with the key that signed it */
export function readReceipt(text: string, gateway: { id: string; key: GatewayKey }, platform: PlatformKey): ReadReceipt {
  const refused = (why: string): ReadReceipt => ({ kind: 'refused', why });
  if (text.length > MAX_RECEIPT) return refused('is too long');
  const found = jsonObject(Buffer.from(text));
  if (found?.kind !== 'sluice-receipt') return refused('is not a receipt of Sluice');
  if (found.v !== 1) return refused('is of a newer version');
  const signature = bytesOf(found.signature);
  const receipt = bytesOf(found.receipt);
  if (typeof found.statement !== 'string' || !isCount(found.stored) || signature === undefined || receipt === undefined)
    return refused('is damaged');
  const bytes = Buffer.from(found.statement);
  if (!verify(null, receiptBytes(bytes, signature, found.stored), platform.verify, receipt))
    return refused('is not signed by the platform that this gateway knows');
  if (!isSigned({ bytes, signature }, gateway.key)) return refused('is for a bundle that this gateway did not write');
  const statement = readStatement(bytes);
  if (statement === undefined) return refused('is damaged');
  if (statement.gateway !== gateway.id) return refused(`is for the gateway ${statement.gateway}`);
  if (statement.platform !== platform.fingerprint) return refused('is for a bundle to another platform');
  return { kind: 'receipt', statement, stored: found.stored };
}

function receiptBytes(statement: Uint8Array, signature: Uint8Array, stored: number): Buffer {
  return Buffer.concat([Buffer.from(RECEIPT_CONTEXT), signature, Buffer.from(`${stored}\0`), statement]);
}

/** A signature of 64 bytes. */
export function bytesOf(text: unknown): Buffer | undefined {
  if (typeof text !== 'string' || !/^[A-Za-z0-9_-]{86}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  // Some bits of the last letter say nothing: one signature has one text.
  return bytes.toString('base64url') === text ? bytes : undefined;
}
