/** What goes into the packages for Debian: the parts that the lock names for a processor, their list, and the files of each part. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { partsList } from '../../../scripts/package.ts';
import { recipes } from '../../../scripts/packaging/contents.ts';
import { Lock } from '../../../scripts/packaging/lock.ts';
import { needed } from '../../../scripts/packaging/prune.ts';
import { cycloneDx } from '../../harness/cyclonedx.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');

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

test('the list of parts is CycloneDX, and each part has a sum or is inside of one that has', () => {
  const lock = new Lock(ROOT);
  const flowsLock = new Lock(path.join(ROOT, 'node-red'));
  const valid = cycloneDx();
  for (const cpu of ['x64', 'arm64'] as const) {
    const from = { root: ROOT, version: '0.1.0', epoch: 1_700_000_000, cpu, lock, flowsLock };
    assert.equal(partsList(recipes([]), from), partsList(recipes([]), from));
    const bom = JSON.parse(partsList(recipes([]), from)) as Bom;
    assert.deepEqual([bom.bomFormat, bom.specVersion], ['CycloneDX', '1.5']);
    assert.match(bom.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const refs = bom.components.map((one) => one['bom-ref']);
    assert.equal(new Set(refs).size, refs.length);
    assert.deepEqual([...(bom.dependencies[0]?.dependsOn ?? [])].sort(), [...refs].sort());
    for (const name of [`node-linux-${cpu}`, 'better-sqlite3', 'aedes', 'mqtt', 'node-red', 'preact'])
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
    assert.ok(valid(bom), JSON.stringify(valid.errors?.slice(0, 5), null, 1));
    // The schema is a strict one: it minds a word that it does not know.
    assert.equal(valid({ ...bom, components: [{ ...bom.components[0], type: 'part' }] }), false);
  }
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
