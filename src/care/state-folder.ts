/** Whether a folder is the state of a gateway. Who empties a folder as root asks first: the configuration that names it may be anybody's. */
import { lstatSync, readdirSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { GATEWAY_KEY_FILE } from '../access/gateway-key.ts';
import { SluiceError } from '../core/errors.ts';
import { LOCK_FILE } from '../store/state-dir.ts';

/** Where a disk of its own begins with this folder of root, it stays through everything. */
export const OF_A_DISK = 'lost+found';
/** `sluice provision` makes it, and the key with it (provisioning/identity.ts). */
const IDENTITY_FILE = 'identity.json';
const SHOWN = 3;
/** Names that are not ours, at most: people leave notes. A home folder, in which a gateway ran by mistake, has more. */
const MOST_FOREIGN = 2;
/** Every name that a gateway makes in its state folder (docs/reference/files.md). */
const OURS =
  /^(?:(?:log|history|broker)\.db(?:[.-][a-z.-]{1,40})?|log\.copied|start\.spare|(?:access|identity|notices|log-ins|modbus-times)\.json|(?:admin|gateway)\.key|claim|config|tls|secrets|provision|set-aside|flow-revisions|node-red(?:\.[a-z-]{1,20})?|sluice\.(?:lock|sock)|\.restore|\.factory-reset|\.fill|\.backup-\d{1,10})(?:\.(?:copy|damaged|new|[0-9a-f]{8}\.new))?$/;

/** Whether a gateway makes such a file or folder in its state folder. */
export const isOurs = (name: string): boolean => OURS.test(name);

/**
 * A folder that is missing or empty may become one.
 * @param configFile may not lie in it: it would go with the state
 * @throws SluiceError usage
 */
export function assertStateFolder(stateDir: string, configFile: string): void {
  const folder = realOf(path.resolve(stateDir));
  const file = path.resolve(configFile);
  // A link to a configuration elsewhere would go as well.
  for (const one of [path.join(realOf(path.dirname(file)), path.basename(file)), realOf(file)])
    if (isInside(folder, one))
      throw new SluiceError(
        'usage',
        `gateway.stateDir is ${folder}, and the configuration ${file} lies in it: nothing was changed. Everything in a state folder is replaced, so name another folder`,
      );
  if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) return;
  const names = readdirSync(folder).filter((name) => name !== OF_A_DISK);
  if (names.length === 0) return;
  const foreign = names.filter((name) => !isOurs(name)).sort();
  if (isMarked(folder, names) && foreign.length <= MOST_FOREIGN && 2 * foreign.length <= names.length) return;
  const shown = foreign.length === 0 ? names.sort() : foreign;
  const some = shown
    .slice(0, SHOWN)
    .map((name) => JSON.stringify(name.slice(0, 100)))
    .join(', ');
  const more = shown.length > SHOWN ? ` and ${shown.length - SHOWN} more` : '';
  throw new SluiceError(
    'usage',
    `${folder} is not the state of a gateway: it holds ${some}${more}${foreign.length === 0 ? ` and no ${LOCK_FILE}, which each start makes` : ''}. Nothing was changed, because everything in a state folder is replaced. Name another folder as gateway.stateDir, or move these files away`,
  );
}

/** A start makes the lock and nothing removes it; `sluice provision` makes the other two together. Single names are common elsewhere. */
function isMarked(folder: string, names: readonly string[]): boolean {
  const isFile = (name: string): boolean => names.includes(name) && lstatSync(path.join(folder, name)).isFile();
  return isFile(LOCK_FILE) || (isFile(IDENTITY_FILE) && isFile(GATEWAY_KEY_FILE));
}

/** The part of a path that exists without its links, and the rest as it is. */
function realOf(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    const parent = path.dirname(file);
    return parent === file ? file : path.join(realOf(parent), path.basename(file));
  }
}

function isInside(folder: string, file: string): boolean {
  const way = path.relative(folder, file);
  return way !== '' && way !== '..' && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way);
}
