/**
 * Accounts as the text of access.json: `{"v":1,"crc":…,"access":{…}}`. A text counts as a whole or not at all: one wrong bit may be a
 * role or a hash.
 */
import { crc32 } from 'node:zlib';
import {
  type Accounts,
  type Device,
  hasAdministrator,
  MOST_DEVICES,
  MOST_TOKENS,
  MOST_USERS,
  type Token,
  type User,
} from './accounts.ts';
import { filterFault, isFingerprint, isName, isRole, MOST_FILTERS, publishFault } from './names.ts';
import { isPasswordHash } from './password.ts';
import { isSha256 } from './secrets.ts';

const VERSION = 1;
/** Bytes of the file: what the most accounts need, with ordinary topics. */
export const MOST_BYTES = 1024 * 1024;

export interface Stored {
  readonly accounts: Accounts;
  /** UTC ms of the last change: the time is later than that, whatever a clock says. */
  readonly changed: number;
}
export type Parsed = ({ readonly kind: 'accounts' } & Stored) | { readonly kind: 'newer' } | { readonly kind: 'damaged' };

export function accountText({ accounts: { users, devices, tokens }, changed }: Stored): string {
  const access = { changed, users, devices, tokens };
  return `${JSON.stringify({ v: VERSION, crc: crcOf(access), access })}\n`;
}

export function parseAccounts(text: string): Parsed {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    return { kind: 'damaged' };
  }
  if (!isObject(file)) return { kind: 'damaged' };
  const { v, crc, access } = file;
  if (typeof v === 'number' && Number.isInteger(v) && v > VERSION) return { kind: 'newer' };
  if (v !== VERSION || !isObject(access) || crc !== crcOf(access)) return { kind: 'damaged' };
  const { changed } = access;
  const users = listOf(access.users, MOST_USERS, userOf);
  const devices = listOf(access.devices, MOST_DEVICES, deviceOf);
  const tokens = listOf(access.tokens, MOST_TOKENS, tokenOf);
  if (users === undefined || devices === undefined || tokens === undefined || !isTime(changed)) return { kind: 'damaged' };
  const names = [...users, ...devices, ...tokens].map(({ name }) => name);
  if (new Set(names).size < names.length) return { kind: 'damaged' };
  // Nobody writes such a file, and it would open the doors that are open until the claim.
  if (!hasAdministrator({ users, devices, tokens })) return { kind: 'damaged' };
  return { kind: 'accounts', accounts: { users, devices, tokens }, changed };
}

const crcOf = (access: object): number => crc32(JSON.stringify(access));

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

function listOf<T>(value: unknown, most: number, parse: (entry: Record<string, unknown>) => T | undefined): T[] | undefined {
  if (!Array.isArray(value) || value.length > most) return undefined;
  const entries = value.map((entry) => (isObject(entry) && isName(String(entry.name)) ? parse(entry) : undefined));
  return entries.includes(undefined) ? undefined : (entries as T[]);
}

function userOf({ name, id, role, password }: Record<string, unknown>): User | undefined {
  if (!isId(id) || !isRole(role) || !isPasswordHash(password)) return undefined;
  return { name: String(name), ...(id === undefined ? {} : { id }), role, password };
}

/** Accounts of an earlier version have none. */
const isId = (id: unknown): id is string | undefined => id === undefined || isTokenId(id);
const isTokenId = (id: unknown): id is string => typeof id === 'string' && /^[0-9a-z]{8}$/.test(id);

function deviceOf({ name, id, secret, certificate, publish, subscribe }: Record<string, unknown>): Device | undefined {
  if (!isId(id) || !isFilters(publish, publishFault) || !isFilters(subscribe, filterFault)) return undefined;
  const rest = { name: String(name), ...(id === undefined ? {} : { id }), publish, subscribe };
  if (certificate === undefined) return isSha256(secret) ? { secret, ...rest } : undefined;
  return typeof certificate === 'string' && isFingerprint(certificate) && secret === undefined
    ? { certificate, ...rest }
    : undefined;
}

function isFilters(value: unknown, fault: (filter: string) => string | undefined): value is string[] {
  return (
    Array.isArray(value) &&
    value.length <= MOST_FILTERS &&
    value.every((filter) => typeof filter === 'string' && fault(filter) === undefined)
  );
}

function tokenOf({ id, name, role, secret, expires }: Record<string, unknown>): Token | undefined {
  if (!isTokenId(id) || !isRole(role) || !isSha256(secret) || !isTime(expires)) return undefined;
  return { id, name: String(name), role, secret, expires };
}
