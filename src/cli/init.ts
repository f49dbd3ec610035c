import { accessSync, constants, existsSync } from 'node:fs';
import path from 'node:path';
import { DEFAULT_STATE_DIR, starterConfig } from '../config/starter.ts';
import { SluiceError } from '../core/errors.ts';
import { makeFolder } from '../store/files/make-folder.ts';
import { writeFresh } from './bundle/bundle-file.ts';
import { fileWords } from './file-words.ts';

export async function init(dir: string): Promise<void> {
  const file = path.join(dir, 'gateway.yaml');
  if (existsSync(file)) throw new SluiceError('usage', `${file} exists already and was left as it is; name another folder`);
  try {
    makeFolder(dir);
  } catch (cause) {
    throw new SluiceError('not-found', `${dir} cannot be made: ${fileWords(cause)}; name another folder`, { cause });
  }
  // The folder of a service is not for an ordinary user to write: the gateway writes beside its configuration then.
  const text = starterConfig({ ownState: !mayMake(DEFAULT_STATE_DIR) });
  try {
    // A password may come to stand in it.
    writeFresh(file, text, 0o640);
  } catch (cause) {
    throw new SluiceError('not-found', `${file} cannot be written: ${fileWords(cause)}`, { cause });
  }
  process.stdout.write(`Wrote ${file}. Next:\n  sluice check ${file}\n  sluice run -c ${file}\n`);
}

/** Whether this user may write into a folder, or make it. */
function mayMake(folder: string): boolean {
  let there = folder;
  while (!existsSync(there)) there = path.dirname(there);
  try {
    accessSync(there, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
