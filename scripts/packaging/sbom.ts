/** The list of parts of a package, as CycloneDX 1.5 (JSON), made from the lock file alone. Two runs make the same text. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { LockedPackage } from './lock.ts';

export interface SbomOptions {
  readonly version: string;
  readonly epoch: number;
  readonly root: string;
  readonly parts: readonly (LockedPackage & { readonly of: string })[];
}

export function sbom({ version, epoch, parts, root }: SbomOptions): string {
  const bundled = bundledPackages(root);
  const all = [...parts, ...bundled].map((part) => ({ ...part, purl: purlOf(part) }));
  const components = new Map<string, object>();
  // A part may be there twice. That with a sum of its own tells more.
  for (const part of all.toSorted((a, b) => Number(a.integrity === '') - Number(b.integrity === ''))) {
    const { purl } = part;
    if (components.has(purl)) continue;
    const [algorithm, sum] = part.integrity.split('-', 2);
    const packages = new Set(all.filter((one) => one.purl === purl).map(({ of }) => of));
    components.set(purl, {
      type: part.name.startsWith('node-linux-') ? 'platform' : 'library',
      'bom-ref': purl,
      ...groupOf(part.name),
      version: part.version,
      scope: 'required',
      ...(algorithm === 'sha512' && sum !== undefined
        ? { hashes: [{ alg: 'SHA-512', content: Buffer.from(sum, 'base64').toString('hex') }] }
        : {}),
      ...(part.license === undefined ? {} : { licenses: licenceOf(part.license) }),
      purl,
      properties: [
        ...[...packages].map((value) => ({ name: 'sluice:package', value })),
        // The sum of the one around it covers its files.
        ...(part.inside === undefined ? [] : [{ name: 'sluice:inside', value: purlOf(part.inside) }]),
      ],
    });
  }
  const list = [...components].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, component]) => component);
  const main = `pkg:generic/sluice@${version}`;
  const body = {
    metadata: {
      timestamp: new Date(epoch * 1000).toISOString().replace('.000Z', 'Z'),
      component: { type: 'application', 'bom-ref': main, name: 'sluice', version, licenses: [{ license: { id: 'Apache-2.0' } }] },
    },
    components: list,
    dependencies: [{ ref: main, dependsOn: [...components.keys()].sort() }],
  };
  return `${JSON.stringify({ bomFormat: 'CycloneDX', specVersion: '1.5', serialNumber: serialOf(body), version: 1, ...body }, null, 2)}\n`;
}

/** Packages of which parts are inside of dist, by the list that the build writes; their sums come from the lock. */
function bundledPackages(root: string): (LockedPackage & { of: string })[] {
  const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, { version: string; integrity?: string; license?: string }>>;
  };
  const texts = ['dist/LICENSES.txt', 'dist/pages/LICENSES.txt'].map((file) => readFileSync(path.join(root, file), 'utf8'));
  const named = texts.flatMap((text) => [...text.matchAll(/^(@?[\w./-]+) (\d+\.\d+\.\d+[\w.+-]*) \((.+)\)$/gm)]);
  return named.flatMap(([, name = '', version = '', license = '']) => {
    const entry = Object.entries(lock.packages).find(
      ([folder, one]) => folder.endsWith(`node_modules/${name}`) && one.version === version,
    );
    if (entry === undefined) throw new Error(`dist has parts of ${name} ${version}, which package-lock.json does not name`);
    return [{ name, version, folder: entry[0], integrity: entry[1].integrity ?? '', license, of: 'sluice' }];
  });
}

function groupOf(name: string): { group?: string; name: string } {
  const [scope, rest] = name.startsWith('@') ? name.split('/', 2) : [undefined, name];
  return scope === undefined ? { name } : { group: scope, name: rest ?? name };
}

function purlOf({ name, version }: { name: string; version: string }): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}

/** One identifier of SPDX, or an expression of several. */
function licenceOf(license: string): object[] {
  return /^[\w.+-]+$/.test(license) ? [{ license: { id: license } }] : [{ expression: license.replace(/^\(|\)$/g, '') }];
}

/** A UUID that follows from the content (RFC 9562, version 8). */
function serialOf(body: object): string {
  const hex = createHash('sha256').update(JSON.stringify(body)).digest('hex');
  const variant = ((Number.parseInt(hex.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(18, 20)}-${hex.slice(20, 32)}`;
}
