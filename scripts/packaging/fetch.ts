/**
 * The files of a package as the lock names it. What npm installed here was checked by npm. A package for the other processor is not
 * installed here: npm fetches exactly that version, its sum is compared with the lock, and it stays in node_modules/.cache.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { LockedPackage } from './lock.ts';

/** @returns the folder with the package's files. @throws when npm cannot fetch it, or when the sum is another one */
export function packageFiles(root: string, one: LockedPackage): string {
  const installed = path.join(root, one.folder);
  if (existsSync(path.join(installed, 'package.json'))) return installed;
  const cache = path.join(root, 'node_modules', '.cache', 'packages');
  const [kind = '', sum = ''] = one.integrity.split('-', 2);
  if (kind !== 'sha512' || sum === '') throw new Error(`package-lock.json has no sha512 sum of ${one.name}`);
  const folder = path.join(cache, Buffer.from(sum, 'base64').toString('hex').slice(0, 32));
  if (existsSync(folder)) return folder;
  const work = path.join(cache, `fetch-${process.pid}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(path.join(work, 'files'), { recursive: true });
  try {
    const packed = execFileSync('npm', ['pack', '--silent', `${one.name}@${one.version}`, '--pack-destination', work], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const file = path.join(work, packed.trim().split('\n').at(-1) ?? '');
    const got = createHash('sha512').update(readFileSync(file)).digest('base64');
    if (got !== sum) throw new Error(`${one.name} ${one.version} is not the package of the lock: sha512 is ${got}, not ${sum}`);
    execFileSync('tar', ['-xzf', file, '--no-same-owner', '--strip-components=1', '-C', path.join(work, 'files')]);
    renameSync(path.join(work, 'files'), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}
