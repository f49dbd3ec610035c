/**
 * How far the peer of a connection is. A socket's buffer takes megabytes and says nothing until a third of them has gone; this shows
 * the progress of a slow reader much earlier. What the kernel is asked for directly needs a package of 7 MB: it is loaded when a peer
 * lags for the first time. Before that, and where it is missing, the table of connections says how much waits.
 */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { type AskStanding, kernelStanding, type Standing } from '../../access/doors/standing.ts';

/** A peer with so many bytes unacknowledged lags. */
const LAGS = 64 * 1024;
let ask: AskStanding | undefined;
let asked = false;

/** @returns undefined where the system does not say */
export function standingOf(socket: Socket): Standing | undefined {
  const known = ask?.(socket);
  if (known !== undefined) return known;
  const waiting = unacknowledgedBytes(socket);
  if (waiting === undefined) return undefined;
  if (waiting >= LAGS && !asked) {
    asked = true;
    void kernelStanding().then((found) => {
      ask = found;
    });
  }
  return { waiting };
}

const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'];
/** Columns of a row: `sl local_address rem_address st tx_queue:rx_queue …`. */
const [LOCAL, REMOTE, QUEUES] = [1, 2, 4];

/** @returns undefined where the system does not say */
function unacknowledgedBytes({ localPort, remotePort }: Pick<Socket, 'localPort' | 'remotePort'>): number | undefined {
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
