/**
 * Serial ports as the operating system shows them, for every driver that opens one: which there are, who holds one, and why
 * one cannot be opened, in words. Nothing here opens a port.
 *
 * The lock of a port is `flock` (LOCK_EX, set by the serialport package unless `lock: false`). It is advisory: it keeps out
 * programs that ask for it as well, among them every driver of ours. A program that does not ask can still take bytes
 * away, which is why `alsoOpenIn` looks for such programs once a port is open.
 */
import { constants } from 'node:fs';
import { access, readdir, readFile, readlink, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { SluiceError } from '../core/errors.ts';

/** Where the system shows itself; other folders are for tests. */
export interface Roots {
  readonly dev: string;
  readonly proc: string;
  readonly etc: string;
}
const SYSTEM: Roots = { dev: '/dev', proc: '/proc', etc: '/etc' };

/** Bounds of a look through /proc. */
const MOST_PROCESSES = 32_768;
const MOST_DESCRIPTORS = 4096;
/** Names in a sentence. */
const MOST_NAMED = 12;

export interface Holder {
  readonly pid: number;
  /** As /proc/PID/comm has it: at most 15 characters. */
  readonly name: string;
  /** It has locked the port. */
  readonly locks: boolean;
}

export interface Holders {
  readonly programs: readonly Holder[];
  /** Programs of other users exist that could hold it too: only root may look. */
  readonly hidden: boolean;
}

/**
 * Every program that has the port open, this one included; those that lock it first. Not the maker of a pseudo-terminal
 * (socat, a simulator): it is the other end of the line, and holds our end open as well only to keep the line up. Never throws.
 */
export async function portHolders(port: string, roots: Roots = SYSTEM): Promise<Holders> {
  const lockers = await lockHolders(port, roots);
  const pids = new Set(lockers);
  let hidden = false;
  const node = await realpath(port).catch(() => port);
  const processes = (await names(roots.proc)).filter((name) => /^\d+$/.test(name)).slice(0, MOST_PROCESSES);
  for (const pid of processes) {
    const folder = path.join(roots.proc, pid, 'fd');
    const descriptors = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      // ENOENT: it has ended meanwhile.
      if (error.code === 'EACCES' || error.code === 'EPERM') hidden = true;
      return [];
    });
    let opens = false;
    let makes = false;
    for (const descriptor of descriptors.slice(0, MOST_DESCRIPTORS)) {
      const target = await readlink(path.join(folder, descriptor)).catch(() => '');
      opens ||= target === node;
      makes ||= target.endsWith('/ptmx') && (await otherEnd(path.join(roots.proc, pid, 'fdinfo', descriptor), roots)) === node;
      if (opens && !node.startsWith(path.join(roots.dev, 'pts/'))) break;
    }
    if (opens && !makes) pids.add(Number(pid));
  }
  const programs: Holder[] = [];
  for (const pid of pids) {
    const name = await readFile(path.join(roots.proc, String(pid), 'comm'), 'utf8').catch(() => '');
    programs.push({ pid, name: printable(name), locks: lockers.includes(pid) });
  }
  return { programs, hidden };
}

/** The pseudo-terminal of which a descriptor is the maker's end: `tty-index:	6` is /dev/pts/6. */
async function otherEnd(fdinfo: string, roots: Roots): Promise<string | undefined> {
  const index = /^tty-index:\s*(\d+)$/m.exec(await readFile(fdinfo, 'utf8').catch(() => ''))?.[1];
  return index === undefined ? undefined : path.join(roots.dev, 'pts', index);
}

/** The process that has the lock of a port: /proc/locks lists those of all users, by device and inode (`1: FLOCK ADVISORY WRITE 812 00:05:93 0 EOF`). */
async function lockHolders(port: string, roots: Roots): Promise<number[]> {
  try {
    const { dev, ino } = await stat(port, { bigint: true });
    const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
    const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
    const hex = (n: bigint) => n.toString(16).padStart(2, '0');
    const lines = (await readFile(path.join(roots.proc, 'locks'), 'utf8')).split('\n');
    const ours = lines
      .map((line) => line.split(/\s+/))
      .filter((w) => w[1] === 'FLOCK' && w[5] === `${hex(major)}:${hex(minor)}:${ino}`);
    // 0: a program that this one cannot see (of another container).
    return [...new Set(ours.map((w) => Number(w[4])))].filter((pid) => pid > 0);
  } catch {
    return [];
  }
}

/** Other programs that have a port open which is ours, as a sentence; undefined when nobody is seen. Never throws. */
export async function alsoOpenIn(port: string, roots: Roots = SYSTEM): Promise<string | undefined> {
  const others = (await portHolders(port, roots)).programs.filter(({ pid }) => pid !== process.pid);
  if (others.length === 0) return undefined;
  return `${port} is open in ${holderWords(others)} too, and takes bytes from this gateway: end ${others.length === 1 ? 'that program' : 'those programs'}`;
}

/** The ports of this machine: stable names first, then those of the kernel. */
export async function presentPorts(roots: Roots = SYSTEM): Promise<string[]> {
  const stable = path.join(roots.dev, 'serial/by-id');
  const byId = (await names(stable)).map((name) => path.join(stable, name));
  const plain = (await names(roots.dev)).filter((name) => /^tty(USB|ACM|AMA|SC|XRUSB|O|mxc|GS)\d+$/.test(name));
  return [...byId.sort(), ...plain.sort().map((name) => path.join(roots.dev, name))];
}

/** The name under /dev/serial/by-id of a port that is configured by a name which replugging may change; undefined when there is none. */
export async function stableName(port: string, roots: Roots = SYSTEM): Promise<string | undefined> {
  const stable = path.join(roots.dev, 'serial/by-id');
  if (port.startsWith(`${path.join(roots.dev, 'serial')}/`)) return undefined;
  const node = await realpath(port).catch(() => undefined);
  if (node === undefined) return undefined;
  for (const name of (await names(stable)).sort()) {
    const link = path.join(stable, name);
    if ((await realpath(link).catch(() => undefined)) === node) return link;
  }
  return undefined;
}

/** The device that a path leads to now, for comparison; not every driver reports an unplugged adapter. Never throws. */
export async function portIdentity(port: string): Promise<string> {
  try {
    const { dev, ino, rdev } = await stat(port);
    return `${dev}:${ino}:${rdev}`;
  } catch {
    return 'none';
  }
}

/**
 * Why a port could not be opened. The errors of the binding carry no code, so the file system is asked what is wrong with the
 * port. Never throws: between two questions an adapter may be unplugged or come back.
 */
export async function portFailure(error: Error, port: string, roots: Roots = SYSTEM): Promise<SluiceError> {
  const words = await why(error, port, roots).catch(() => `it cannot be opened: ${error.message}`);
  return new SluiceError('bus-open', `${port}: ${words}`, { cause: error, data: { port } });
}

async function why(error: Error, port: string, roots: Roots): Promise<string> {
  let found: { isCharacterDevice(): boolean; readonly mode: number; readonly uid: number; readonly gid: number };
  try {
    found = await stat(port);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EACCES') return 'no permission to enter the folder that it is in';
    return gone(port, roots);
  }
  if (!found.isCharacterDevice()) return 'this is not a serial port; give the path of one, for example /dev/ttyUSB0';
  try {
    await access(port, constants.R_OK | constants.W_OK);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return gone(port, roots);
    return permissionWords(
      { ...found, mode: found.mode & 0o777 },
      { uid: process.getuid?.() ?? 0, groups: process.getgroups?.() ?? [] },
      await accounts(roots),
    );
  }
  const { programs, hidden } = await portHolders(port, roots);
  if (/lock|busy|temporarily unavailable/i.test(error.message)) {
    const [first] = programs;
    if (first?.locks && first.pid === process.pid)
      return 'in use by this gateway itself: another bus leads to the same port; put the devices of both under one bus';
    const lockers = programs.filter(({ locks }) => locks);
    if (first !== undefined)
      return `in use by ${holderWords(lockers.length > 0 ? lockers : programs)}: end that program (ps -fp ${first.pid} says more about it)`;
    return hidden
      ? `in use by a program of another user (only root can see it): sudo fuser -v ${port} names it`
      : `in use by another program: sudo fuser -v ${port} names it`;
  }
  return `it cannot be opened: ${error.message}${programs.length > 0 ? `; ${holderWords(programs)} has it open` : '; it may not know these line settings'}`;
}

async function gone(port: string, roots: Roots): Promise<string> {
  const target = await readlink(port).catch(() => undefined);
  const what = target === undefined ? 'no such port (unplugged?)' : `${target}, to which it leads, is gone (unplugged?)`;
  const present = await presentPorts(roots);
  return `${what}; ${present.length === 0 ? 'there is no serial port at all' : `there ${present.length === 1 ? 'is' : 'are'} ${some(present)}`}`;
}

export interface Account {
  readonly uid: number;
  readonly groups: readonly number[];
}
export interface Accounts {
  readonly users: ReadonlyMap<number, string>;
  readonly groups: ReadonlyMap<number, { readonly name: string; readonly members: readonly string[] }>;
}

/** Why an account may not read and write a node that exists. `mode` is its nine permission bits. */
export function permissionWords(
  node: { readonly mode: number; readonly uid: number; readonly gid: number },
  account: Account,
  { users, groups }: Accounts,
  what: { readonly node: string; readonly group: string } = { node: 'port', group: 'dialout' },
): string {
  const user = users.get(account.uid) ?? String(account.uid);
  const group = groups.get(node.gid);
  const name = group?.name ?? String(node.gid);
  const owner = `no permission for the user ${user}: the ${what.node} belongs to ${users.get(node.uid) ?? node.uid}, group ${name}, mode ${node.mode.toString(8).padStart(3, '0')}`;
  // A group that may do nothing, or root's own, is not one to join.
  if ((node.mode & 0o060) !== 0o060 || node.gid === 0)
    return `${owner}; give the ${what.node} to a group with a udev rule (GROUP="${what.group}", MODE="0660") and make ${user} a member of that`;
  if (account.groups.includes(node.gid))
    return `${owner}; ${user} is in that group, so a container or a sandbox of systemd forbids it`;
  if (group?.members.includes(user))
    return `${owner}; ${user} was made a member of ${name} after this program started: start it again (log in again)`;
  return `${owner}; make it a member (sudo usermod -aG ${name} ${user}) and start the gateway again`;
}

export async function accounts(roots: Roots = SYSTEM): Promise<Accounts> {
  const lines = async (file: string) => {
    const text = await readFile(path.join(roots.etc, file), 'utf8').catch(() => '');
    return text.split('\n').map((line) => line.split(':'));
  };
  const users = new Map((await lines('passwd')).map(([name = '', , uid]) => [Number(uid), name] as const));
  const groups = new Map(
    (await lines('group')).map(
      ([name = '', , gid, members = '']) => [Number(gid), { name, members: members.split(',') }] as const,
    ),
  );
  return { users, groups };
}

function holderWords(programs: readonly Holder[]): string {
  return some(programs.map(({ name, pid }) => `${name} (pid ${pid})`));
}

function some(items: readonly string[]): string {
  const more = items.length - MOST_NAMED;
  return more > 0 ? `${items.slice(0, MOST_NAMED).join(', ')} and ${more} more` : items.join(', ');
}

async function names(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

/** Programs name themselves as they like. */
function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '').trim().slice(0, 40) || 'a program';
}
