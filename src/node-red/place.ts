/** Where Node-RED is installed, and the program that is started around it. All of dist/cli is one folder, at the depth of this one. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '..', '..');

/** The version that is tested with this gateway; node-red/package.json names the same. */
export const NODE_RED_VERSION = '5.0.7';
/** node-red/package.json installs it there. The package for Debian has a link there, and the fence knows files by their real names. */
export const NODE_RED_FOLDER = realName(path.join(ROOT, 'node-red'));

/** The package of our nodes, as scripts/build-palette.ts makes it. Sources use the built one as well. */
export const PALETTE_FOLDER = path.join(ROOT, 'dist', 'palette');

/** The flows that come with the gateway. */
export const FLOWS_FOLDER = path.join(ROOT, 'flows');

/** The program of the process. */
export const CHILD_PROGRAM = import.meta.filename.endsWith('.ts')
  ? path.join(import.meta.dirname, 'child', 'main.ts')
  : path.join(import.meta.dirname, 'node-red-child.js');
/** The folder that holds all of its code. */
export const CHILD_FOLDER = import.meta.filename.endsWith('.ts') ? path.join(ROOT, 'src') : import.meta.dirname;

/** The style that the editor gets beside its own; scripts/build.ts copies it. */
export const EDITOR_STYLE = path.join(
  import.meta.filename.endsWith('.ts') ? path.join(CHILD_FOLDER, 'node-red', 'child') : CHILD_FOLDER,
  'editor.css',
);

/** Why Node-RED is not there, in words; undefined where it is. */
export function installFault(folder = NODE_RED_FOLDER, packaged = isPackaged()): string | undefined {
  const install = packaged
    ? 'run apt-get install sluice-node-red'
    : `run sh scripts/setup-node-red.sh in ${path.dirname(folder)}`;
  let version: unknown;
  try {
    const text = readFileSync(path.join(folder, 'node_modules', 'node-red', 'package.json'), 'utf8');
    version = (JSON.parse(text) as { version?: unknown }).version;
  } catch {
    return `Node-RED is not installed; ${install}`;
  }
  if (version === NODE_RED_VERSION) return undefined;
  return `Node-RED ${NODE_RED_VERSION} belongs to this gateway, and ${String(version).slice(0, 40)} is installed; ${install}`;
}

function realName(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder;
  }
}

/** The package for Debian brings its own Node, and Node-RED is a package as well. */
function isPackaged(): boolean {
  return existsSync(path.join(ROOT, 'bin', 'node'));
}
