/** What package-lock.json says: which packages a program needs on a machine, and where their bytes come from. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

export type Cpu = 'x64' | 'arm64';

interface Entry {
  readonly version: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly inBundle?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** `node_modules/pino`, relative to the lock. */
  readonly folder: string;
  /** Empty for a package that comes inside of another one. */
  readonly integrity: string;
  readonly license: string | undefined;
  /** The package of the registry that it comes inside of. */
  readonly inside?: { readonly name: string; readonly version: string };
}

export class Lock {
  readonly #entries: Readonly<Record<string, Entry>>;
  readonly root: string;

  /** @param root the folder of package-lock.json */
  constructor(root: string) {
    this.root = root;
    const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
      packages: Readonly<Record<string, Entry>>;
    };
    this.#entries = lock.packages;
  }

  /** Packages that the lock names for a folder: `node_modules/aedes`. @throws where the lock has no such package */
  at(folder: string): LockedPackage {
    const entry = this.#entries[folder];
    if (entry === undefined) throw new Error(`package-lock.json has no ${folder}; run npm install`);
    const around = entry.inBundle === true ? this.at(folder.slice(0, folder.lastIndexOf('/node_modules/'))) : undefined;
    return {
      name: folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version: entry.version,
      folder,
      integrity: entry.integrity ?? '',
      license: entry.license,
      ...(around === undefined ? {} : { inside: around.inside ?? { name: around.name, version: around.version } }),
    };
  }

  /** The packages and all that they need on such a machine with glibc, by folder. */
  needs(names: readonly string[], cpu: Cpu): LockedPackage[] {
    const found = new Map<string, LockedPackage>();
    const waiting = names.map((name) => `node_modules/${name}`);
    for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
      if (found.has(folder) || !this.#fits(folder, cpu)) continue;
      found.set(folder, this.at(folder));
      const entry = this.#entries[folder] as Entry;
      const needed = { ...entry.dependencies, ...entry.optionalDependencies, ...entry.peerDependencies };
      for (const name of Object.keys(needed)) {
        const at = this.#resolve(folder, name);
        if (at !== undefined) waiting.push(at);
      }
    }
    return [...found.values()].sort((a, b) => (a.folder < b.folder ? -1 : 1));
  }

  #fits(folder: string, cpu: Cpu): boolean {
    const entry = this.#entries[folder];
    const allowed = (list: readonly string[] | undefined, value: string) => list === undefined || list.includes(value);
    return allowed(entry?.os, 'linux') && allowed(entry?.cpu, cpu) && allowed(entry?.libc, 'glibc');
  }

  /** As Node looks for it: from the folder of the one who asks, upwards. */
  #resolve(from: string, name: string): string | undefined {
    for (let base = from; ; ) {
      const at = `${base === '' ? '' : `${base}/`}node_modules/${name}`;
      if (this.#entries[at] !== undefined) return at;
      if (base === '') return undefined;
      const cut = base.lastIndexOf('/node_modules/');
      base = cut < 0 ? '' : base.slice(0, cut);
    }
  }
}
