/** Parts of the program as they are installed: a thread that has to strip types first starts later. */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { bundle } from '../../scripts/build.ts';

/** Inside the repository, where packages are found. */
const FOLDER = path.join(import.meta.dirname, '..', 'out', 'built');

/** Bundles a source file as the program is bundled. @param file relative to the repository @returns the bundle */
export async function built(file: string): Promise<string> {
  const name = path.basename(file, '.ts');
  rmSync(FOLDER, { recursive: true, force: true });
  await bundle({ [name]: file }, FOLDER);
  return path.join(FOLDER, `${name}.js`);
}
