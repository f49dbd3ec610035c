/** Memory of the board, as /proc/meminfo has it. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { formatSize } from '../../core/units.ts';
import { type Finding, ok, type Roots, unknown, warning } from './finding.ts';

const MB = 1024 * 1024;
/** What the gateway and the system need to work. */
const LOW = 48 * MB;

export function checkMemory(roots: Roots): Finding[] {
  const found = new Map<string, number>();
  try {
    for (const line of readFileSync(path.join(roots.proc, 'meminfo'), 'utf8').split('\n')) {
      const [, name, kB] = /^(\w+):\s+(\d+) kB$/.exec(line) ?? [];
      if (name !== undefined) found.set(name, Number(kB) * 1024);
    }
  } catch {
    // Not a Linux.
  }
  const [total, available] = [found.get('MemTotal'), found.get('MemAvailable')];
  if (total === undefined || available === undefined)
    return [unknown('memory', 'memory', 'The system does not say how much memory it has.')];
  if (available < LOW)
    return [
      warning(
        ...(['memory', 'memory-low', `Only ${formatSize(available)} of ${formatSize(total)} memory are available.`] as const),
        'Look for the largest programs with top. Node-RED can have less: nodeRed.memory.',
      ),
    ];
  return [ok('memory', 'memory', `${formatSize(available)} of ${formatSize(total)} memory are available.`)];
}
