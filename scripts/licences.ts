/** What the licences of packages in a bundle ask for: their words, with it. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '..');

/** @param packages folders, relative to the repository */
export function licences(where: string, packages: readonly string[]): string {
  const texts = packages.map((folder) => {
    const about = JSON.parse(readFileSync(path.join(ROOT, folder, 'package.json'), 'utf8')) as Record<string, unknown>;
    const [file] = globSync('{LICENSE,LICENCE,License,license,licence,COPYING}*', { cwd: path.join(ROOT, folder) }).sort();
    const text = file === undefined ? '' : `\n${readFileSync(path.join(ROOT, folder, file), 'utf8').trim()}\n`;
    return `${about.name} ${about.version} (${about.license})\n${text}`;
  });
  return `Parts of these packages are in ${where}.\n\n${texts.join(`\n${'-'.repeat(80)}\n\n`)}`;
}
