/** Devices, points and rules in one line; of a large site as many as fit. */
import type { Inventory } from '../../core/ports.ts';
import { LONGEST_OUT } from './limits.ts';
import type { DoorRule } from './source.ts';

/** For the other parts of the line. */
const SPARE = 1024;

export function inventoryLine({ revision, devices }: Inventory, rules: ReadonlyMap<string, DoorRule>): string {
  let left = LONGEST_OUT - SPARE;
  let truncated = false;
  const fitting = (entries: Iterable<readonly [string, unknown]>): string => {
    const parts: string[] = [];
    for (const [name, value] of entries) {
      const part = `${JSON.stringify(name)}:${JSON.stringify(value)}`;
      // Units may be of more than one byte a letter.
      const bytes = Buffer.byteLength(part) + 1;
      if (bytes > left) {
        truncated = true;
        continue;
      }
      left -= bytes;
      parts.push(part);
    }
    return `{${parts.join(',')}}`;
  };
  const known = fitting(Object.entries(devices));
  const watched = fitting(rules);
  const more = truncated ? ',"truncated":true' : '';
  return `{"type":"inventory","revision":${revision},"devices":${known},"rules":${watched}${more}}\n`;
}
