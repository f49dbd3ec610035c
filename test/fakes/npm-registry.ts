/** A registry of npm with a few packages of the test's own, on the loopback. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { scratch } from '../harness/scratch.ts';

export interface Package {
  readonly name: string;
  /** Beside name and version. */
  readonly manifest?: object;
  /** By name. */
  readonly files: Readonly<Record<string, string>>;
}

export interface Registry {
  readonly url: string;
  /** Paths that were asked for. */
  readonly asked: string[];
}

const VERSION = '1.0.0';

export async function npmRegistry(t: TestContext, packages: readonly Package[]): Promise<Registry> {
  const folder = scratch(t, 'registry');
  const archives = new Map(packages.map((one) => [one.name, pack(folder, one)]));
  const asked: string[] = [];
  let url = '';
  const server = createServer((request, response) => {
    const [, name = '', tarball] = (request.url ?? '').split('/');
    asked.push(request.url ?? '');
    const archive = archives.get(decodeURIComponent(name));
    if (archive === undefined) response.writeHead(404).end('{}');
    else if (tarball !== undefined) response.end(archive.bytes);
    else {
      const dist = { tarball: `${url}${name}/-/${name}-${VERSION}.tgz`, integrity: archive.integrity };
      const version = { ...archive.manifest, dist };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ name, 'dist-tags': { latest: VERSION }, versions: { [VERSION]: version } }));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return { url, asked };
}

function pack(folder: string, { name, manifest = {}, files }: Package) {
  const root = path.join(folder, name);
  mkdirSync(path.join(root, 'package'), { recursive: true });
  const whole = { name, version: VERSION, ...manifest };
  for (const [file, text] of Object.entries({ ...files, 'package.json': JSON.stringify(whole) }))
    writeFileSync(path.join(root, 'package', file), text);
  const made = spawnSync('tar', ['-czf', path.join(folder, `${name}.tgz`), '-C', root, 'package'], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);
  const bytes = readFileSync(path.join(folder, `${name}.tgz`));
  return { bytes, manifest: whole, integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}` };
}
