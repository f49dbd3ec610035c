/**
 * `npm run image:update -- …`: the files of an update from what `npm run image` left in out/image. They go to a web server that
 * answers Range requests, or on a USB stick, whole.
 *
 *   --key FILE        a secret that signs; several times. A release key, and a root key where keys change
 *   --notes TEXT      for people
 *   --trust FILE      new keys, one a line;  --revoke FINGERPRINT: a key that is worth nothing from now on
 *   --images DIR      out/image;  --out DIR  out/update
 */
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type UpdateSecret, updateSecret } from '../src/update/keys.ts';
import { makeUpdate } from '../src/update/make.ts';
import { releaseFile } from '../src/update/state.ts';

const { values: options } = parseArgs({
  options: {
    key: { type: 'string', multiple: true, default: [] },
    notes: { type: 'string' },
    trust: { type: 'string' },
    revoke: { type: 'string', multiple: true },
    images: { type: 'string', default: 'out/image' },
    out: { type: 'string', default: 'out/update' },
    level: { type: 'string', default: '19' },
  },
});
function refuse(words: string): never {
  process.stderr.write(`image-update: ${words}\n`);
  process.exit(1);
}

const secrets = options.key.map(
  (file): UpdateSecret => updateSecret(readFileSync(file, 'utf8')) ?? refuse(`${file} holds no secret of updates`),
);
if (!secrets.some(({ role }) => role === 'release')) refuse('name a release key with --key FILE');
const changes = options.trust !== undefined || options.revoke !== undefined;
if (changes && !secrets.some(({ role }) => role === 'root')) refuse('keys change only with a root key: add --key FILE');
const release = releaseFile.parse(JSON.parse(readFileSync(path.join(options.images, 'release.json'), 'utf8')));
const trust =
  options.trust === undefined
    ? []
    : readFileSync(options.trust, 'utf8')
        .split('\n')
        .filter((line) => line !== '');
const parts = release.target.startsWith('rpi-')
  ? { boot: 'boot.fat', root: 'root.ext4' }
  : { linux: 'linux.efi', initrd: 'initrd.img', root: 'root.ext4' };
mkdirSync(options.out, { recursive: true });
const manifest = await makeUpdate({
  folder: options.out,
  parts: Object.fromEntries(Object.entries(parts).map(([name, file]) => [name, path.join(options.images, file)])),
  secrets,
  level: Number(options.level),
  about: {
    target: release.target,
    version: release.version,
    sequence: release.sequence,
    layouts: release.layouts ?? refuse(`${options.images} was made by an older version; make the image again`),
    date: new Date().toISOString().slice(0, 10),
    ...(options.notes !== undefined && { notes: options.notes }),
    ...(changes && { keys: { trust, revoke: options.revoke ?? [] } }),
  },
});
for (const [name, { bytes, pack }] of Object.entries(manifest.parts))
  process.stdout.write(`${name.padEnd(8)} ${(bytes / 1e6).toFixed(1)} MB, ${(pack.bytes / 1e6).toFixed(1)} MB packed\n`);
process.stdout.write(`${options.out} holds release ${manifest.version}, number ${manifest.sequence}. Copy all of it.\n`);
