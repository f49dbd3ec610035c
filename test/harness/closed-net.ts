/**
 * A network namespace without an outside: it has the loopback and nothing else. Beside it a user that no other test has, so that
 * limits on the tasks of a user, and a signal to all of its processes, stay inside.
 */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { asRoot, peer } from '../peers/peers.ts';
import { startChild } from './child.ts';
import { scratch } from './scratch.ts';

/** Above the users of a system, below `nobody`. */
const FIRST_USER = 41_000;
let nets = 0;

export interface ClosedNet {
  /** Words in front of a command, which then runs in it. */
  readonly before: readonly string[];
  /** Known only in it. */
  readonly user: string;
  readonly uid: number;
}

/** undefined after a skip. It ends with the test. */
export async function closedNet(t: TestContext): Promise<ClosedNet | undefined> {
  if (!asRoot(t, 'make a network namespace')) return undefined;
  const tools = ['unshare', 'nsenter', 'mount'].map((one) => peer(t, one, 'apt-get install -y util-linux'));
  if (tools.includes(undefined) || peer(t, 'ip', 'apt-get install -y iproute2') === undefined) return undefined;
  const uid = FIRST_USER + ((process.pid * 4 + nets++) % 20_000);
  const user = `flows-${uid}`;
  const folder = scratch(t, 'net');
  chmodSync(folder, 0o755);
  for (const [file, line] of [
    ['passwd', `${user}:x:${uid}:${uid}::/nonexistent:/usr/sbin/nologin\n`],
    ['group', `${user}:x:${uid}:\n`],
  ] as const)
    writeFileSync(path.join(folder, file), readFileSync(`/etc/${file}`, 'utf8') + line, { mode: 0o644 });
  const script =
    'mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group && ip link set lo up && echo ready && exec sleep 100000';
  const holder = startChild(t, 'unshare', ['--net', '--mount', 'sh', '-c', script, folder]);
  await holder.line(/^ready$/);
  return { before: ['nsenter', `--target=${holder.pid}`, '--net', '--mount', '--'], user, uid };
}
