/**
 * Looks at the flows that lie on the disk before Node-RED reads them. They may have come past every deploy: placed by hand, or by a
 * restore of an old backup. Node-RED would crash or hang with some of them at each start.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { nestingFault, nodesIn } from '../revisions/nesting.ts';

/** As Node-RED names them (localfilesystem/projects). It takes the second one where the first is empty. */
export const FLOW_FILE = 'flows.json';
export const FLOW_BACKUP = '.flows.json.backup';

/** @returns why these flows would never start, in words; undefined where they may start, or where Node-RED reads none */
export function flowsFault(folder: string): string | undefined {
  const text = textOf(path.join(folder, FLOW_FILE));
  const read = text === '' ? textOf(path.join(folder, FLOW_BACKUP)) : text;
  const fault = nestingFault(nodesOf(read ?? ''));
  return fault === undefined ? undefined : `the flows on the disk would never start: ${fault}`;
}

/** undefined: there is none, or Node-RED cannot read it either. */
function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  } catch {
    return undefined;
  }
}

/** Only what Node-RED can use: it reports the rest itself. */
function nodesOf(text: string): ReturnType<typeof nodesIn> {
  try {
    return nodesIn(JSON.parse(text));
  } catch {
    return [];
  }
}
