/**
 * The user under which a test runs Node-RED: another one in each process of tests. The kernel counts the tasks of a user over the whole
 * machine (RLIMIT_NPROC, fence.ts), so under one user six suites at once would take each other's tasks.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export interface FlowUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Each Debian has them (base-passwd). Programs of the machine may run under the last ones. */
const NAMES = ['nobody', 'games', 'news', 'irc', 'list', 'uucp', 'man', 'lp', 'backup', 'proxy', 'www-data'];

let mine: FlowUser | undefined;

/** The same for the whole process. */
export function flowUser(): FlowUser {
  mine ??= taken() ?? known('nobody') ?? { name: 'nobody', uid: 65_534, gid: 65_534 };
  return mine;
}

function taken(): FlowUser | undefined {
  for (const name of NAMES) {
    const user = known(name);
    const file = path.join(os.tmpdir(), `sluice-flow-user-${name}`);
    if (user === undefined || !mayTake(file)) continue;
    process.on('exit', () => rmSync(file, { force: true }));
    return user;
  }
  return undefined;
}

function mayTake(file: string): boolean {
  for (let tries = 0; tries < 2; tries++)
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      return true;
    } catch {
      if (runs(file) || !removed(file)) return false;
    }
  return false;
}

/** Its process is there. A killed one leaves its file. */
function runs(file: string): boolean {
  try {
    process.kill(Number(readFileSync(file, 'utf8')) || process.pid, 0);
    return true;
  } catch (thrown) {
    // A process of root runs, and this one may not signal it.
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM';
  }
}

/** @returns false: it belongs to another user, or to a process that was faster */
function removed(file: string): boolean {
  const old = `${file}.${process.pid}`;
  try {
    renameSync(file, old);
    // Another one may have taken it since it was looked at.
    const taken = runs(old);
    if (taken) renameSync(old, file);
    else rmSync(old);
    return !taken;
  } catch {
    return false;
  }
}

function known(name: string): FlowUser | undefined {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
  return uid === undefined || gid === undefined ? undefined : { name, uid: Number(uid), gid: Number(gid) };
}
