/**
 * `npm run image:keys DIR`: the keys that sign updates: two root keys and two release keys, each secret in a file of its own, and
 * `keys`, which the image contains. Carry the root secrets to a safe; no computer with a network may keep them.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeUpdateSecret } from '../src/update/keys.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined || folder.startsWith('-')) {
  process.stderr.write('image-keys: name a new folder for the keys\n');
  process.exit(2);
}
// A folder that is there may hold keys that somebody needs.
mkdirSync(folder, { mode: 0o700 });
const names = ['root-1', 'root-2', 'release-1', 'release-2'] as const;
const keys = names.map((name) => ({ name, key: makeUpdateSecret(name.startsWith('root') ? 'root' : 'release') }));
for (const { name, key } of keys)
  writeFileSync(path.join(folder, `${name}.secret`), `${key.secret}\n`, { mode: 0o600, flag: 'wx' });
writeFileSync(path.join(folder, 'keys'), keys.map(({ key }) => `${key.text}\n`).join(''), { mode: 0o644, flag: 'wx' });
for (const { name, key } of keys) process.stdout.write(`${name.padEnd(10)} ${key.fingerprint}\n`);
process.stdout.write(`Carry ${folder}/root-1.secret and root-2.secret to two safes, and delete them here.\n`);
