import { existsSync, mkdirSync, statSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';

/**
 * The folder and what is missing above it, one at a time: the recursive mkdir of Node never ends where a file system takes
 * no folders but says that the one above is missing (/proc).
 * @throws Error of the file system; ENOTDIR where a file is in the way
 */
export function makeFolder(dir: string, mode = 0o777): void {
  const missing: string[] = [];
  for (let folder = path.resolve(dir); !existsSync(folder); folder = path.dirname(folder)) missing.push(folder);
  for (const folder of missing.reverse()) {
    try {
      mkdirSync(folder, { mode });
    } catch (thrown) {
      // Another process may have made it just now.
      if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw thrown;
    }
  }
  if (!statSync(dir).isDirectory()) throw Object.assign(new Error(`${dir} is not a folder`), { code: 'ENOTDIR' });
}

/** The same in the background: a disk that hangs must not hold up the gateway. */
export async function folderMade(dir: string, mode = 0o777): Promise<void> {
  const missing: string[] = [];
  for (let folder = path.resolve(dir); !(await isThere(folder)); folder = path.dirname(folder)) missing.push(folder);
  for (const folder of missing.reverse()) {
    try {
      await mkdir(folder, { mode });
    } catch (thrown) {
      if (!(await isThere(folder))) throw thrown;
    }
  }
  if (!(await stat(dir)).isDirectory()) throw Object.assign(new Error(`${dir} is not a folder`), { code: 'ENOTDIR' });
}

const isThere = (folder: string): Promise<boolean> =>
  stat(folder).then(
    () => true,
    () => false,
  );
