/** Users and groups of this machine, as its files name them; and what a caller of the Unix socket may do. */
import { readFileSync } from 'node:fs';
import type { Principal } from '../core/commands.ts';
import type { Peer } from './peer.ts';

/** Members of it are operators. */
export const OPERATORS = 'sluice';
/** Bytes of /etc/passwd and /etc/group that are looked through. */
const MOST = 1024 * 1024;

export interface LocalUsers {
  /** undefined: no file names it (a user of the network). */
  nameOf(uid: number): string | undefined;
  groupId(name: string): number | undefined;
}

/** Read for each question: both files are small, and a new member of a group is one at his next log-in. */
export const systemUsers: LocalUsers = {
  nameOf: (uid) => fieldsOf('/etc/passwd').find(([, , id]) => id === String(uid))?.[0],
  groupId(name) {
    const id = fieldsOf('/etc/group').find(([group]) => group === name)?.[2];
    return id !== undefined && /^\d{1,10}$/.test(id) ? Number(id) : undefined;
  },
};

function fieldsOf(file: string): string[][] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').slice(0, MOST);
  } catch {
    return [];
  }
  return text.split('\n').map((line) => line.split(':'));
}

/** The caller where the kernel cannot be asked: only the permissions of the socket count, and everybody who may open it is an operator. */
export const LOCAL: Principal = { who: 'local', door: 'socket', role: 'operator' };

/** The same, with the proof that only root and the user of the gateway have (admin-key.ts). */
export const LOCAL_ADMINISTRATOR: Principal = { who: 'local administrator', door: 'socket', role: 'administrator' };

/** @param own user id of the gateway */
export function principalOf({ uid, gid, groups }: Peer, users: LocalUsers, own: number): Principal {
  const who = users.nameOf(uid) ?? `uid ${uid}`;
  const operators = users.groupId(OPERATORS);
  const member = operators !== undefined && (gid === operators || groups.includes(operators));
  const role = uid === 0 || uid === own ? 'administrator' : member ? 'operator' : 'viewer';
  return { who, door: 'socket', role };
}
