/**
 * Looks at the flows that lie on the disk before Node-RED reads them. They may have come past every deploy: placed by hand, by a
 * restore of an old backup, or damaged. Node-RED would crash or hang with some of them at each start, and with others it would begin
 * without flows and overwrite the file with the next deploy.
 */
import { existsSync, lstatSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { MOST_FLOWS } from '../../core/flow-revisions.ts';
import { nestingFault, nodesIn } from '../revisions/nesting.ts';

/** As Node-RED names them (localfilesystem/projects). It takes the second one where the first is empty. */
export const FLOW_FILE = 'flows.json';
export const FLOW_BACKUP = '.flows.json.backup';
/** Where a file goes that Node-RED cannot read. There is one: a later one takes the place of an earlier one. */
export const ASIDE = 'flows.json.unusable';

/** Bytes. Single tabs may make more than one deploy takes; what is larger takes the memory of Node-RED when it is read. */
export const MOST_ON_DISK = 2 * MOST_FLOWS;
/** Objects and lists inside each other. Node-RED follows them by calls. */
export const DEEPEST = 1000;

export interface UnfitFlows {
  /** In words. */
  readonly why: string;
  /** The file that Node-RED must not read; absent: it can show these flows, and must not start them. */
  readonly file?: string;
  /** Node-RED begins without flows, and those of before have to come back. */
  readonly lost?: true;
}

/** @returns undefined where the flows may start, or where Node-RED reads none */
export function unfitFlows(folder: string): UnfitFlows | undefined {
  const first = look(folder, FLOW_FILE);
  if (first === undefined) return movedAway(folder);
  const found = first === 'empty' ? look(folder, FLOW_BACKUP) : first;
  // Where there are no flows Node-RED writes an empty list: an empty file is what a power cut left.
  if (found === undefined || found === 'empty')
    return { why: `the flows on the disk are lost: ${FLOW_FILE} is empty, and it has no backup`, lost: true };
  if ('why' in found) return found;
  const fault = nestingFault(nodesIn(found.list));
  return fault === undefined ? undefined : { why: `the flows on the disk would never start: ${fault}` };
}

/** The power went, or something else held flows back, before others took the place of a file that was moved away. */
function movedAway(folder: string): UnfitFlows | undefined {
  if (!existsSync(path.join(folder, ASIDE))) return undefined;
  return {
    why: `the flows on the disk are lost: ${FLOW_FILE} was moved to ${ASIDE}, and no others took its place yet`,
    lost: true,
  };
}

/** Moves the file away. @returns the words about it. @throws where it stays */
export function setAside(folder: string, { why, file = FLOW_FILE }: UnfitFlows): string {
  const aside = path.join(folder, ASIDE);
  rmSync(aside, { force: true, recursive: true });
  renameSync(path.join(folder, file), aside);
  return `${why}; it was moved to ${ASIDE} in the folder of Node-RED`;
}

/** @returns undefined: there is none */
function look(folder: string, file: string): UnfitFlows | 'empty' | { readonly list: readonly unknown[] } | undefined {
  const unfit = (fault: string): UnfitFlows => ({ why: `the flows on the disk cannot be used: ${file} ${fault}`, file });
  const at = path.join(folder, file);
  const found = lstatSync(at, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  // A link is no file, wherever it leads: Node-RED writes a file in its place.
  if (!found.isFile()) return unfit('is no file');
  if (found.size > MOST_ON_DISK) return unfit(`has ${found.size} bytes, and at most ${MOST_ON_DISK} are read`);
  let text: string;
  try {
    text = readFileSync(at, 'utf8').replace(/^\uFEFF/, '');
  } catch (thrown) {
    return unfit(`cannot be read (${thrown instanceof Error ? thrown.message : 'unknown'})`);
  }
  if (text === '') return 'empty';
  if (depthOf(text) > DEEPEST) return unfit(`has more than ${DEEPEST} lists and objects inside each other`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return unfit('is no JSON');
  }
  if (!Array.isArray(value)) return unfit('is no list of nodes');
  const list = value as readonly unknown[];
  const wrong = list.findIndex((node) => typeof node !== 'object' || node === null || Array.isArray(node));
  return wrong === -1 ? { list } : unfit(`is no list of nodes: its entry ${wrong + 1} is none`);
}

/** How deep a text of JSON goes, without reading it as JSON. */
function depthOf(text: string): number {
  let [depth, deepest, quoted] = [0, 0, false];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (quoted) {
      if (code === 92) i++;
      else if (code === 34) quoted = false;
    } else if (code === 34) quoted = true;
    else if (code === 91 || code === 123) deepest = Math.max(deepest, ++depth);
    else if (code === 93 || code === 125) depth--;
  }
  return deepest;
}
