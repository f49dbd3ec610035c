/** The ports that the security scorecard lists. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

const PAGE = path.join(import.meta.dirname, '..', '..', 'docs', 'security', 'README.md');

/** `127.0.0.1:1883 TCP`, sorted. */
export function documentedPorts(): string[] {
  const rows = readFileSync(PAGE, 'utf8').matchAll(/^\| (\S+:\d+) \| (TCP|UDP) \|/gm);
  return [...rows].map(([, address, protocol]) => `${address} ${protocol}`).sort();
}
