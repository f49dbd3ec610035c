/**
 * Accounts as values: every change makes new ones, and nothing here touches a file or a hash function. Rules:
 * - a name stands for one account, whatever its kind;
 * - as long as there are accounts, one of them is an administrator: the first account is one, and the last one stays.
 */
import type { Role } from '../core/commands.ts';
import { SluiceError } from '../core/errors.ts';
import { checkFilters, checkName, checkRole } from './names.ts';

export const MOST_USERS = 64;
export const MOST_DEVICES = 1000;
export const MOST_TOKENS = 256;
/** Milliseconds that a token lasts. */
export const SHORTEST_TOKEN = 60_000;
export const LONGEST_TOKEN = 3650 * 86_400_000;

export interface User {
  readonly name: string;
  /** Random: an account that is made again under the same name is another one. Absent: made by an earlier version. */
  readonly id?: string | undefined;
  readonly role: Role;
  /** See password.ts. */
  readonly password: string;
}
export interface Device {
  readonly name: string;
  /** Has the meaning of `User.id`. */
  readonly id?: string | undefined;
  /** SHA-256 of its password, or of its certificate. */
  readonly secret?: string | undefined;
  readonly certificate?: string | undefined;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}
export interface Token {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of its text. */
  readonly secret: string;
  /** UTC milliseconds. */
  readonly expires: number;
}
export interface Accounts {
  readonly users: readonly User[];
  readonly devices: readonly Device[];
  readonly tokens: readonly Token[];
}

export const NO_ACCOUNTS: Accounts = { users: [], devices: [], tokens: [] };

export function hasAdministrator({ users }: Accounts): boolean {
  return users.some(({ role }) => role === 'administrator');
}

/** @throws SluiceError exists, request-invalid */
export function withUser(accounts: Accounts, user: User): Accounts {
  checkRole(user.role);
  checkNewName(accounts, user.name);
  if (user.role !== 'administrator') checkClaimed(accounts);
  checkCount(accounts.users, MOST_USERS, 'users');
  return { ...accounts, users: [...accounts.users, user] };
}

/** @throws SluiceError exists, request-invalid */
export function withDevice(accounts: Accounts, device: Device): Accounts {
  checkNewName(accounts, device.name);
  checkClaimed(accounts);
  checkFilters(device.publish, 'publish');
  checkFilters(device.subscribe, 'subscribe');
  checkCount(accounts.devices, MOST_DEVICES, 'devices');
  const { certificate } = device;
  if (certificate !== undefined && accounts.devices.some((d) => d.certificate === certificate))
    throw new SluiceError('exists', 'another device has this certificate already: each has one of its own');
  return { ...accounts, devices: [...accounts.devices, device] };
}

/** @throws SluiceError exists, request-invalid */
export function withToken(accounts: Accounts, token: Token): Accounts {
  checkRole(token.role);
  checkNewName(accounts, token.name);
  checkClaimed(accounts);
  checkCount(accounts.tokens, MOST_TOKENS, 'tokens');
  if (accounts.tokens.some(({ id }) => id === token.id)) throw new SluiceError('exists', 'this token id is taken; try again');
  return { ...accounts, tokens: [...accounts.tokens, token] };
}

/** @throws SluiceError not-found, request-invalid: there would be no administrator left */
export function withRole(accounts: Accounts, name: string, role: Role): Accounts {
  checkRole(role);
  userOf(accounts, name);
  return keepsAdministrator({ ...accounts, users: accounts.users.map((u) => (u.name === name ? { ...u, role } : u)) });
}

/** @throws SluiceError not-found */
export function withPassword(accounts: Accounts, name: string, password: string): Accounts {
  userOf(accounts, name);
  return { ...accounts, users: accounts.users.map((u) => (u.name === name ? { ...u, password } : u)) };
}

/** @throws SluiceError not-found; request-invalid: the device has a certificate */
export function withSecret(accounts: Accounts, name: string, secret: string): Accounts {
  const device = accounts.devices.find((d) => d.name === name);
  if (device === undefined) throw noSuch('device');
  if (device.certificate !== undefined)
    throw new SluiceError('request-invalid', 'this device logs in with a certificate: remove it, and add it with a new one');
  return { ...accounts, devices: accounts.devices.map((d) => (d === device ? { ...d, secret } : d)) };
}

/** Without a user or a device. @throws SluiceError not-found; request-invalid: there would be no administrator left */
export function withoutUser(accounts: Accounts, name: string): Accounts {
  const { users, devices } = accounts;
  if (devices.some((d) => d.name === name)) return { ...accounts, devices: devices.filter((d) => d.name !== name) };
  userOf(accounts, name);
  return keepsAdministrator({ ...accounts, users: users.filter((u) => u.name !== name) });
}

/** @param name of the token, or its id. @throws SluiceError not-found */
export function tokenOf({ tokens }: Accounts, name: string): Token {
  const token = tokens.find((t) => t.id === name) ?? tokens.find((t) => t.name === name);
  if (token === undefined) throw noSuch('token');
  return token;
}

/** @throws SluiceError not-found */
export function withoutToken(accounts: Accounts, name: string): Accounts {
  const token = tokenOf(accounts, name);
  return { ...accounts, tokens: accounts.tokens.filter((t) => t !== token) };
}

/** Whose connections and sessions end with a change: owners whose account is gone, or has another secret, role or topics. */
export function revokedBy(before: Accounts, after: Accounts): string[] {
  const same = (a: object | undefined, b: object): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);
  const gone = <T extends object>(old: readonly T[], now: readonly T[], key: (entry: T) => string): string[] => {
    const left = new Map(now.map((entry) => [key(entry), entry]));
    return old.filter((entry) => !same(left.get(key(entry)), entry)).map(key);
  };
  return [
    ...gone(before.users, after.users, ({ name }) => `user:${name}`),
    ...gone(before.devices, after.devices, ({ name }) => `device:${name}`),
    ...gone(before.tokens, after.tokens, ({ id }) => `token:${id}`),
  ];
}

function userOf({ users, devices }: Accounts, name: string): User {
  const user = users.find((u) => u.name === name);
  if (user !== undefined) return user;
  if (devices.some((d) => d.name === name))
    throw new SluiceError('request-invalid', 'a device has no role and no password of its own choice: only a person has');
  throw noSuch('user');
}

function checkNewName({ users, devices, tokens }: Accounts, name: string): void {
  checkName(name);
  const kinds = [
    ['user', users],
    ['device', devices],
    ['token', tokens],
  ] as const;
  for (const [kind, list] of kinds)
    if (list.some((entry) => entry.name === name))
      throw new SluiceError('exists', `there is a ${kind} named ${name} already; remove it first, or choose another name`);
}

/** Nobody else gets an account before the first administrator: an account closes the doors that were open for the claim. */
function checkClaimed(accounts: Accounts): void {
  if (!hasAdministrator(accounts))
    throw new SluiceError(
      'request-invalid',
      'the gateway has no administrator yet. Make one first: sluice user add NAME --role administrator',
    );
}

function checkCount(list: readonly unknown[], most: number, what: string): void {
  if (list.length >= most) throw new SluiceError('request-invalid', `a gateway has at most ${most} ${what}; remove one first`);
}

function keepsAdministrator(accounts: Accounts): Accounts {
  if (hasAdministrator(accounts)) return accounts;
  throw new SluiceError('request-invalid', 'this is the last administrator; make another one first');
}

// The name that was asked for is not repeated: people type passwords into the wrong field.
const noSuch = (kind: string): SluiceError =>
  new SluiceError(
    'not-found',
    `there is no ${kind} with this name; sluice ${kind === 'token' ? 'token' : 'user'} list shows all`,
  );
