/**
 * Bytes that the kernel took for a connection and that its peer has not. A socket's buffer takes megabytes and says nothing
 * until a third of them has gone; this shows the progress of a slow reader much earlier.
 */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';

const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'];
/** Columns of a row: `sl local_address rem_address st tx_queue:rx_queue …`. */
const [LOCAL, REMOTE, QUEUES] = [1, 2, 4];

/** @returns undefined where the system does not say */
export function unacknowledgedBytes({ localPort, remotePort }: Pick<Socket, 'localPort' | 'remotePort'>): number | undefined {
  if (localPort === undefined || remotePort === undefined) return undefined;
  const ends = [localPort, remotePort].map((port) => `:${port.toString(16).toUpperCase().padStart(4, '0')}`);
  for (const table of TABLES) {
    for (const line of textOf(table).split('\n')) {
      const columns = line.trim().split(/\s+/);
      if (!columns[LOCAL]?.endsWith(ends[0] as string) || !columns[REMOTE]?.endsWith(ends[1] as string)) continue;
      const bytes = Number.parseInt(columns[QUEUES] ?? '', 16);
      if (Number.isSafeInteger(bytes)) return bytes;
    }
  }
  return undefined;
}

/** It lies in memory: reading it waits for nothing. */
function textOf(table: string): string {
  try {
    return readFileSync(table, 'latin1');
  } catch {
    return '';
  }
}
