/** Which versions of the C library the native files of a package ask for. A board with an older one could not start them. */
import { execFileSync } from 'node:child_process';
import { closeSync, globSync, openSync, readSync, statSync } from 'node:fs';
import path from 'node:path';

export interface ElfFile {
  /** Relative to the tree. */
  readonly file: string;
  readonly machine: string;
  /** The highest symbol version of GLIBC; undefined: none is asked for. */
  readonly glibc: string | undefined;
  /** Shared libraries that it asks for. */
  readonly libraries: readonly string[];
}

export function elfFiles(tree: string): ElfFile[] {
  return globSync('**', { cwd: tree })
    .sort()
    .filter((file) => isElf(path.join(tree, file)))
    .map((file) => {
      const at = path.join(tree, file);
      const read = (what: string): string =>
        execFileSync('readelf', ['--wide', what, at], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
      const versions = [...read('--version-info').matchAll(/\bName: GLIBC_([0-9.]+)/g)].map(([, version = '']) => version);
      return {
        file,
        machine: /Machine:\s+(.*)/.exec(read('--file-header'))?.[1]?.trim() ?? '',
        glibc: versions.sort(byVersion).at(-1),
        libraries: [...read('--dynamic').matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name = '']) => name),
      };
    });
}

export function byVersion(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => text.split('.').map(Number)) as [number[], number[]];
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const difference = (x[i] ?? 0) - (y[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function isElf(file: string): boolean {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) return false;
  const head = Buffer.alloc(4);
  const fd = openSync(file, 'r');
  try {
    return readSync(fd, head, 0, 4, 0) === 4 && head.toString('latin1') === '\x7fELF';
  } finally {
    closeSync(fd);
  }
}
