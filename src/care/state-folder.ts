/** Whether a folder is the state of a gateway. Who empties a folder as root asks first: the configuration that names it may be anybody's. */
import { lstatSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { SluiceError } from '../core/errors.ts';
import { LOCK_FILE } from '../store/state-dir.ts';

/** Each state folder has one of these: a start makes the first one, `sluice provision` the last two. */
const MARKS: readonly string[] = [LOCK_FILE, 'log.db', 'history.db', 'access.json', 'gateway.key', 'identity.json'];
/** A disk of its own begins with this folder. */
const EMPTY: readonly string[] = ['lost+found'];
const SHOWN = 3;

/**
 * A folder that is missing or empty may become one.
 * @param configFile may not lie in it: it would go with the state
 * @throws SluiceError usage
 */
export function assertStateFolder(stateDir: string, configFile: string): void {
  const folder = path.resolve(stateDir);
  if (isInside(folder, path.resolve(configFile)))
    throw new SluiceError(
      'usage',
      `gateway.stateDir is ${folder}, and the configuration ${path.resolve(configFile)} lies in it: nothing was changed. Everything in a state folder is replaced, so name another folder`,
    );
  if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) return;
  const names = readdirSync(folder).filter((name) => !EMPTY.includes(name));
  if (names.length === 0 || names.some((name) => MARKS.includes(name))) return;
  const some = names
    .sort()
    .slice(0, SHOWN)
    .map((name) => JSON.stringify(name.slice(0, 100)))
    .join(', ');
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
  throw new SluiceError(
    'usage',
    `${folder} is not the state of a gateway: it holds ${some}${more}. Nothing was changed, because everything in a state folder is replaced. Name another folder as gateway.stateDir, or move these files away`,
  );
}

function isInside(folder: string, file: string): boolean {
  const way = path.relative(folder, file);
  return way !== '' && way !== '..' && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way);
}
