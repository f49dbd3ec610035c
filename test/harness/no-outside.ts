/**
 * Import this first in a suite, and the whole file runs in a network namespace that has the loopback and nothing else. It starts the
 * file again there, waits for its end and ends with it, so every runner sees one process with the same output. Without root there
 * is no such namespace: the file runs where it is, and no-outside.test.ts says so.
 */
import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { findProgram } from '../peers/peers.ts';

/** Holds the name of the network that the file was started in. */
export const OUTSIDE = 'SLUICE_TEST_OUTSIDE';

export const ownNet = (): string => readlinkSync('/proc/self/ns/net');

const tools = ['unshare', 'setpriv', 'ip'].map(findProgram);
const mayEnter = process.geteuid?.() === 0 && !tools.includes(undefined) && spawnSync('unshare', ['--net', 'true']).status === 0;

if (process.env[OUTSIDE] === undefined && mayEnter) {
  const { execPath, execArgv, argv } = process;
  const command = [execPath, ...execArgv, ...argv.slice(1)];
  // A runner that ends this process ends the file with it.
  const inside = ['setpriv', '--pdeathsig', 'KILL', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', ...command];
  const { status, signal } = spawnSync('unshare', ['--net', '--', ...inside], {
    ...{ stdio: 'inherit', env: { ...process.env, [OUTSIDE]: ownNet() } },
  });
  if (signal !== null) process.kill(process.pid, signal);
  process.exit(status ?? 1);
}
