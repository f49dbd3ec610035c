/** `sluice user`: people and MQTT devices of a running gateway. */
import { X509Certificate } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { request } from '../admin/client.ts';
import type { AccountsAdmin } from '../core/access-ports.ts';
import { SluiceError, toError } from '../core/errors.ts';
import { newPassword } from './password-prompt.ts';
import { type RunningOptions, socketOf } from './running.ts';
import { table } from './table.ts';
import { clean } from './terminal/clean.ts';
import { count } from './words.ts';

export interface PasswordOptions extends RunningOptions {
  readonly passwordStdin?: boolean;
}
export interface UserAddOptions extends PasswordOptions {
  readonly role?: string;
  readonly device?: boolean;
  readonly publish?: readonly string[];
  readonly subscribe?: readonly string[];
  readonly certificate?: string;
}
type Users = ReturnType<AccountsAdmin['users']>;

/** A certificate has a few kilobytes. */
const LARGEST_CERTIFICATE = 64 * 1024;

export async function userAdd(name: string, options: UserAddOptions): Promise<void> {
  if (options.device === true) return deviceAdd(name, options);
  for (const key of ['publish', 'subscribe', 'certificate'] as const)
    if (options[key] !== undefined) throw new SluiceError('usage', `--${key} belongs to a device: add --device`);
  const { role = 'viewer' } = options;
  const socket = socketOf(options);
  await assertRuns(socket);
  const password = await newPassword(options.passwordStdin, clean(name));
  await request(socket, 'POST', '/api/v1/users/add', { name, role, password });
  done(options, { name, role }, `The user ${name} was added with the role ${role}.`);
}

async function deviceAdd(name: string, options: UserAddOptions): Promise<void> {
  if (options.role !== undefined) throw new SluiceError('usage', 'a device has topics and no role: leave --role out');
  if (options.passwordStdin === true)
    throw new SluiceError('usage', 'the gateway makes the password of a device: leave --password-stdin out');
  const { publish = [], subscribe = [] } = options;
  const certificate = options.certificate === undefined ? undefined : certificateOf(options.certificate);
  const body = { name, device: true, publish, subscribe, ...(certificate === undefined ? {} : { certificate }) };
  const { password } = (await request(socketOf(options), 'POST', '/api/v1/users/add', body)) as { password?: string };
  if (password === undefined) done(options, { name }, `The device ${name} was added. It logs in with its certificate.`);
  else
    secret(options, { name, password }, password, `The device ${name} was added. This is its password; it is not shown again:`);
}

export async function userList(options: RunningOptions): Promise<void> {
  const users = (await request(socketOf(options), 'GET', '/api/v1/users')) as Users;
  if (options.json) {
    process.stdout.write(`${JSON.stringify(users)}\n`);
    return;
  }
  const rows = [
    ...users.users.map(({ name, role, sessions }) => [name, role, sessions === 0 ? '' : count(sessions, 'session')]),
    ...users.devices.map(({ name, credential, publish, subscribe }) => [
      ...[name, `device, ${credential}`],
      [
        ...(publish.length === 0 ? [] : [`publishes ${publish.join(' ')}`]),
        ...(subscribe.length === 0 ? [] : [`subscribes ${subscribe.join(' ')}`]),
      ].join(', '),
    ]),
  ];
  process.stdout.write(rows.length === 0 ? 'no users yet; sluice claim shows how to make the first one\n' : table(rows));
}

export async function userPassword(name: string, options: PasswordOptions): Promise<void> {
  const socket = socketOf(options);
  const { devices } = (await request(socket, 'GET', '/api/v1/users')) as Users;
  if (devices.some((device) => device.name === name)) {
    const { password } = (await request(socket, 'POST', '/api/v1/users/password', { name })) as { password: string };
    secret(options, { name, password }, password, `This is the new password of the device ${name}; it is not shown again:`);
    return;
  }
  const password = await newPassword(options.passwordStdin, clean(name));
  await request(socket, 'POST', '/api/v1/users/password', { name, password });
  done(options, { name }, `The user ${name} has a new password. Its sessions have ended.`);
}

export async function userRole(name: string, role: string, options: RunningOptions): Promise<void> {
  await request(socketOf(options), 'POST', '/api/v1/users/role', { name, role });
  done(options, { name, role }, `The user ${name} has the role ${role} now.`);
}

export async function userRemove(name: string, options: RunningOptions): Promise<void> {
  await request(socketOf(options), 'POST', '/api/v1/users/remove', { name });
  done(options, { name }, `${name} was removed.`);
}

/** Before a person types a password. @throws SluiceError not-running, forbidden */
async function assertRuns(socket: string): Promise<void> {
  await request(socket, 'GET', '/api/v1/users');
}

/** A name of a file, or the SHA-256 itself. */
function certificateOf(given: string): string {
  if (statSync(given, { throwIfNoEntry: false }) === undefined) return given;
  const fd = openSync(given, 'r');
  try {
    if (!fstatSync(fd).isFile() || fstatSync(fd).size > LARGEST_CERTIFICATE) throw new Error('it is no file of this kind');
    return new X509Certificate(readFileSync(fd)).fingerprint256;
  } catch (thrown) {
    throw new SluiceError('usage', `${clean(given)} is no certificate (PEM or DER): ${toError(thrown).message}`);
  } finally {
    closeSync(fd);
  }
}

export function done({ json }: RunningOptions, answer: object, words: string): void {
  process.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${clean(words)}\n`);
}

/** The secret alone is on standard output, so that it can be caught; the words are beside it. */
export function secret({ json }: RunningOptions, answer: object, text: string, words: string): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(answer)}\n`);
    return;
  }
  process.stderr.write(`${clean(words)}\n`);
  process.stdout.write(`${text}\n`);
}
