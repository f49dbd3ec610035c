/** A package of other files is no package of this tree, so a record of boards names the program that ran. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { differences } from '../../harness/package-of-tree.ts';
import { scratch } from '../../harness/scratch.ts';

function put(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  }
}

/** @param files of the package, beside what dpkg-deb asks for */
function packageWith(folder: string, files: Readonly<Record<string, string>>): string {
  const root = path.join(folder, 'root');
  put(root, files);
  put(root, {
    'DEBIAN/control': 'Package: sluice\nVersion: 1\nArchitecture: arm64\nMaintainer: a <a@example.org>\nDescription: a\n',
  });
  execFileSync('dpkg-deb', ['-b', root, path.join(folder, 'a.deb')], { stdio: 'ignore' });
  return path.join(folder, 'a.deb');
}

const PROGRAM = { 'usr/lib/sluice/dist/cli/main.js': 'one', 'usr/lib/sluice/hardware-profiles/boards/a.yaml': 'a' };
const TREE = { 'dist/cli/main.js': 'one', 'dist/cli/demo.js': 'not packed', 'hardware-profiles/boards/a.yaml': 'a' };

test('a package of the files here has no differences', (t) => {
  const folder = scratch(t);
  put(path.join(folder, 'tree'), TREE);
  assert.deepEqual(differences(packageWith(folder, PROGRAM), path.join(folder, 'tree')), []);
});

test('files that changed, that only one has, or that are none are named', (t) => {
  const folder = scratch(t);
  const news = { 'systemd/b.service/file': 'a folder', 'rule-packs/new.yaml': 'new' };
  put(path.join(folder, 'tree'), { ...TREE, 'dist/cli/main.js': 'two', ...news });
  const more = { 'usr/lib/systemd/system/b.service': 'b', 'usr/lib/sluice/flows/c.json': 'c' };
  assert.deepEqual(differences(packageWith(folder, { ...PROGRAM, ...more }), path.join(folder, 'tree')), [
    'dist/cli/main.js',
    'rule-packs/new.yaml',
    'flows/c.json',
    'systemd/b.service',
  ]);
});

test('a package without a program, and a file that is no package, are errors', (t) => {
  const folder = scratch(t);
  assert.throws(
    () => differences(packageWith(folder, { 'usr/lib/sluice/flows/c.json': 'c' }), folder),
    /holds no program of Sluice/,
  );
  put(folder, { 'b.deb': 'text' });
  assert.throws(() => differences(path.join(folder, 'b.deb'), folder), /b\.deb: /);
});
