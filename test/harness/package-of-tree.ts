/**
 * Whether a package was made of the files that lie here. The suites with boards install a package that somebody made before, and their
 * record names a commit. Invariant: a package of other files is refused, so the record says which program ran.
 */
import { spawnSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Folders of a package, and where their files come from. `whole`: all of them are in this package. */
const SOURCES = [
  { inside: 'usr/lib/sluice/dist', source: 'dist', whole: false },
  { inside: 'usr/lib/sluice/hardware-profiles', source: 'hardware-profiles', whole: true },
  { inside: 'usr/lib/sluice/rule-packs', source: 'rule-packs', whole: true },
  { inside: 'usr/lib/sluice/flows', source: 'flows', whole: true },
  { inside: 'usr/lib/systemd/system', source: 'systemd', whole: false },
] as const;

/**
 * @param project the built tree; names in `dist` carry sums of what they hold, so an equal main program has equal parts
 * @returns files that differ, or that only one of both has; empty: the package is of this tree
 * @throws Error: it is no package, or holds no program
 */
export function differences(deb: string, project: string): string[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-package-'));
  try {
    const { status, stderr } = spawnSync('dpkg-deb', ['-x', deb, folder], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${deb}: ${stderr}`);
    if (!isFile(path.join(folder, 'usr/lib/sluice/dist/cli/main.js'))) throw new Error(`${deb} holds no program of Sluice`);
    const pairs = SOURCES.flatMap(({ inside, source, whole }) => {
      const files = new Set([...filesOf(path.join(folder, inside)), ...(whole ? filesOf(path.join(project, source)) : [])]);
      return [...files].map((file) => [path.join(folder, inside, file), path.join(source, file)] as const);
    });
    return pairs.filter(([packed, file]) => !isSame(packed, path.join(project, file))).map(([, file]) => file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const filesOf = (folder: string): string[] =>
  lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() === true
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
        .sort()
    : [];

const isFile = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false })?.isFile() === true;
const isSame = (one: string, other: string): boolean =>
  isFile(one) && isFile(other) && readFileSync(one).equals(readFileSync(other));
