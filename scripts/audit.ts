/**
 * Asks the registry for known weaknesses of what the lock files name and an installation runs. A weakness that is high or critical fails.
 * Where the registry gives no answer, the gateway is neither weak nor clean: the last line says so, and the status is 0, because a
 * test run without a network has to work.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { verdictOf } from './audit-words.ts';

const ROOT = path.join(import.meta.dirname, '..');
const WITHIN = 120_000;

let weak = false;
for (const folder of ['.', 'node-red']) {
  const { stdout } = spawnSync('npm', ['audit', '--package-lock-only', '--omit=dev', '--json'], {
    ...{ cwd: path.join(ROOT, folder), encoding: 'utf8', timeout: WITHIN, maxBuffer: 64 * 1024 * 1024 },
  });
  const { state, lines } = verdictOf(stdout ?? '');
  const lock = path.join(folder, 'package-lock.json');
  for (const line of lines) console.log(`${lock}: ${line}`);
  if (state === 'unknown') console.log(`${lock} was NOT audited: the registry gave no answer.`);
  else if (state === 'clean') console.log(`${lock}: no known weakness that is high or critical.`);
  else {
    console.log(`${lock} has a known weakness that is high or critical.`);
    weak = true;
  }
}
process.exit(weak ? 1 : 0);
