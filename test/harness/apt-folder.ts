/** A folder for apt, signed with a key that this test makes. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { scratch } from './scratch.ts';

const SCRIPT = path.join(import.meta.dirname, '..', '..', 'scripts', 'package-apt.sh');
const WHO = 'test@example.org';

/** @param packages a folder of packages. @returns the folder for apt */
export function aptFolder(t: TestContext, packages: string): string {
  const work = scratch(t, 'apt');
  const home = path.join(work, 'gnupg');
  const env = { ...process.env, GNUPGHOME: home };
  const must = (...command: [string, ...string[]]): void => {
    const { status, stderr } = spawnSync(command[0], command.slice(1), { env, encoding: 'utf8' });
    assert.equal(status, 0, `${command.join(' ')}: ${stderr}`);
  };
  mkdirSync(home, { mode: 0o700 });
  t.after(() => void spawnSync('gpgconf', ['--kill', 'all'], { env }));
  must('gpg', '--batch', '--passphrase', '', '--quick-generate-key', `Test <${WHO}>`, 'ed25519');
  const out = path.join(work, 'folder');
  must('sh', SCRIPT, '--key', WHO, '--packages', packages, '--out', out);
  return out;
}
